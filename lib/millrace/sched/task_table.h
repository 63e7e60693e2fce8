// SPDX-License-Identifier: Apache-2.0
// What the scheduler knows of each task of a run, as columns of small numbers: about a hundred bytes per task, so that
// ten million waiting ones fit in a gigabyte. What only few tasks have (failures, reasons) stands in Run's maps.
#pragma once

#include <cstdint>
#include <vector>

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
};

struct TaskTable {
  std::vector<Phase> phase;
  std::vector<Outcome> outcome;
  std::vector<std::uint8_t> flags;
  std::vector<std::uint8_t> crashes;           // counted ones
  std::vector<std::uint32_t> unmet;            // dependencies that have not ended
  std::vector<std::uint32_t> open_dependants;  // edges to tasks that have not ended
  std::vector<std::uint32_t> capability;       // class; kNone before the run is active
  std::vector<std::uint32_t> attempt;          // current one, index into the attempt table
  std::vector<std::uint32_t> tries;            // attempts so far
  std::vector<std::uint32_t> charged;          // retries consumed
  std::vector<std::uint32_t> worker;           // of the latest attempt, index into the table of names
  std::vector<Duration> ready;                 // since the run's submission; -1 = has not happened
  std::vector<Duration> started;
  std::vector<Duration> ended;
  std::vector<Duration> execution;
  std::vector<std::uint64_t> changed;     // the run's event number at the last change
  std::vector<JournalPosition> ended_at;  // where its TaskEnded stands

  explicit TaskTable(std::size_t n = 0)
      : phase(n, Phase::kWaiting),
        outcome(n, Outcome::kNone),
        flags(n, 0),
        crashes(n, 0),
        unmet(n, 0),
        open_dependants(n, 0),
        capability(n, kNone),
        attempt(n, kNone),
        tries(n, 0),
        charged(n, 0),
        worker(n, kNone),
        ready(n, Duration(-1)),
        started(n, Duration(-1)),
        ended(n, Duration(-1)),
        execution(n, Duration::zero()),
        changed(n, 0),
        ended_at(n, 0) {}

  std::uint32_t size() const { return static_cast<std::uint32_t>(phase.size()); }
  bool Has(std::uint32_t task, std::uint8_t flag) const { return (flags[task] & flag) != 0; }
  void Set(std::uint32_t task, std::uint8_t flag, bool on = true) {
    flags[task] = static_cast<std::uint8_t>(on ? flags[task] | flag : flags[task] & ~flag);
  }
};

}  // namespace millrace::sched
