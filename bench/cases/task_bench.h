// SPDX-License-Identifier: Apache-2.0
// The graphs of Task Bench (Slaughter et al., "Task Bench: A Parameterized Benchmark for Evaluating Parallel Runtime
// Performance", SC20): steps of so many points, each of which needs points of the step before. Made anew from the
// published definition.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/model/job.h"

namespace millrace::bench {

struct TaskGraph {
  std::string pattern;  // one of PatternNames()
  std::int64_t width = 1024;
  std::int64_t steps = 16;
};

std::vector<std::string> PatternNames();

// How many points a step has: `width`, but in a tree that grows from one.
std::int64_t WidthOfStep(const TaskGraph& graph, std::int64_t step);
// The points of the step before that this one needs, in order; none in the first step.
std::vector<std::int64_t> NeedsOf(const TaskGraph& graph, std::int64_t step, std::int64_t point);

// A job of Spins of so many iterations.
JobSpec JobOfGraph(const TaskGraph& graph, std::uint64_t iterations);

}  // namespace millrace::bench
