// SPDX-License-Identifier: Apache-2.0
// What waits for time: a heap of hints. An entry may be stale or early, never late; the owner knows when each is really
// due and corrects the top, so that the next wake-up is exact without ever searching the heap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

#include "millrace/base/time.h"

namespace millrace::sched {

enum class TimerKind : std::uint8_t {
  kBeacon,
  kSession,     // a: session
  kTask,        // a: run, b: task; end of its back-off, or of its wait for the cache
  kClassStuck,  // a: class; no worker can serve it, and tasks are queued
  kAnnounce,    // a: run
  kTell,        // a: run
  kRetire,      // a: run
  kOrphans,
};

struct Timer {
  Instant at;
  TimerKind kind = TimerKind::kBeacon;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};

class Timers {
 public:
  void Push(const Timer& timer) {
    heap_.push_back(timer);
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  Timer Pop() {
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    const Timer timer = heap_.back();
    heap_.pop_back();
    return timer;
  }
  // Drops the entries for which `is_stale` is true and, of those that wait for the same, all but the first; `is_stale`
  // must not depend on which of them is looked at.
  template <class IsStale>
  void Sweep(IsStale&& is_stale) {
    std::erase_if(heap_, is_stale);
    std::sort(heap_.begin(), heap_.end(), [](const Timer& x, const Timer& y) {
      return std::tie(x.kind, x.a, x.b, x.at) < std::tie(y.kind, y.a, y.b, y.at);
    });
    const auto same = [](const Timer& x, const Timer& y) {
      return std::tie(x.kind, x.a, x.b) == std::tie(y.kind, y.a, y.b);
    };
    heap_.erase(std::unique(heap_.begin(), heap_.end(), same), heap_.end());
    std::make_heap(heap_.begin(), heap_.end(), Later);
  }
  bool Empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  const Timer& Top() const { return heap_.front(); }
  Instant Next() const { return heap_.empty() ? kNever : heap_.front().at; }

 private:
  static bool Later(const Timer& x, const Timer& y) {
    if (x.at != y.at) return x.at > y.at;
    if (x.kind != y.kind) return x.kind > y.kind;
    if (x.a != y.a) return x.a > y.a;
    return x.b > y.b;
  }
  std::vector<Timer> heap_;
};

}  // namespace millrace::sched
