// SPDX-License-Identifier: Apache-2.0
// A run of the history as something to be played again: the job, what each try of its tasks took and came to, and on
// what it ran. What other workers would need to be able to run them is not looked at, but for the slots they take.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/model/job.h"
#include "millrace/replay/virtual_fleet.h"
#include "millrace/report/run_report.h"

namespace millrace::replay {

struct RecordedTask {
  std::vector<VirtualTry> tries;  // at least one; those that were lost with their worker are not among them
  bool cached = false;
  bool guessed = false;  // it has not run to its end: it takes what others of its template took, in the median
};

struct Recording {
  JobSpec job;  // to be submitted to a VirtualFleet
  std::vector<RecordedTask> tasks;
  Duration elapsed{};  // as it was
  RunState state = RunState::kSucceeded;
  std::vector<std::int64_t> slots;  // of each of its workers, as many as were busy at a time
  Duration handover{};              // between two tasks in a slot, on average
  std::int64_t widest = 1;          // slots that its widest task takes
  std::vector<std::string> notes;   // what is not as it was, for people
};

// `job`: as it was submitted, when the history knows it; else each task takes one slot. FailedPrecondition for a run
// whose tasks are not kept.
absl::StatusOr<Recording> MakeRecording(const report::RunReport& report, std::optional<JobSpec> job);

}  // namespace millrace::replay
