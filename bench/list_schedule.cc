// SPDX-License-Identifier: Apache-2.0
#include "bench/list_schedule.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <set>
#include <tuple>
#include <utility>

namespace millrace::bench {
namespace {

struct Times {
  std::vector<Duration> above;  // of each task: the longest path that ends where it begins
  std::vector<Duration> below;  // the longest path that begins where it ends
};

Times TimesOf(const Dag& dag) {
  Times times{std::vector<Duration>(dag.tasks.size()), std::vector<Duration>(dag.tasks.size())};
  const std::vector<std::uint32_t> order = TopologicalOrder(dag);
  for (const std::uint32_t i : order) {
    for (const std::uint32_t need : dag.tasks[i].needs) {
      times.above[i] = std::max(times.above[i], times.above[need] + dag.tasks[need].takes);
    }
  }
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    for (const std::uint32_t need : dag.tasks[*it].needs) {
      times.below[need] = std::max(times.below[need], times.below[*it] + dag.tasks[*it].takes);
    }
  }
  return times;
}

// The tasks that cannot begin before `head`, and after each of which `tail` has to follow, take so long on all slots;
// looked at for every `tail`.
Duration ByWork(Duration head, const Dag& dag, const Times& times, const std::vector<std::uint32_t>& by_below,
                std::int64_t slots) {
  Duration best{};
  Duration work{};
  for (const std::uint32_t i : by_below) {
    if (times.above[i] < head || dag.tasks[i].takes == Duration::zero()) continue;
    work += dag.tasks[i].takes;
    best = std::max(best, head + Duration((work.count() + slots - 1) / slots) + times.below[i]);
  }
  return best;
}

// Of the k * slots + 1 longest of these tasks, k + 1 share a slot, and take at least what the shortest of them do.
Duration ByRounds(Duration head, Duration tail, const Dag& dag, const Times& times, std::size_t slots) {
  std::vector<Duration> longest;
  for (std::size_t i = 0; i < dag.tasks.size(); ++i) {
    if (times.above[i] >= head && times.below[i] >= tail) longest.push_back(dag.tasks[i].takes);
  }
  std::sort(longest.begin(), longest.end(), std::greater<>());
  Duration best{};
  for (std::size_t k = 1; k * slots < longest.size(); ++k) {
    const auto last = longest.begin() + static_cast<std::ptrdiff_t>(k * slots);
    best = std::max(best, std::accumulate(last - static_cast<std::ptrdiff_t>(k), last + 1, Duration::zero()));
  }
  return best == Duration::zero() ? best : best + head + tail;  // no more of them than slots say nothing
}

// At most so many of the values, evenly: any subset of them gives a true bound.
std::vector<Duration> Some(const std::vector<Duration>& all, std::size_t most) {
  const std::set<Duration> sorted(all.begin(), all.end());
  const std::size_t step = (sorted.size() + most - 1) / most;
  std::vector<Duration> some;
  std::size_t at = 0;
  for (const Duration value : sorted) {
    if (at++ % step == 0) some.push_back(value);
  }
  return some;
}

}  // namespace

Bounds BoundsOf(const Dag& dag, std::size_t slots) {
  const Times times = TimesOf(dag);
  Bounds bounds{};
  std::vector<std::uint32_t> by_below(dag.tasks.size());
  for (std::uint32_t i = 0; i < dag.tasks.size(); ++i) {
    bounds.work += dag.tasks[i].takes;
    bounds.path = std::max(bounds.path, times.above[i] + dag.tasks[i].takes + times.below[i]);
    by_below[i] = i;
  }
  bounds.work /= static_cast<std::int64_t>(slots);
  bounds.lower = std::max(bounds.work, bounds.path);
  std::stable_sort(by_below.begin(), by_below.end(),
                   [&times](std::uint32_t a, std::uint32_t b) { return times.below[a] > times.below[b]; });
  for (const Duration head : Some(times.above, 4000)) {
    bounds.lower = std::max(bounds.lower, ByWork(head, dag, times, by_below, static_cast<std::int64_t>(slots)));
  }
  for (const Duration head : Some(times.above, 30)) {
    for (const Duration tail : Some(times.below, 30)) {
      bounds.lower = std::max(bounds.lower, ByRounds(head, tail, dag, times, slots));
    }
  }
  return bounds;
}

Duration ListSchedule(const Dag& dag, std::size_t slots) {
  const Times times = TimesOf(dag);
  using Ready = std::tuple<Duration, std::int64_t>;    // path, -index: the greatest goes first
  using Running = std::pair<Duration, std::uint32_t>;  // end, index
  std::priority_queue<Ready> ready;
  std::priority_queue<Running, std::vector<Running>, std::greater<>> running;
  std::vector<std::size_t> unmet;
  std::vector<std::vector<std::uint32_t>> dependants(dag.tasks.size());
  const auto add = [&](std::uint32_t i) { ready.emplace(times.below[i] + dag.tasks[i].takes, -std::int64_t{i}); };
  for (std::uint32_t i = 0; i < dag.tasks.size(); ++i) {
    unmet.push_back(dag.tasks[i].needs.size());
    for (const std::uint32_t need : dag.tasks[i].needs) dependants[need].push_back(i);
    if (unmet[i] == 0) add(i);
  }
  Duration now{};
  while (!ready.empty() || !running.empty()) {
    while (!ready.empty() && running.size() < slots) {
      const auto i = static_cast<std::uint32_t>(-std::get<1>(ready.top()));
      ready.pop();
      running.emplace(now + dag.tasks[i].takes, i);
    }
    now = running.top().first;
    while (!running.empty() && running.top().first == now) {
      for (const std::uint32_t dependant : dependants[running.top().second]) {
        if (--unmet[dependant] == 0) add(dependant);
      }
      running.pop();
    }
  }
  return now;
}

}  // namespace millrace::bench
