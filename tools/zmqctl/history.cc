// SPDX-License-Identifier: Apache-2.0
// Runs that have ended: a list, or one with all that is kept of it; asked of a broker or read from its data directory.
#include <algorithm>
#include <ctime>
#include <iterator>
#include <optional>

#include "millrace/base/fields.h"
#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/host/engine.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/past.h"
#include "millrace/host/report.h"
#include "millrace/host/summary.h"
#include "millrace/report/crash_card.h"
#include "millrace/serve/view_json.h"
#include "tools/zmqctl/commands.h"
#include "tools/zmqctl/estimates.h"
#include "tools/zmqctl/text.h"

namespace millrace::zmqctl {
namespace {

using host::Colour;
using host::Console;
using host::FormatTable;
using host::Printable;

using host::PastSource;
std::string DateOf(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm local{};
  char text[32] = "";
  if (localtime_r(&seconds, &local) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return text;
}

std::string Span(Duration duration) { return duration < Duration::zero() ? "-" : FormatDuration(duration); }

absl::StatusOr<RunState> StateOf(const std::string& text) {
  std::vector<std::string> names;
  for (const RunState state : {RunState::kSucceeded, RunState::kFailed, RunState::kCancelled}) {
    names.emplace_back(EnumName(state));
    if (names.back() == text) return state;
  }
  return InvalidArgument("--state %s: allowed are succeeded, failed and cancelled%s", text, DidYouMean(text, names));
}

absl::StatusOr<std::vector<PastRun>> RunsOf(const PastSource& source, const Arguments& arguments) {
  Query query;
  query.kind = QueryKind::kPastRuns;
  query.name = arguments.name;
  if (!arguments.state.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(query.state, StateOf(arguments.state));
  }
  if (!arguments.since.empty()) {
    const absl::StatusOr<Duration> age = ParseDuration(arguments.since);
    if (!age.ok()) return Annotate(age.status(), "--since");
    query.after_unix_ms = UnixMsNow() - std::chrono::duration_cast<std::chrono::milliseconds>(*age).count();
  }
  if (arguments.last < 0) return InvalidArgument("--last %d: it is a number of runs, or 0 for all", arguments.last);
  const auto wanted = static_cast<std::size_t>(arguments.last);
  std::vector<PastRun> runs;
  for (bool more = true; more && (wanted == 0 || runs.size() < wanted);) {
    if (wanted > 0) query.limit = static_cast<std::uint32_t>(std::min<std::size_t>(wanted - runs.size(), UINT32_MAX));
    MILLRACE_ASSIGN_OR_RETURN(Answer answer, source.ask(query));
    more = answer.more && answer.next != query.since;
    query.since = answer.next;
    std::move(answer.past_runs.begin(), answer.past_runs.end(), std::back_inserter(runs));
  }
  return runs;
}

struct Past {
  PastRun run;
  std::vector<PastTask> tasks;
};

absl::StatusOr<Past> RunOf(const PastSource& source, RunId run) {
  Past past;
  Query query;
  query.kind = QueryKind::kPastTasks;
  query.run = run;
  for (bool more = true; more;) {
    MILLRACE_ASSIGN_OR_RETURN(Answer answer, source.ask(query));
    if (answer.past_runs.empty()) return Internal("the answer about run %s was empty", RunName(run));
    past.run = std::move(answer.past_runs.front());
    more = answer.more && answer.next != query.since;
    query.since = answer.next;
    query.run = answer.run;  // the newest at the first question, and no other afterwards
    std::move(answer.past_tasks.begin(), answer.past_tasks.end(), std::back_inserter(past.tasks));
  }
  return past;
}

Colour ColourOf(RunState state) {
  switch (state) {
    case RunState::kFailed: return Colour::kRed;
    case RunState::kCancelled: return Colour::kYellow;
    default: return Colour::kPlain;
  }
}

std::string WhatOf(const PastRun& run) {
  return run.view.root_cause.empty() ? host::Totals(run.view) : Printable(run.view.root_cause);
}

std::string ListText(const std::vector<PastRun>& runs, const Console& console) {
  std::vector<std::vector<std::string>> rows = {{"run", "name", "state", "tasks", "ended", "elapsed", "what"}};
  std::vector<Colour> colours = {Colour::kBold};
  for (const PastRun& run : runs) {
    rows.push_back({RunName(run.view.run), Printable(run.view.name), std::string(EnumName(run.view.state)),
                    std::to_string(run.view.tasks), DateOf(run.ended_unix_ms), FormatDuration(run.view.elapsed),
                    WhatOf(run)});
    colours.push_back(ColourOf(run.view.state));
  }
  return FormatTable(rows, console, colours);
}

// Those that were tried `fewest` times or more: what became of each try.
std::string AttemptsText(const std::vector<PastTask>& tasks, std::size_t fewest, const Console& console) {
  std::vector<std::vector<std::string>> rows = {{"task", "try", "worker", "started", "took", "outcome", "why"}};
  for (const PastTask& task : tasks) {
    if (task.attempts.size() + task.attempts_left_out < fewest) continue;
    if (task.attempts_left_out > 0) {
      rows.push_back({Printable(task.view.name), "...", "", "", "",
                      absl::StrFormat("%d older tries are not kept", task.attempts_left_out), ""});
    }
    for (const PastAttempt& attempt : task.attempts) {
      const bool known = attempt.started >= Duration::zero() && attempt.ended >= attempt.started;
      rows.push_back({Printable(task.view.name), std::to_string(attempt.try_number), Printable(attempt.worker),
                      Span(attempt.started), known ? FormatDuration(attempt.ended - attempt.started) : "-",
                      std::string(EnumName(attempt.outcome)), Printable(attempt.message)});
    }
  }
  return rows.size() == 1 ? "" : "\n" + FormatTable(rows, console);
}

std::string RunText(const Past& past, const Console& console) {
  const RunView& view = past.run.view;
  std::string text =
      absl::StrFormat("run %s of %s %s: %s\nsubmitted %s, ended %s, after %s\n", RunName(view.run),
                      Printable(view.name), EnumName(view.state), WhatOf(past.run), DateOf(view.submitted_unix_ms),
                      DateOf(past.run.ended_unix_ms), FormatDuration(view.elapsed));
  if (past.run.without_tasks) return text + absl::StrFormat("its %d tasks were too many to keep each\n", view.tasks);
  std::vector<std::vector<std::string>> rows = {{"task", "outcome", "tries", "worker", "started", "time", "why"}};
  std::vector<Colour> colours = {Colour::kBold};
  for (const PastTask& task : past.tasks) {
    const TaskView& row = task.view;
    const std::string& why = row.failure.message.empty() ? row.reason : row.failure.message;
    rows.push_back({Printable(row.name), host::StateText(row), row.try_number ? std::to_string(row.try_number) : "-",
                    row.worker.empty() ? "-" : Printable(row.worker), Span(row.started),
                    task.attempts.empty() ? "-" : FormatDuration(row.execution), Printable(why)});
    colours.push_back(host::ColourOf(row));
  }
  return text + "\n" + FormatTable(rows, console, colours) + AttemptsText(past.tasks, 2, console);
}

// One task: what became of each of its tries, and why it failed. `words`: the options that name where it was found.
absl::StatusOr<std::string> TaskText(const Past& past, const std::string& name, const std::string& words,
                                     const Console& console) {
  std::vector<std::string> names;
  const PastTask* found = nullptr;
  std::uint32_t others = 0;
  for (const PastTask& task : past.tasks) {
    names.push_back(task.view.name);
    if (task.view.name == name) found = &task;
  }
  if (found == nullptr) {
    return NotFound("run %s has no task '%s' in the history%s", RunName(past.run.view.run), name,
                    DidYouMean(name, names));
  }
  for (const PastTask& task : past.tasks) {
    const bool same = report::HostOf(task.view) == report::HostOf(found->view);
    others += &task != found && same && report::HasFailed(task.view) ? 1 : 0;
  }
  TaskView view = found->view;
  view.host = report::HostOf(view);
  std::string text = absl::StrFormat("%s of run %s: %s, module %s\n", Printable(name), RunName(past.run.view.run),
                                     host::StateText(view), Printable(view.module));
  if (!view.reason.empty()) text += Printable(view.reason) + "\n";
  text += AttemptsText({*found}, 1, console);
  if (!report::HasFailed(view)) return text;
  const host::FailureNotes notes{.others_on_host = view.host.empty() ? 0 : others,
                                 .again = report::RerunCommand("zmqctl", past.run.view.run, name, words)};
  return text + "\n" + host::FailureText(view, console, notes);
}

absl::StatusOr<int> Show(const PastSource& source, const Arguments& arguments, const std::string& words,
                         const Console& out) {
  if (arguments.estimates) {
    Arguments good = arguments;
    good.state = EnumName(RunState::kSucceeded);
    MILLRACE_ASSIGN_OR_RETURN(const std::vector<PastRun> runs, RunsOf(source, good));
    MILLRACE_ASSIGN_OR_RETURN(const std::string text, EstimatesOf(source, runs, arguments.json, out));
    out.Write(text);
    return host::kSucceeded;
  }
  if (arguments.run.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(const std::vector<PastRun> runs, RunsOf(source, arguments));
    out.Write(arguments.json ? serve::PastRunsJson(runs) + "\n" : ListText(runs, out));
    return host::kSucceeded;
  }
  MILLRACE_ASSIGN_OR_RETURN(const RunId run, ParseRunName(arguments.run));
  MILLRACE_ASSIGN_OR_RETURN(Past past, RunOf(source, run));
  if (!arguments.task.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(const std::string text, TaskText(past, arguments.task, words, out));
    if (!arguments.json) {
      out.Write(text);
      return host::kSucceeded;
    }
    std::erase_if(past.tasks, [&](const PastTask& task) { return task.view.name != arguments.task; });
  }
  out.Write(arguments.json ? serve::PastRunJson(past.run, past.tasks) + "\n" : RunText(past, out));
  return host::kSucceeded;
}

PastSource BrokerOf(Context& context) {
  return host::AskBroker(context.client, static_cast<std::uint64_t>(context.options.max_payload_size));
}

// The run, when what the broker has refused is merely that it has forgotten it; else its refusal, which says more.
absl::StatusOr<RunId> Forgotten(Context& context, const absl::Status& status) {
  if (status.code() != absl::StatusCode::kNotFound || context.arguments.run.empty()) return status;
  Query known;
  known.kind = QueryKind::kRun;
  MILLRACE_ASSIGN_OR_RETURN(known.run, ParseRunName(context.arguments.run));
  if (context.client.Ask(known).status().code() != absl::StatusCode::kNotFound) return status;
  return known.run;
}

}  // namespace

absl::StatusOr<int> History(Context& context) {
  absl::StatusOr<int> shown =
      Show(BrokerOf(context), context.arguments, host::BrokerWords(context.options), context.out);
  if (shown.status().code() != absl::StatusCode::kNotFound) return shown;
  Query known;
  known.kind = QueryKind::kRun;
  MILLRACE_ASSIGN_OR_RETURN(known.run, ParseRunName(context.arguments.run));
  const absl::StatusOr<Answer> run = context.client.Ask(known);
  if (!run.ok() || run->runs.empty() || HasEnded(run->runs.front().state)) return shown;
  return NotFound("run %s has not ended; see zmqctl tasks %s", context.arguments.run, context.arguments.run);
}

absl::StatusOr<int> HistoryOnDisk(const Arguments& arguments, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(const PastSource source,
                            host::AskDisk(arguments.data_dir, static_cast<std::uint64_t>(options.max_payload_size)));
  return Show(source, arguments, "--data-dir " + report::ShellWord(arguments.data_dir),
              host::ConsoleFor(stdout, options));
}

absl::StatusOr<std::vector<TaskView>> PastTasks(Context& context, const absl::Status& status) {
  MILLRACE_ASSIGN_OR_RETURN(const RunId run, Forgotten(context, status));
  absl::StatusOr<Past> past = RunOf(BrokerOf(context), run);
  if (!past.ok()) return past.status();
  if (past->run.without_tasks) return NotFound("%s; see zmqctl history %s", TextOf(status), RunName(run));
  std::vector<TaskView> tasks;
  for (PastTask& task : past->tasks) tasks.push_back(std::move(task.view));
  return tasks;
}

absl::StatusOr<Bytes> PastResult(Context& context, const absl::Status& status) {
  MILLRACE_ASSIGN_OR_RETURN(const RunId run, Forgotten(context, status));
  const auto limit = static_cast<std::uint64_t>(context.options.max_payload_size);
  return context.client.Result(run, context.arguments.task, limit, QueryKind::kPastResult);
}

absl::Status PointToPast(Context& context, const absl::Status& status) {
  const absl::StatusOr<RunId> run = Forgotten(context, status);
  if (!run.ok()) return status;
  Query past;
  past.kind = QueryKind::kPastTasks;
  past.run = *run;
  past.limit = 1;
  if (!context.client.Ask(past).ok()) return status;
  return NotFound("run %s has ended and the broker has forgotten it; see zmqctl history %s", RunName(*run),
                  RunName(*run));
}

}  // namespace millrace::zmqctl
