// SPDX-License-Identifier: Apache-2.0
// The questions: status, runs, tasks, workers, logs, result, why, health.
#include <poll.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "absl/strings/str_join.h"
#include "millrace/base/fields.h"
#include "millrace/base/status.h"
#include "millrace/host/engine.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/summary.h"
#include "millrace/report/crash_card.h"
#include "millrace/serve/view_json.h"
#include "millrace/wire/json.h"
#include "tools/zmqctl/commands.h"
#include "tools/zmqctl/estimates.h"
#include "tools/zmqctl/text.h"

namespace millrace::zmqctl {
namespace {

using host::FormatTable;
using host::Printable;

void Print(const Context& context, const std::string& text) { context.out.Write(text + "\n"); }

absl::StatusOr<Query> About(QueryKind kind, const Arguments& arguments) {
  Query query;
  query.kind = kind;
  query.task = arguments.task;
  if (!arguments.run.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(query.run, ParseRunName(arguments.run));
  }
  return query;
}

std::size_t LiveOf(const std::vector<WorkerView>& workers) {
  return static_cast<std::size_t>(std::count_if(
      workers.begin(), workers.end(), [](const WorkerView& worker) { return worker.state != WorkerState::kLost; }));
}

using Left = std::map<RunId, host::TimesLeft>;
using Json = nlohmann::ordered_json;

// How much longer each takes stands in its row; null when it is not known, or when it has ended.
void AddTimesLeft(Json& rows, const std::vector<RunView>& runs, const Left& left) {
  const auto seconds = [](Duration duration) {
    return std::round(std::chrono::duration<double>(duration).count() * 1e3) / 1e3;
  };
  for (std::size_t i = 0; i < runs.size() && i < rows.size(); ++i) {
    const auto it = left.find(runs[i].run);
    rows[i]["eta_p50_s"] = it == left.end() ? Json(nullptr) : Json(seconds(it->second.p50));
    rows[i]["eta_p90_s"] = it == left.end() ? Json(nullptr) : Json(seconds(it->second.p90));
  }
}

std::string WithTimesLeft(const std::string& json, const std::vector<RunView>& runs, const Left& left) {
  Json rows = Json::parse(json);
  AddTimesLeft(rows, runs, left);
  return rows.dump();
}

std::string WithRuns(const std::string& json, const std::string& runs_json, const std::vector<RunView>& runs,
                     const Left& left) {
  Json broker = Json::parse(json);
  Json rows = Json::parse(runs_json);
  AddTimesLeft(rows, runs, left);
  broker["runs"] = std::move(rows);
  return broker.dump();
}

}  // namespace

absl::StatusOr<int> Status(Context& context) {
  Query query;
  query.kind = QueryKind::kBroker;
  MILLRACE_ASSIGN_OR_RETURN(const Answer answer, context.client.Ask(query));
  if (answer.broker.empty()) return Internal("the broker said nothing about itself");
  std::vector<RunView> runs;
  if (answer.broker.front().runs_active > 0) {
    query.kind = QueryKind::kRuns;
    MILLRACE_ASSIGN_OR_RETURN(Answer known, context.client.Ask(query));
    runs = std::move(known.runs);
    std::erase_if(runs, [](const RunView& run) { return HasEnded(run.state); });
  }
  MILLRACE_ASSIGN_OR_RETURN(const Left left, TimesLeftOf(context, runs));
  if (context.arguments.json) {
    Print(context, WithRuns(serve::BrokerJson(answer.broker.front()), serve::RunsJson(runs), runs, left));
    return host::kSucceeded;
  }
  std::string text = BrokerText(answer.broker.front(), context.out);
  for (const RunView& run : runs) {
    text += absl::StrFormat("run       %s of %s: %s", RunName(run.run), Printable(run.name), host::Totals(run));
    if (const auto it = left.find(run.run); it != left.end()) text += ", " + host::TimeLeftText(it->second);
    text += "\n";
  }
  context.out.Write(text);
  return host::kSucceeded;
}

absl::StatusOr<int> Health(Context& context) {
  Query query;
  query.kind = QueryKind::kBroker;
  MILLRACE_ASSIGN_OR_RETURN(Answer answer, context.client.Ask(query));
  MILLRACE_ASSIGN_OR_RETURN(std::vector<WorkerView> workers, context.client.Workers());
  if (answer.broker.empty()) return Internal("the broker said nothing about itself");
  serve::Snapshot snapshot;
  snapshot.broker = std::move(answer.broker.front());
  snapshot.workers = std::move(workers);
  snapshot.unix_ms = UnixMsNow();
  const bool ok = snapshot.broker.warnings.empty();
  if (context.arguments.json) {
    Print(context, serve::HealthJson(snapshot, /*stalled=*/false));
  } else {
    Print(context, context.out.Paint(ok ? host::Colour::kGreen : host::Colour::kYellow, ok ? "ok" : "degraded"));
    for (const std::string& warning : snapshot.broker.warnings) Print(context, "  " + Printable(warning));
  }
  return ok ? host::kSucceeded : host::kRunFailed;
}

absl::StatusOr<int> Runs(Context& context) {
  Query query;
  query.kind = QueryKind::kRuns;
  MILLRACE_ASSIGN_OR_RETURN(const Answer answer, context.client.Ask(query));
  MILLRACE_ASSIGN_OR_RETURN(const Left left, TimesLeftOf(context, answer.runs));
  if (context.arguments.json) {
    Print(context, WithTimesLeft(serve::RunsJson(answer.runs), answer.runs, left));
    return host::kSucceeded;
  }
  std::vector<std::vector<std::string>> rows = {{"run", "name", "state", "tasks", "elapsed", "what"}};
  for (const RunView& run : answer.runs) {
    std::string what = run.root_cause.empty() ? host::Totals(run) : Printable(run.root_cause);
    if (const auto it = left.find(run.run); it != left.end()) what += ", " + host::TimeLeftText(it->second);
    rows.push_back({RunName(run.run), Printable(run.name), std::string(EnumName(run.state)), std::to_string(run.tasks),
                    FormatDuration(run.elapsed), std::move(what)});
  }
  context.out.Write(FormatTable(rows, context.out));
  return host::kSucceeded;
}

namespace {

// All of the run, also when only the history has it.
absl::StatusOr<std::vector<TaskView>> AllTasks(Context& context, RunId& run) {
  MILLRACE_ASSIGN_OR_RETURN(Query query, About(QueryKind::kTasks, context.arguments));
  query.task.clear();
  std::vector<TaskView> tasks;
  for (bool more = true; more;) {
    absl::StatusOr<Answer> answer = context.client.Ask(query);
    if (!answer.ok()) {
      MILLRACE_ASSIGN_OR_RETURN(tasks, PastTasks(context, answer.status()));
      break;
    }
    more = answer->more;
    query.since = answer->next;
    query.run = answer->run;  // the newest at the first question, and no other afterwards
    std::move(answer->tasks.begin(), answer->tasks.end(), std::back_inserter(tasks));
  }
  // A task that changed between two pages is in both; the later row is the newer.
  std::stable_sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  std::vector<TaskView> unique;
  for (TaskView& task : tasks) {
    if (!unique.empty() && unique.back().index == task.index) unique.pop_back();
    unique.push_back(std::move(task));
  }
  run = query.run;
  return unique;
}

}  // namespace

absl::StatusOr<int> Tasks(Context& context) {
  RunId run;
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<TaskView> unique, AllTasks(context, run));
  if (context.arguments.json) {
    Print(context, serve::TasksJson(unique));
    return host::kSucceeded;
  }
  std::vector<std::vector<std::string>> rows = {{"task", "state", "try", "worker", "time", "why"}};
  std::vector<host::Colour> colours = {host::Colour::kBold};
  for (const TaskView& task : unique) {
    const std::string& why = task.failure.message.empty() ? task.reason : task.failure.message;
    rows.push_back({Printable(task.name), host::StateText(task),
                    task.try_number ? std::to_string(task.try_number) : "-",
                    task.worker.empty() ? "-" : Printable(task.worker),
                    task.state == TaskState::kEnded ? FormatDuration(task.execution) : "-", Printable(why)});
    colours.push_back(host::ColourOf(task));
  }
  context.out.Write(FormatTable(rows, context.out, colours));
  return host::kSucceeded;
}

absl::StatusOr<int> Workers(Context& context) {
  MILLRACE_ASSIGN_OR_RETURN(std::vector<WorkerView> workers, context.client.Workers());
  const auto wanted = static_cast<std::size_t>(context.arguments.wait_for);
  while (LiveOf(workers) < wanted) {
    constexpr int kLookAgainMs = 50;
    poll(nullptr, 0, kLookAgainMs);
    MILLRACE_ASSIGN_OR_RETURN(workers, context.client.Workers());
  }
  if (context.arguments.json) {
    Print(context, serve::WorkersJson(workers));
    return host::kSucceeded;
  }
  std::vector<std::vector<std::string>> rows = {{"worker", "host", "state", "slots", "running", "done", "offers"}};
  for (const WorkerView& worker : workers) {
    rows.push_back({Printable(worker.name), Printable(worker.host),
                    std::string(EnumName(worker.state)) + (worker.heartbeat_degraded ? " (no heartbeat)" : ""),
                    absl::StrFormat("%d/%d", worker.cpus_used, worker.offer.cpus), std::to_string(worker.running),
                    std::to_string(worker.completed), Printable(OfferText(worker.offer))});
  }
  context.out.Write(FormatTable(rows, context.out));
  return host::kSucceeded;
}

absl::StatusOr<int> Logs(Context& context) {
  MILLRACE_ASSIGN_OR_RETURN(Query query, About(QueryKind::kLogs, context.arguments));
  // Whether there are such a run and task: whoever keeps the lines knows only what has printed something.
  Query known = query;
  known.kind = query.task.empty() ? QueryKind::kRun : QueryKind::kTasks;
  const absl::StatusOr<Answer> found = context.client.Ask(known);
  if (!found.ok()) return PointToPast(context, found.status());
  query.run = found->run;
  std::string last_task;
  while (true) {
    MILLRACE_ASSIGN_OR_RETURN(const Answer answer, context.client.Ask(query));
    for (const std::string& line : answer.lines) context.err.Write(line + "\n");
    for (const LogLine& line : answer.logs) {
      context.out.Write(context.arguments.json ? LogLineJson(line) + "\n" : LogText(line, last_task, context.out));
    }
    query.since = answer.next;
    if (answer.more) continue;
    if (!context.arguments.follow) return host::kSucceeded;
    // Ended runs print nothing more; what was printed before the end is asked for once again.
    Query about;
    about.kind = QueryKind::kRun;
    about.run = query.run;
    MILLRACE_ASSIGN_OR_RETURN(const Answer run, context.client.Ask(about));
    if (!run.runs.empty() && HasEnded(run.runs.front().state)) {
      if (answer.logs.empty()) return host::kSucceeded;
      continue;
    }
    constexpr int kLookAgainMs = 250;
    poll(nullptr, 0, kLookAgainMs);
  }
}

namespace {

// Of a task that has no result since it failed: all that is known of that.
void ShowFailure(Context& context) {
  RunId run;
  const absl::StatusOr<std::vector<TaskView>> tasks = AllTasks(context, run);
  if (!tasks.ok()) return;
  const auto named = [&context](const TaskView& task) { return task.name == context.arguments.task; };
  const auto task = std::find_if(tasks->begin(), tasks->end(), named);
  if (task == tasks->end() || !report::HasFailed(*task)) return;
  const std::string& host = report::HostOf(*task);
  const auto on_host = std::count_if(tasks->begin(), tasks->end(), [&host](const TaskView& other) {
    return report::HasFailed(other) && report::HostOf(other) == host;
  });
  host::FailureNotes notes{
      .others_on_host = host.empty() ? 0 : static_cast<std::uint32_t>(on_host - 1),
      .again = report::RerunCommand("zmqctl", run, task->name, host::BrokerWords(context.options))};
  context.err.Write(host::FailureText(*task, context.err, notes));
}

}  // namespace

absl::StatusOr<int> Result(Context& context) {
  RunId run;
  if (!context.arguments.run.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(run, ParseRunName(context.arguments.run));
  }
  const auto limit = static_cast<std::uint64_t>(context.options.max_payload_size);
  absl::StatusOr<Bytes> found = context.client.Result(run, context.arguments.task, limit);
  if (!found.ok()) found = PastResult(context, found.status());
  if (!found.ok()) ShowFailure(context);
  MILLRACE_ASSIGN_OR_RETURN(const Bytes result, std::move(found));
  if (result.empty()) {
    Print(context, "null");
    return host::kSucceeded;
  }
  MILLRACE_ASSIGN_OR_RETURN(const std::string text, wire::MsgpackToJson(result.view(), wire::JsonStyle::kIndented));
  Print(context, text);
  return host::kSucceeded;
}

absl::StatusOr<int> Why(Context& context) {
  MILLRACE_ASSIGN_OR_RETURN(const Query query, About(QueryKind::kWhy, context.arguments));
  const absl::StatusOr<Answer> asked = context.client.Ask(query);
  if (!asked.ok()) return PointToPast(context, asked.status());
  const Answer& answer = *asked;
  if (context.arguments.json) {
    Print(context, LinesJson(answer.lines));
    return host::kSucceeded;
  }
  for (const std::string& line : answer.lines) Print(context, Printable(line));
  return host::kSucceeded;
}

}  // namespace millrace::zmqctl
