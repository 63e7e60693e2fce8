// SPDX-License-Identifier: Apache-2.0
// What the history keeps of how a task was submitted, so that it can be run again and its run be played again.
#pragma once

#include <cstdint>

#include "millrace/model/job.h"

namespace millrace {

// One row of a run: what tasks share (modules, requirements, policies) stands once, in the run's tables.
struct SubmittedTask {
  TaskSpec spec;                      // without `name` and `needs`, which are kept beside it
  std::uint64_t inputs_left_out = 0;  // bytes of inputs that were too many to keep; `spec.inputs` is empty then
  friend bool operator==(const SubmittedTask&, const SubmittedTask&) = default;
};

// One task with all that belongs to it.
struct PastWork {
  JobSpec job;  // with one module, requirements, policy and task; its `needs` are indexes into the run
  std::uint64_t inputs_left_out = 0;
  std::uint32_t needs_left_out = 0;
  friend bool operator==(const PastWork&, const PastWork&) = default;
};

}  // namespace millrace
