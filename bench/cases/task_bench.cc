// SPDX-License-Identifier: Apache-2.0
#include "bench/cases/task_bench.h"

#include <algorithm>
#include <bit>

#include "bench/fleet.h"
#include "bench/modules.h"
#include "millrace/base/random.h"

namespace millrace::bench {
namespace {

constexpr std::int64_t kRadix = 5;  // of random_nearest: the point itself and two on either side
constexpr double kFractionConnected = 0.25;
constexpr std::int64_t kPeriod = 3;  // so many steps have edges of their own, then they repeat

// Always the same for the same edge.
bool IsDrawn(std::int64_t edges, std::int64_t from, std::int64_t to) {
  Random random(static_cast<std::uint64_t>(((edges << 24) ^ from) << 24 ^ to));
  return random.Unit() < kFractionConnected;
}

}  // namespace

std::vector<std::string> PatternNames() { return {"trivial", "stencil_1d", "fft", "tree", "random_nearest"}; }

std::int64_t WidthOfStep(const TaskGraph& graph, std::int64_t step) {
  if (graph.pattern != "tree" || step >= 62) return graph.width;
  return std::min(graph.width, std::int64_t{1} << step);
}

std::vector<std::int64_t> NeedsOf(const TaskGraph& graph, std::int64_t step, std::int64_t point) {
  std::vector<std::int64_t> needs;
  if (step == 0 || graph.pattern == "trivial") return needs;
  const std::int64_t before = WidthOfStep(graph, step - 1);
  const auto add = [&](std::int64_t other) {
    if (other >= 0 && other < before) needs.push_back(other);
  };
  if (graph.pattern == "stencil_1d") {
    for (const std::int64_t other : {point - 1, point, point + 1}) add(other);
  } else if (graph.pattern == "fft") {
    const auto levels = std::max<std::int64_t>(1, std::bit_width(static_cast<std::uint64_t>(graph.width - 1)));
    const std::int64_t stride = std::int64_t{1} << ((step + levels - 1) % levels);
    for (const std::int64_t other : {point - stride, point, point + stride}) add(other);
  } else if (graph.pattern == "tree") {
    add(point / 2);
  } else {
    for (std::int64_t other = point - kRadix / 2; other <= point + (kRadix - 1) / 2; ++other) {
      if (other == point || IsDrawn(step % kPeriod, other, point)) add(other);
    }
  }
  return needs;
}

JobSpec JobOfGraph(const TaskGraph& graph, std::uint64_t iterations) {
  JobSpec job = JobOf<Spin>(graph.pattern);
  const Bytes inputs = EncodeValue(Spin{.iterations = iterations});
  std::size_t start_of_last = 0;
  for (std::int64_t step = 0; step < graph.steps; ++step) {
    const std::size_t start = job.tasks.size();
    for (std::int64_t point = 0; point < WidthOfStep(graph, step); ++point) {
      TaskSpec& task = job.tasks.emplace_back();
      task.name = "s" + std::to_string(step) + "p" + std::to_string(point);
      task.inputs = inputs;
      for (const std::int64_t other : NeedsOf(graph, step, point)) {
        const auto index = static_cast<std::uint32_t>(start_of_last + static_cast<std::size_t>(other));
        task.needs.push_back({index, DependencyKind::kRequired, -1});
      }
    }
    start_of_last = start;
  }
  return job;
}

}  // namespace millrace::bench
