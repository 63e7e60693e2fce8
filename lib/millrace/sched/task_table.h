// SPDX-License-Identifier: Apache-2.0
// What the scheduler knows of each task of a run, as columns of small numbers: nothing of one that waits, about eighty
// bytes of one that has ended. What only few tasks have (failures, reasons) stands in Run's maps.
#pragma once

#include <cstdint>

#include "millrace/base/column.h"
#include "millrace/base/ids.h"
#include "millrace/base/time.h"
#include "millrace/model/outcome.h"

namespace millrace::sched {

inline constexpr std::uint32_t kNone = UINT32_MAX;  // "no index", of any table

// A task inside the brain: the slot of its run and its index in it.
struct TaskKey {
  std::uint32_t run = kNone;
  std::uint32_t task = kNone;
  friend constexpr auto operator<=>(const TaskKey&, const TaskKey&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const TaskKey& key) {
    return H::combine(std::move(state), key.run, key.task);
  }
};

enum class Phase : std::uint8_t {
  kWaiting,     // for dependencies
  kPending,     // they have ended; on the run's list of tasks to look at, never between two steps
  kRecalling,   // the cache was asked
  kQueued,      // in the ready queue of its class
  kBackingOff,  // before its next try
  kAssigned,    // a worker has it, or had it when the last broker stopped
  kRunning,     // the same, and the worker said that it runs
  kEnded,
};
inline constexpr int kPhases = 8;
inline constexpr int kOutcomes = 9;

struct TaskFlag {
  static constexpr std::uint8_t kDoomed = 1;      // a required dependency went wrong: it will never run
  static constexpr std::uint8_t kSuspect = 2;     // runs alone: it may have taken down a worker
  static constexpr std::uint8_t kSuspicion = 4;   // one crash is not yet counted, since others ran beside it
  static constexpr std::uint8_t kRecallOver = 8;  // the cache has been asked, or is not to be
  static constexpr std::uint8_t kIgnored = 16;    // failed, and its policy ignores that
  static constexpr std::uint8_t kInSolo = 32;     // queued in the solo twin of its class
  static constexpr std::uint8_t kEntryLeft =
      64;  // it left the queue of its class without its entry, which may be there
};

// Every column begins as zeros, so that a task that nothing has happened to yet takes no memory here.
struct TaskTable {
  ZeroColumn<Phase> phase;
  ZeroColumn<Outcome> outcome;
  ZeroColumn<std::uint8_t> flags;
  ZeroColumn<std::uint8_t> crashes;                 // counted ones
  ZeroColumn<std::uint32_t> met;                    // dependencies that have ended
  ZeroColumn<std::uint32_t> ended_dependants;       // edges to tasks that have ended
  ZeroColumn<FromMinusOne<std::uint32_t>> attempt;  // current one, index into the attempt table; kNone at first
  ZeroColumn<std::uint32_t> tries;                  // attempts so far
  ZeroColumn<std::uint32_t> charged;                // retries consumed
  ZeroColumn<FromMinusOne<std::uint32_t>> worker;   // of the latest attempt, index into the table of names
  ZeroColumn<FromMinusOne<Duration>> ready;         // since the run's submission; -1 = has not happened
  ZeroColumn<FromMinusOne<Duration>> started;
  ZeroColumn<FromMinusOne<Duration>> ended;
  ZeroColumn<Duration> execution;
  ZeroColumn<JournalPosition> ended_at;  // where its TaskEnded stands

  explicit TaskTable(std::size_t n = 0)
      : phase(n),
        outcome(n),
        flags(n),
        crashes(n),
        met(n),
        ended_dependants(n),
        attempt(n),
        tries(n),
        charged(n),
        worker(n),
        ready(n),
        started(n),
        ended(n),
        execution(n),
        ended_at(n),
        changed_(n) {}

  std::uint32_t size() const { return static_cast<std::uint32_t>(phase.size()); }
  bool Has(std::uint32_t task, std::uint8_t flag) const { return (flags[task] & flag) != 0; }
  void Set(std::uint32_t task, std::uint8_t flag, bool on = true) {
    flags[task] = static_cast<std::uint8_t>(on ? flags[task] | flag : flags[task] & ~flag);
  }
  // The run's event number at the last change. The submission is one event for each task, in their order.
  std::uint64_t ChangedOf(std::uint32_t task) const {
    return changed_[task] != 0 ? changed_[task] : std::uint64_t{task} + 1;
  }
  void SetChanged(std::uint32_t task, std::uint64_t number) { changed_[task] = number; }

 private:
  ZeroColumn<std::uint64_t> changed_;
};

}  // namespace millrace::sched
