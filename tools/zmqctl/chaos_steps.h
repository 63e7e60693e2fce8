// SPDX-License-Identifier: Apache-2.0
// Judges a run by what its tasks have done to the world: lines that they append to a file, in the order in which they
// came about. What a task has to write:
//
//   line = ("begin" | "end") SP task SP attempt SP slot LF     ; $MILLRACE_TASK $MILLRACE_ATTEMPT $MILLRACE_SLOT
//
// A slot's name holds the process id of its worker, so that a worker that was killed and its successor are told apart.
// Executions that were killed never say `end`: they count until their slot begins something else, or their worker is
// another process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/zmqctl/chaos_oracle.h"

namespace millrace::zmqctl {

struct TaskStep {
  bool begins = false;  // else it ends
  std::string task;
  AttemptId attempt;
  std::string slot;
};

// InvalidArgument names the line.
absl::StatusOr<std::vector<TaskStep>> ParseSteps(std::string_view text);

struct StepsVerdict {
  std::uint64_t executions = 0;
  std::uint64_t reexecutions = 0;  // beyond the first of each task
  std::int64_t most_at_once = 0;   // cpus in use on one worker
  Findings broken;                 // order, limits, executions of the same attempt
};

// `slots`: of each worker. `journal` is of the same run, and has a job.
StepsVerdict JudgeSteps(std::span<const TaskStep> steps, const JournalVerdict& journal, std::int64_t slots);

}  // namespace millrace::zmqctl
