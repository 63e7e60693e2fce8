// SPDX-License-Identifier: Apache-2.0
#include "millrace/report/why.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "millrace/base/fields.h"

namespace millrace::report {
namespace {

constexpr std::size_t kFewest = 4;  // of a template, before one can be called slow
constexpr int kTimesTheMedian = 2;
constexpr Duration kNoise = std::chrono::milliseconds(100);  // less than that is not worth a word
constexpr std::size_t kMostStragglers = 50;

bool Executed(const PastTask& task) {
  return !task.attempts.empty() && task.attempts.back().outcome == task.view.outcome;
}
bool HasRun(const ReportTask& task) { return task.past.view.try_number > 0 || task.cache == CacheUse::kHit; }

// The one of its needs that ended last; of several the first in the pipeline.
std::optional<std::uint32_t> LastNeedOf(const RunReport& report, const ReportTask& task) {
  std::optional<std::uint32_t> last;
  for (const Dependency& need : task.links.needs) {
    const Duration ended = report.tasks[need.task].past.view.ended;
    if (ended < Duration::zero()) continue;
    if (!last || ended > report.tasks[*last].past.view.ended) last = need.task;
  }
  return last;
}

std::string Share(Duration part, Duration whole, const char* what) {
  const auto percent = whole > Duration::zero() ? (100 * part + whole / 2) / whole : 0;
  return absl::StrFormat("%s %s (%d%%)", FormatDuration(part), what, percent);
}

}  // namespace

TimeSplit SplitOf(const PastTask& task) {
  Duration at{};
  // Lives of a broker need not agree on the clock: no part is less than nothing, and none ends behind the task's end.
  const Duration end = std::max(task.view.ended, Duration::zero());
  const auto until = [&at, end](Duration point) {
    const Duration to = std::clamp(point, at, std::max(at, end));
    return to - std::exchange(at, to);
  };
  TimeSplit split;
  const bool waited_only = task.attempts.empty() && task.view.outcome != Outcome::kCached;
  split.dependencies = until(waited_only && task.view.ready < Duration::zero() ? end : task.view.ready);
  if (task.attempts.empty()) {
    split.queue = until(end);
    return split;
  }
  const PastAttempt& last = task.attempts.back();
  if (task.attempts_left_out == 0) split.queue = until(task.attempts.front().assigned);
  split.earlier_tries = until(last.assigned);
  split.handover = until(last.started);
  if (Executed(task)) {
    split.execution = until(end);
  } else {  // it was given up while it waited for another try
    split.execution = until(last.ended);
    split.earlier_tries += until(end);
  }
  return split;
}

void FindPath(RunReport& report) {
  std::optional<std::uint32_t> at;
  for (std::uint32_t t = 0; t < report.tasks.size(); ++t) {
    const ReportTask& task = report.tasks[t];
    if (!HasRun(task) || task.past.view.ended < Duration::zero()) continue;
    if (!at || task.past.view.ended > report.tasks[*at].past.view.ended) at = t;
  }
  while (at && !report.tasks[*at].on_path) {  // a damaged file may hold a circle
    ReportTask& task = report.tasks[*at];
    task.on_path = true;
    TimeSplit split = task.split;
    const Duration from = std::exchange(split.dependencies, Duration::zero());
    report.path.push_back({*at, from, task.past.view.ended, split});
    report.path_split.queue += split.queue;
    report.path_split.earlier_tries += split.earlier_tries;
    report.path_split.handover += split.handover;
    report.path_split.execution += split.execution;
    at = LastNeedOf(report, task);
  }
  std::reverse(report.path.begin(), report.path.end());
}

void FindStragglers(RunReport& report) {
  std::map<std::pair<std::string, std::string>, std::vector<std::uint32_t>> templates;
  for (std::uint32_t t = 0; t < report.tasks.size(); ++t) {
    const ReportTask& task = report.tasks[t];
    if (Executed(task.past)) templates[{task.past.view.module, task.group}].push_back(t);
  }
  for (auto& [name, members] : templates) {
    if (members.size() < kFewest) continue;
    std::vector<Duration> times;
    for (const std::uint32_t t : members) times.push_back(report.tasks[t].split.execution);
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>((times.size() - 1) / 2);
    std::nth_element(times.begin(), middle, times.end());
    for (const std::uint32_t t : members) {
      const Duration execution = report.tasks[t].split.execution;
      if (execution < kTimesTheMedian * *middle || execution < *middle + kNoise) continue;
      report.stragglers.push_back({t, execution, *middle, static_cast<std::uint32_t>(members.size() - 1)});
    }
  }
  std::stable_sort(report.stragglers.begin(), report.stragglers.end(), [](const Straggler& a, const Straggler& b) {
    return a.execution - a.median > b.execution - b.median;
  });
  if (report.stragglers.size() > kMostStragglers) report.stragglers.resize(kMostStragglers);
}

void Explain(RunReport& report) {
  const Duration elapsed = report.run.view.elapsed;
  if (report.path.empty()) {
    report.why.emplace_back(report.run.without_tasks ? "It had too many tasks to keep each."
                                                     : "No task of it has run.");
    return;
  }
  const TimeSplit& split = report.path_split;
  std::vector<std::string> parts = {Share(split.execution, elapsed, "executing")};
  if (split.queue > Duration::zero()) parts.push_back(Share(split.queue, elapsed, "in the queue"));
  if (split.earlier_tries > Duration::zero()) parts.push_back(Share(split.earlier_tries, elapsed, "in earlier tries"));
  if (split.handover > Duration::zero()) parts.push_back(Share(split.handover, elapsed, "being handed over"));
  report.why.push_back(absl::StrFormat("Of %s, %d task%s that followed each other took %s: %s.",
                                       FormatDuration(elapsed), report.path.size(), report.path.size() == 1 ? "" : "s",
                                       FormatDuration(split.Sum()), absl::StrJoin(parts, ", ")));
  const PathStep& longest = *std::max_element(report.path.begin(), report.path.end(), [](const auto& a, const auto& b) {
    return a.to - a.from < b.to - b.from;
  });
  report.why.push_back(absl::StrFormat("The longest of them: %s, %s.", report.tasks[longest.task].past.view.name,
                                       FormatDuration(longest.to - longest.from)));
  if (split.queue > split.execution) report.why.emplace_back("Most of it was waiting for a free slot.");
  if (!report.stragglers.empty()) {
    const Straggler& worst = report.stragglers.front();
    report.why.push_back(absl::StrFormat("%s executed for %s, its %d siblings for %s in the median.",
                                         report.tasks[worst.task].past.view.name, FormatDuration(worst.execution),
                                         worst.siblings, FormatDuration(worst.median)));
  }
  const bool known =
      std::all_of(report.tasks.begin(), report.tasks.end(), [](const ReportTask& task) { return task.links_known; });
  if (!known) report.why.emplace_back("What tasks needed is not known: an older Millrace has kept this run.");
}

}  // namespace millrace::report
