// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/summary.h"

#include <algorithm>
#include <sstream>

#include "absl/strings/str_format.h"
#include "millrace/base/fields.h"
#include "millrace/report/crash_card.h"

namespace millrace::host {
namespace {

constexpr std::size_t kWidestCell = 48;

std::string OrDash(std::string text) { return text.empty() ? "-" : text; }

std::string Spent(Duration from, Duration to) {
  if (from < Duration::zero() || to < Duration::zero()) return "-";
  // The start is what the worker measured, counted back from the end: for short tasks it may seem to lie before `from`.
  return FormatDuration(std::max(to - from, Duration::zero()));
}

void AppendCount(std::string& text, std::uint32_t count, std::string_view what) {
  if (count == 0) return;
  if (!text.empty()) text += ", ";
  text += absl::StrFormat("%u %s", count, what);
}

}  // namespace

std::string StateText(const TaskView& task) {
  std::string text(task.state == TaskState::kEnded ? EnumName(task.outcome) : EnumName(task.state));
  std::replace(text.begin(), text.end(), '_', ' ');
  if (task.ignored) text += " (ignored)";
  return text;
}

Colour ColourOf(const TaskView& task) {
  if (task.state != TaskState::kEnded) return Colour::kPlain;
  if (IsGood(task.outcome)) return Colour::kGreen;
  if (task.ignored || task.outcome == Outcome::kCancelled) return Colour::kYellow;
  if (task.outcome == Outcome::kSkipped) return Colour::kDim;
  return Colour::kRed;
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows, const Console& console,
                        const std::vector<Colour>& row_colours) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::min(std::max(widths[i], Width(row[i])), kWidestCell);
  }
  std::string table;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      const bool last = i + 1 == rows[r].size();
      line += last ? rows[r][i] : Pad(Clip(rows[r][i], widths[i]), widths[i] + 2);
    }
    const Colour colour = r < row_colours.size() ? row_colours[r] : (r == 0 ? Colour::kBold : Colour::kPlain);
    table += console.Paint(colour, line) + "\n";
  }
  return table;
}

std::string FailureText(const TaskView& task, const Console& console, const FailureNotes& notes) {
  const Failure& failure = task.failure;
  std::string where;
  if (!task.worker.empty()) {
    where = absl::StrFormat(" (worker %s on host %s, try %u)", Printable(task.worker), Printable(task.host),
                            task.try_number);
  }
  std::string text =
      console.Paint(task.ignored ? Colour::kYellow : Colour::kRed, task.ignored ? "IGNORED " : "FAILED ") +
      absl::StrFormat("%s: %s%s\n", Printable(task.name),
                      OrDash(Printable(failure.message.empty() ? task.reason : failure.message)), where);
  if (!failure.exception.empty()) text += absl::StrFormat("    exception: %s\n", Printable(failure.exception));
  if (failure.exit_code != 0) text += absl::StrFormat("    exit code: %d\n", failure.exit_code);
  if (failure.signal != 0) {
    text += absl::StrFormat("    signal: %d (%s)\n", failure.signal, report::SignalName(failure.signal));
  }
  if (failure.out_of_memory) text += "    out of memory: it went over its limit, or there was no more\n";
  if (notes.others_on_host > 0) {
    text += absl::StrFormat("    host: %u other%s failed on %s\n", notes.others_on_host,
                            notes.others_on_host == 1 ? "" : "s", Printable(report::HostOf(task)));
  }
  if (!notes.again.empty()) text += "    again: " + Printable(notes.again) + "\n";
  std::istringstream lines(Printable(failure.output));
  for (std::string line; std::getline(lines, line);) text += "    | " + line + "\n";
  return text;
}

namespace {

// How much longer or shorter than in the median of earlier runs; of what succeeded only.
std::string DeltaOf(const Summary& summary, const TaskView& task) {
  const auto before = summary.medians.find(task.name);
  if (before == summary.medians.end() || task.outcome != Outcome::kSucceeded) return "-";
  const Duration delta = task.execution - before->second;
  return (delta < Duration::zero() ? "-" : "+") + FormatDuration(delta < Duration::zero() ? -delta : delta);
}

std::string FailuresText(const Summary& summary, const Console& console) {
  std::map<std::string, std::uint32_t> by_host;
  for (const TaskView& task : summary.tasks) {
    if (report::HasFailed(task) && !report::HostOf(task).empty()) ++by_host[report::HostOf(task)];
  }
  std::string text;
  for (const TaskView& task : summary.tasks) {
    if (!report::HasFailed(task)) continue;
    FailureNotes notes;
    const auto host = by_host.find(report::HostOf(task));
    if (host != by_host.end()) notes.others_on_host = host->second - 1;
    if (summary.again) {
      notes.again = report::RerunCommand(summary.again->program, summary.run.run, task.name, summary.again->source);
    }
    text += "\n" + FailureText(task, console, notes);
  }
  return text;
}

}  // namespace

std::string Totals(const RunView& run) {
  std::string counts;
  AppendCount(counts, run.succeeded, "succeeded");
  AppendCount(counts, run.cached, "cached");
  AppendCount(counts, run.failed, "failed");
  AppendCount(counts, run.ignored, "failed but ignored");
  AppendCount(counts, run.skipped, "skipped");
  AppendCount(counts, run.cancelled, "cancelled");
  AppendCount(counts, run.running, "running");
  AppendCount(counts, run.ready + run.waiting, "waiting");
  if (counts.empty()) counts = "nothing to do";
  return absl::StrFormat("%s in %s", counts, FormatDuration(run.elapsed));
}

std::string SummaryTable(const Summary& summary, const Console& console) {
  std::vector<std::vector<std::string>> rows = {{"module", "outcome", "try", "worker", "queued", "time"}};
  if (!summary.medians.empty()) rows[0].emplace_back("\u0394");
  std::vector<Colour> colours = {Colour::kBold};
  for (const TaskView& task : summary.tasks) {
    const bool ran = task.try_number > 0;
    rows.push_back({Printable(task.name), StateText(task), ran ? std::to_string(task.try_number) : "-",
                    OrDash(Printable(task.worker)), ran ? Spent(task.ready, task.started) : "-",
                    ran ? FormatDuration(task.execution) : "-"});
    if (!summary.medians.empty()) rows.back().push_back(DeltaOf(summary, task));
    colours.push_back(ColourOf(task));
  }
  std::string text = FormatTable(rows, console, colours) + FailuresText(summary, console);
  for (const std::string& warning : summary.run.warnings) {
    text += console.Paint(Colour::kYellow, "warning: ") + Printable(warning) + "\n";
  }
  if (!summary.ok() && !summary.run.root_cause.empty())
    text += "root cause: " + Printable(summary.run.root_cause) + "\n";
  std::string verdict(EnumName(summary.run.state));
  const Colour colour = summary.ok() ? Colour::kGreen : Colour::kRed;
  text += absl::StrFormat("%s: run %s %s, %s\n", Printable(summary.run.name), RunName(summary.run.run),
                          console.Paint(colour, verdict), Totals(summary.run));
  return text;
}

}  // namespace millrace::host
