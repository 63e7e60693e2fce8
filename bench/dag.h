// SPDX-License-Identifier: Apache-2.0
// Graphs of tasks with exact durations, read from files that others have recorded or drawn, and as jobs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/time.h"
#include "millrace/model/job.h"

namespace millrace::bench {

struct DagTask {
  Duration takes{};
  std::vector<std::uint32_t> needs;  // indexes into Dag::tasks, in no order
};

struct Dag {
  std::string name;  // of its file, without the folder and the ending
  std::vector<DagTask> tasks;
};

// By its ending: .json is a recorded run of WfCommons (WfFormat 1.5), .jsonl one object {"id", "sec", "deps"} a line
// after a line {"meta"}, .stg a Standard Task Graph, whose unit of time is taken for `stg_unit`. Every task takes one
// slot.
absl::StatusOr<Dag> ReadDag(const std::filesystem::path& file, Duration stg_unit);

// `expected`: whether the job says what its tasks will take.
JobSpec JobOf(const Dag& dag, bool expected);

// The tasks in an order in which each comes after those that it needs. The graph must have no circle.
std::vector<std::uint32_t> TopologicalOrder(const Dag& dag);

}  // namespace millrace::bench
