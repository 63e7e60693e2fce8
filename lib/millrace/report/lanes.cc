// SPDX-License-Identifier: Apache-2.0
#include "millrace/report/lanes.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <tuple>

namespace millrace::report {
namespace {

// Ends are when the broker heard of them, and starts are counted back from there: what ran one after the other may
// seem to overlap by as much as a message takes, or a busy broker. Two that really ran at once do so for longer.
constexpr Duration kTolerance = std::chrono::milliseconds(5);
constexpr int kToleratedPart = 5;  // a fifth of the shorter one

Duration Tolerated(const Bar& bar) { return std::max(kTolerance, (bar.to - bar.from) / kToleratedPart); }

}  // namespace

void LayOut(RunReport& report) {
  std::map<std::string, std::vector<Bar>> by_worker;
  for (std::uint32_t t = 0; t < report.tasks.size(); ++t) {
    const std::vector<PastAttempt>& attempts = report.tasks[t].past.attempts;
    for (std::uint32_t a = 0; a < attempts.size(); ++a) {
      const PastAttempt& attempt = attempts[a];
      if (attempt.started < Duration::zero() || attempt.ended < attempt.started) continue;
      by_worker[attempt.worker].push_back({t, a, 0, attempt.started, attempt.ended});
    }
  }
  for (auto& [worker, bars] : by_worker) {
    std::sort(bars.begin(), bars.end(), [](const Bar& a, const Bar& b) {
      return std::tie(a.from, a.to, a.task, a.attempt) < std::tie(b.from, b.to, b.task, b.attempt);
    });
    const auto first = static_cast<std::uint32_t>(report.lanes.size());
    struct Slot {
      Duration free_at{};
      Duration tolerated{};
    };
    std::vector<Slot> slots;  // of this worker
    for (Bar& bar : bars) {
      const Duration tolerated = Tolerated(bar);
      const auto fits = [&](const Slot& slot) {
        return slot.free_at <= bar.from + std::min(tolerated, std::max(slot.tolerated, kTolerance));
      };
      const auto slot = std::find_if(slots.begin(), slots.end(), fits);
      const auto number = static_cast<std::uint32_t>(slot - slots.begin());
      if (slot == slots.end()) {
        slots.push_back({});
        report.lanes.push_back({worker, number});
      }
      bar.from = std::max(bar.from, slots[number].free_at);
      bar.to = std::max(bar.to, bar.from);
      bar.lane = first + number;
      slots[number] = {bar.to, tolerated};
    }
    std::stable_sort(bars.begin(), bars.end(), [](const Bar& a, const Bar& b) { return a.lane < b.lane; });
    report.bars.insert(report.bars.end(), bars.begin(), bars.end());
  }
}

namespace {

// A start is told as a hint, some time later. What the worker measured leads back to the true one.
Duration StartOf(const ReportTask& task, const PastAttempt& attempt) {
  const bool last = &attempt == &task.past.attempts.back() && attempt.outcome == task.past.view.outcome;
  const Duration execution = task.past.view.execution;
  return last && execution > Duration::zero() ? attempt.ended - execution : attempt.started;
}

}  // namespace

// Times of the history are whole milliseconds, so that only the mean of many says something; the longest tenth is
// somebody else's doing.
Duration HandoverOf(const RunReport& report) {
  std::vector<Duration> gaps;
  for (std::size_t i = 0; i + 1 < report.bars.size(); ++i) {
    const Bar& bar = report.bars[i];
    const Bar& next = report.bars[i + 1];
    if (bar.lane != next.lane) continue;
    const PastAttempt& before = report.tasks[bar.task].past.attempts[bar.attempt];
    const PastAttempt& after = report.tasks[next.task].past.attempts[next.attempt];
    if (after.assigned < Duration::zero() || after.assigned > before.ended) continue;
    gaps.push_back(StartOf(report.tasks[next.task], after) - before.ended);
  }
  if (gaps.empty()) {
    for (const ReportTask& task : report.tasks) {
      if (!task.past.attempts.empty()) gaps.push_back(task.split.handover);
    }
  }
  if (gaps.empty()) return Duration::zero();
  std::sort(gaps.begin(), gaps.end());
  gaps.resize(gaps.size() - gaps.size() / 10);
  const Duration sum = std::accumulate(gaps.begin(), gaps.end(), Duration::zero());
  return std::max(sum / static_cast<std::int64_t>(gaps.size()), Duration::zero());
}

}  // namespace millrace::report
