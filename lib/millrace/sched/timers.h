// SPDX-License-Identifier: Apache-2.0
// What waits for time: a heap of hints. An entry may be stale or early, never late; the owner knows when each is really
// due and corrects the top, so that the next wake-up is exact without ever searching the heap.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "millrace/base/time.h"

namespace millrace::sched {

enum class TimerKind : std::uint8_t {
  kBeacon,
  kSession,     // a: session
  kTask,        // a: run, b: task; end of its back-off, or of its wait for the cache
  kTaskStuck,   // a: run, b: task; no worker can serve it
  kClassStuck,  // a: class; its last server went away while tasks were queued
  kAnnounce,    // a: run
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
  bool Empty() const { return heap_.empty(); }
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
