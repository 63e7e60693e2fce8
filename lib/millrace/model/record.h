// SPDX-License-Identifier: Apache-2.0
// What the journal keeps: every durable change of the scheduler, as plain structs. Replaying them in order gives the
// state back; what can be found out again (sessions, queues, leases) is not here. Times are the broker's wall clock, in
// milliseconds, for people only: 0 = it never happened, or an older Millrace has written the record.
//
// Of assignments and of successes, which are nearly all that a busy broker records, many are one record: TasksAssigned,
// TasksSucceeded. Each of their rows has a position of its own and is worth a TaskAssigned or a TaskEnded (Unfold).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "millrace/base/ids.h"
#include "millrace/base/shared.h"
#include "millrace/model/artifact.h"
#include "millrace/model/outcome.h"
#include "millrace/model/packed_job.h"
#include "millrace/model/view.h"

namespace millrace {

struct RunAccepted {
  static constexpr std::uint8_t kKind = 1;
  RunId run;
  std::uint64_t token = 0;
  std::int64_t submitted_unix_ms = 0;
  Shared<PackedJob> job;
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
  std::optional<ArtifactTree> artifacts{};
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

// What one worker was given of one run, in one step. The attempts' ids follow on.
struct TasksAssigned {
  static constexpr std::uint8_t kKind = 8;
  RunId run;
  std::string worker;
  std::int64_t assigned_unix_ms = 0;
  AttemptId first_attempt;
  std::vector<std::uint32_t> tasks;
  AttemptId AttemptOf(std::size_t row) const { return AttemptId{first_attempt.value + row}; }
  friend bool operator==(const TasksAssigned&, const TasksAssigned&) = default;
};

// Tasks of one run that succeeded, as one worker has reported together.
struct TasksSucceeded {
  static constexpr std::uint8_t kKind = 9;
  struct Row {
    std::uint32_t task = 0;
    AttemptId attempt;
    Duration execution{};
    std::int64_t started_unix_ms = 0;
    friend bool operator==(const Row&, const Row&) = default;
  };
  RunId run;
  std::int64_t ended_unix_ms = 0;
  std::vector<Row> rows;
  std::vector<Payload> results;  // by row, inline ones only; shorter when those behind have none
  const Payload& ResultOf(std::size_t row) const {
    static const Payload kNone;
    return row < results.size() ? results[row] : kNone;
  }
  friend bool operator==(const TasksSucceeded&, const TasksSucceeded&) = default;
};

using Record = std::variant<RunAccepted, TaskAssigned, AttemptEnded, TaskEnded, RunCancelled, RunEnded, CrashForgiven,
                            TasksAssigned, TasksSucceeded>;

// How many positions of the journal it takes.
inline std::size_t PositionsOf(const Record& record) {
  if (const auto* assigned = std::get_if<TasksAssigned>(&record)) return assigned->tasks.size();
  if (const auto* succeeded = std::get_if<TasksSucceeded>(&record)) return succeeded->rows.size();
  return 1;
}

inline std::size_t PositionsOf(const std::vector<Record>& batch) {
  std::size_t positions = 0;
  for (const Record& record : batch) positions += PositionsOf(record);
  return positions;
}

inline TaskAssigned RowOf(const TasksAssigned& record, std::size_t row) {
  return {.task = {record.run, record.tasks[row]},
          .attempt = record.AttemptOf(row),
          .worker = record.worker,
          .assigned_unix_ms = record.assigned_unix_ms};
}
inline TaskEnded RowOf(const TasksSucceeded& record, std::size_t row) {
  const TasksSucceeded::Row& one = record.rows[row];
  return {.task = {record.run, one.task},
          .attempt = one.attempt,
          .outcome = Outcome::kSucceeded,
          .result = record.ResultOf(row),
          .failure = {},
          .reason = {},
          .execution = one.execution,
          .started_unix_ms = one.started_unix_ms,
          .ended_unix_ms = record.ended_unix_ms};
}

// Hands over the record as one per position, in order.
template <class F>
void Unfold(Record record, F&& on_record) {
  if (const auto* assigned = std::get_if<TasksAssigned>(&record)) {
    for (std::size_t row = 0; row < assigned->tasks.size(); ++row) on_record(Record(RowOf(*assigned, row)));
  } else if (const auto* succeeded = std::get_if<TasksSucceeded>(&record)) {
    for (std::size_t row = 0; row < succeeded->rows.size(); ++row) on_record(Record(RowOf(*succeeded, row)));
  } else {
    on_record(std::move(record));
  }
}

}  // namespace millrace
