// SPDX-License-Identifier: Apache-2.0
#include "millrace/report/estimates.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <tuple>

#include "millrace/report/lanes.h"

namespace millrace::report {
namespace {

const std::string kAllVersions = "\n";

void Insert(std::vector<Duration>& sorted, Duration value) {
  sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), value), value);
}

bool Counts(const ReportTask& task) {
  return task.past.view.outcome == Outcome::kSucceeded && task.past.view.try_number > 0;
}

}  // namespace

Duration QuantileOf(const std::vector<Duration>& sorted, double share) {
  const auto count = static_cast<double>(sorted.size());
  const auto place = static_cast<std::size_t>(std::max(std::ceil(share * count) - 1, 0.0));
  return sorted[std::min(place, sorted.size() - 1)];
}

void Estimates::Add(const RunReport& report) {
  if (report.run.view.state != RunState::kSucceeded || report.tasks.empty()) return;
  for (const ReportTask& task : report.tasks) {
    if (!Counts(task)) continue;
    const Duration took = task.past.view.execution;
    for (const std::string& version : {task.version, kAllVersions}) {
      Insert(tasks_[task.past.view.name][version], took);
      Insert(groups_[task.group][version], took);
    }
  }
  Insert(handovers_, HandoverOf(report));
}

const Estimates::Samples* Estimates::Choose(const std::map<std::string, ByVersion>& table, const std::string& name,
                                            const std::optional<std::string>& version, std::size_t enough) {
  const auto found = table.find(name);
  if (found == table.end()) return nullptr;
  const auto at = found->second.find(version.value_or(kAllVersions));
  return at == found->second.end() || at->second.size() < enough ? nullptr : &at->second;
}

std::optional<Estimate> Estimates::Of(const std::string& task, const std::optional<std::string>& version) const {
  const std::string group = GroupOf(task);
  const Samples* samples = Choose(tasks_, task, version, kEnough);
  if (samples == nullptr) samples = Choose(groups_, group, version, 1);
  if (samples == nullptr) samples = Choose(tasks_, task, std::nullopt, kEnough);
  if (samples == nullptr) samples = Choose(groups_, group, std::nullopt, 1);
  if (samples == nullptr) return std::nullopt;
  return Estimate{samples->size(), QuantileOf(*samples, 0.5), QuantileOf(*samples, 0.9)};
}

std::optional<Duration> Estimates::MedianOf(const std::string& task) const {
  const Samples* samples = Choose(tasks_, task, std::nullopt, 1);
  if (samples == nullptr) return std::nullopt;
  return QuantileOf(*samples, 0.5);
}

Duration Estimates::handover() const { return handovers_.empty() ? Duration::zero() : QuantileOf(handovers_, 0.5); }

std::vector<Estimates::Row> Estimates::Rows() const {
  std::vector<Row> rows;
  for (const auto& [group, versions] : groups_) {
    for (const auto& [version, samples] : versions) {
      if (version == kAllVersions) continue;
      rows.push_back({group, version, {samples.size(), QuantileOf(samples, 0.5), QuantileOf(samples, 0.9)}});
    }
  }
  return rows;
}

namespace {

struct Links {
  std::vector<std::size_t> unmet;
  std::vector<std::vector<std::uint32_t>> dependants;
  std::vector<Duration> below;  // the longest path from a task's start
};

Links LinksOf(const std::vector<Pending>& tasks) {
  Links links{std::vector<std::size_t>(tasks.size()), std::vector<std::vector<std::uint32_t>>(tasks.size()),
              std::vector<Duration>(tasks.size())};
  std::vector<std::uint32_t> order;
  for (std::uint32_t t = 0; t < tasks.size(); ++t) {
    links.unmet[t] = tasks[t].needs.size();
    for (const std::uint32_t need : tasks[t].needs) links.dependants[need].push_back(t);
    if (links.unmet[t] == 0) order.push_back(t);
  }
  std::vector<std::size_t> unmet = links.unmet;
  for (std::size_t next = 0; next < order.size(); ++next) {
    for (const std::uint32_t dependant : links.dependants[order[next]]) {
      if (--unmet[dependant] == 0) order.push_back(dependant);
    }
  }
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    Duration longest{};
    for (const std::uint32_t dependant : links.dependants[*it]) longest = std::max(longest, links.below[dependant]);
    links.below[*it] = longest + tasks[*it].takes;
  }
  return links;
}

}  // namespace

Duration TimeLeft(const std::vector<Pending>& tasks, std::int64_t slots) {
  Links links = LinksOf(tasks);
  using Ready = std::tuple<bool, Duration, std::int64_t>;  // running, path, -index: the greatest goes first
  using Ending = std::pair<Duration, std::uint32_t>;
  std::priority_queue<Ready> ready;
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> endings;
  const auto add = [&](std::uint32_t t) { ready.emplace(tasks[t].running, links.below[t], -std::int64_t{t}); };
  std::int64_t running = 0;
  for (std::uint32_t t = 0; t < tasks.size(); ++t) {
    if (tasks[t].running) ++running;
    if (links.unmet[t] == 0) add(t);
  }
  const auto most = static_cast<std::size_t>(std::max<std::int64_t>({slots, running, 1}));
  Duration now{};
  while (!ready.empty() || !endings.empty()) {
    while (!ready.empty() && endings.size() < most) {
      const auto t = static_cast<std::uint32_t>(-std::get<2>(ready.top()));
      ready.pop();
      endings.emplace(now + tasks[t].takes, t);
    }
    const auto [end, ended] = endings.top();
    endings.pop();
    now = end;
    for (const std::uint32_t dependant : links.dependants[ended]) {
      if (--links.unmet[dependant] == 0) add(dependant);
    }
  }
  return now;
}

namespace {

// Nothing when a task of it was not known before.
std::optional<Estimate> Foreseen(const Estimates& estimates, const RunReport& report) {
  std::vector<Pending> p50;
  std::vector<Pending> p90;
  for (const ReportTask& task : report.tasks) {
    Pending pending;
    for (const Dependency& need : task.links.needs) pending.needs.push_back(need.task);
    p50.push_back(pending);
    p90.push_back(pending);
    if (!Counts(task)) continue;  // it came from the cache, or was skipped
    const std::optional<Estimate> one = estimates.Of(task.past.view.name, task.version);
    if (!one) return std::nullopt;
    p50.back().takes = one->p50 + estimates.handover();
    p90.back().takes = one->p90 + estimates.handover();
  }
  const auto slots = static_cast<std::int64_t>(report.lanes.size());
  return Estimate{.runs = estimates.runs(), .p50 = TimeLeft(p50, slots), .p90 = TimeLeft(p90, slots)};
}

}  // namespace

HitRate HitRateOf(const std::vector<RunReport>& past) {
  HitRate rate;
  Estimates estimates;
  for (const RunReport& report : past) {
    if (report.run.view.state != RunState::kSucceeded) continue;
    if (const std::optional<Estimate> foreseen = Foreseen(estimates, report)) {
      ++rate.runs;
      rate.within_p50 += report.run.view.elapsed <= foreseen->p50 ? 1 : 0;
      rate.within_p90 += report.run.view.elapsed <= foreseen->p90 ? 1 : 0;
    }
    estimates.Add(report);
  }
  return rate;
}

}  // namespace millrace::report
