// SPDX-License-Identifier: Apache-2.0
// What people see of a broker: rows for status, runs, tasks and workers. Times are offsets from the run's submission.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "millrace/base/ids.h"
#include "millrace/base/time.h"
#include "millrace/model/artifact.h"
#include "millrace/model/offer.h"
#include "millrace/model/outcome.h"

namespace millrace {

enum class TaskState : std::uint8_t {
  kWaiting,   // for dependencies
  kReady,     // for a worker
  kAssigned,  // a worker has it, not known to run yet
  kRunning,
  kBackingOff,  // before its next try
  kEnded,
};

enum class RunState : std::uint8_t { kRunning, kCancelling, kSucceeded, kFailed, kCancelled };
constexpr bool HasEnded(RunState state) { return state >= RunState::kSucceeded; }

enum class WorkerState : std::uint8_t { kIdle, kBusy, kDraining, kLost };

struct TaskView {
  std::uint32_t index = 0;
  std::string name;
  std::string module;
  TaskState state = TaskState::kWaiting;
  Outcome outcome = Outcome::kNone;
  bool ignored = false;          // failed, and its policy says ignore_failure
  std::uint32_t try_number = 0;  // of the latest attempt, 1-based; 0 = none yet
  std::uint32_t wave = 0;        // 1 + the longest path above
  std::string worker;            // of the latest attempt
  std::string host;
  Duration ready{-1};    // -1 = has not happened
  Duration started{-1};  // of the latest attempt
  Duration ended{-1};
  Duration execution{};                   // as the worker measured it
  std::string reason;                     // why it waits, was skipped or cancelled; "" when there is nothing to say
  Failure failure;                        // when it failed
  std::uint64_t changed = 0;              // the run's event number at its last change
  std::vector<ArtifactTree> artifacts{};  // 0 or 1: all that it has made
  friend bool operator==(const TaskView&, const TaskView&) = default;
};

struct RunView {
  RunId run;
  std::string name;
  RunState state = RunState::kRunning;
  std::int64_t submitted_unix_ms = 0;
  Duration elapsed{};  // until now, or until it ended
  std::uint32_t tasks = 0;
  std::uint32_t waiting = 0;
  std::uint32_t ready = 0;
  std::uint32_t running = 0;  // assigned ones included
  std::uint32_t succeeded = 0;
  std::uint32_t cached = 0;
  std::uint32_t failed = 0;   // and timed out, lost
  std::uint32_t ignored = 0;  // failed, but ignored; not in `failed`
  std::uint32_t skipped = 0;  // and dependency failed
  std::uint32_t cancelled = 0;
  std::uint32_t waves = 0;
  std::uint64_t changed = 0;          // event number of the run's last change
  std::string root_cause;             // the first failure that made it fail: "test[shard=2]: exit code 1"
  std::vector<std::string> warnings;  // loud degradations: fewer workers than expected, no capable worker, ...
  friend bool operator==(const RunView&, const RunView&) = default;
};

struct WorkerView {
  std::string name;
  std::string host;
  std::uint32_t pid = 0;
  std::string version;
  WorkerState state = WorkerState::kIdle;
  bool local = false;
  bool heartbeat_degraded = false;  // the heartbeat channel is silent, the control channel works
  Offer offer;
  std::int64_t cpus_used = 0;
  std::uint32_t running = 0;
  std::uint32_t prefetched = 0;
  std::uint64_t completed = 0;
  Duration silent_for{};  // since anything was heard of it
  friend bool operator==(const WorkerView&, const WorkerView&) = default;
};

struct BrokerView {
  std::string version;
  Epoch epoch = 0;
  Duration uptime{};
  std::uint32_t workers = 0;
  std::uint32_t expected_workers = 0;
  std::int64_t cpus = 0;
  std::int64_t cpus_used = 0;
  std::uint32_t runs_active = 0;
  std::uint64_t tasks_ready = 0;
  std::uint64_t tasks_running = 0;
  std::uint64_t tasks_completed = 0;
  std::uint64_t outcomes_dropped = 0;  // late, doubled or foreign
  std::uint64_t protocol_errors = 0;
  std::vector<std::string> warnings;
  friend bool operator==(const BrokerView&, const BrokerView&) = default;
};

}  // namespace millrace
