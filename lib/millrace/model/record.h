// SPDX-License-Identifier: Apache-2.0
// What the journal keeps: every durable change of the scheduler, as plain structs. Replaying them in order gives the
// state back; what can be found out again (sessions, queues, leases) is not here. Times are the broker's wall clock, in
// milliseconds, for people only: 0 = it never happened, or an older Millrace has written the record.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "millrace/base/ids.h"
#include "millrace/model/job.h"
#include "millrace/model/outcome.h"
#include "millrace/model/view.h"

namespace millrace {

struct RunAccepted {
  static constexpr std::uint8_t kKind = 1;
  RunId run;
  std::uint64_t token = 0;
  std::int64_t submitted_unix_ms = 0;
  JobSpec job;
  friend bool operator==(const RunAccepted&, const RunAccepted&) = default;
};

struct TaskAssigned {
  static constexpr std::uint8_t kKind = 2;
  TaskRef task;
  AttemptId attempt;
  std::string worker;
  std::int64_t assigned_unix_ms = 0;
  friend bool operator==(const TaskAssigned&, const TaskAssigned&) = default;
};

// The attempt is over and the task is not: given back, lost, or failed with a try left.
struct AttemptEnded {
  static constexpr std::uint8_t kKind = 3;
  TaskRef task;
  AttemptId attempt;
  Outcome outcome = Outcome::kNone;  // kNone = given back
  bool charged = false;              // consumes a retry
  bool suspect = false;              // ran when its worker crashed: counts towards the crash limit once it ran alone
  bool crashed = false;              // counts towards the crash limit now
  std::int64_t started_unix_ms = 0;  // as far as anybody was told of it
  std::int64_t ended_unix_ms = 0;
  std::string message{};  // why, when it failed
  friend bool operator==(const AttemptEnded&, const AttemptEnded&) = default;
};

// The task has its one outcome, which never changes again.
struct TaskEnded {
  static constexpr std::uint8_t kKind = 4;
  TaskRef task;
  AttemptId attempt;  // none when it never ran
  Outcome outcome = Outcome::kNone;
  Payload result;
  Failure failure;
  std::string reason;
  Duration execution{};
  std::int64_t started_unix_ms = 0;  // of the latest attempt
  std::int64_t ended_unix_ms = 0;
  friend bool operator==(const TaskEnded&, const TaskEnded&) = default;
};

struct RunCancelled {
  static constexpr std::uint8_t kKind = 5;
  RunId run;
  std::string reason;
  friend bool operator==(const RunCancelled&, const RunCancelled&) = default;
};

struct RunEnded {
  static constexpr std::uint8_t kKind = 6;
  RunId run;
  RunState state = RunState::kSucceeded;
  std::int64_t ended_unix_ms = 0;
  friend bool operator==(const RunEnded&, const RunEnded&) = default;
};

// The worker thought lost came back alive: the crash it was counted for did not happen.
struct CrashForgiven {
  static constexpr std::uint8_t kKind = 7;
  TaskRef task;
  friend bool operator==(const CrashForgiven&, const CrashForgiven&) = default;
};

using Record = std::variant<RunAccepted, TaskAssigned, AttemptEnded, TaskEnded, RunCancelled, RunEnded, CrashForgiven>;

}  // namespace millrace
