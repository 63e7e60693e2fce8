// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/job_graph.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "millrace/base/status.h"

namespace millrace::sched {
namespace {

// Follows unmet dependencies until a task comes up twice: every task Kahn's order left over has one that is left too.
absl::Status CycleError(const PackedJob& job, const std::vector<std::uint32_t>& unmet) {
  std::uint32_t task = 0;
  while (unmet[task] == 0) ++task;
  std::vector<std::uint32_t> path;
  std::vector<bool> seen(job.tasks.size(), false);
  while (!seen[task]) {
    seen[task] = true;
    path.push_back(task);
    for (const Dependency need : job.tasks.NeedsOf(task)) {
      if (unmet[need.task] == 0) continue;
      task = need.task;
      break;
    }
  }
  path.erase(path.begin(), std::find(path.begin(), path.end(), task));
  path.push_back(task);
  constexpr std::size_t kShown = 20;
  const std::size_t shown = std::min(path.size(), kShown);
  std::string text = absl::StrJoin(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(shown), " -> ",
                                   [&](std::string* out, std::uint32_t t) { out->append(job.tasks.NameOf(t)); });
  if (path.size() > shown) {
    text += absl::StrFormat(" -> ... (%d more) -> %s", path.size() - shown - 1, job.tasks.NameOf(task));
  }
  return InvalidArgument("the tasks depend on each other in a circle: %s (each needs the next)", text);
}

void FillEdges(const PackedJob& job, JobGraph& graph) {
  const std::size_t n = job.tasks.size();
  graph.first_edge.assign(n + 1, 0);
  for (std::size_t i = 0; i < n; ++i) {
    for (const Dependency need : job.tasks.NeedsOf(i)) ++graph.first_edge[need.task + 1];
  }
  for (std::size_t i = 0; i < n; ++i) graph.first_edge[i + 1] += graph.first_edge[i];
  graph.edges.resize(graph.first_edge[n]);
  std::vector<std::uint32_t> next(graph.first_edge.begin(), graph.first_edge.end() - 1);
  for (std::uint32_t i = 0; i < n; ++i) {
    for (const Dependency need : job.tasks.NeedsOf(i)) {
      graph.edges[next[need.task]++] = Edge(i, need.kind == DependencyKind::kOptional);
    }
  }
}

// What a task of each policy adds to its paths, in microseconds. Where nobody has said what it takes, it counts as the
// mean of those where somebody has; where nobody has for any, each counts a second, so that a path is as long as it has
// tasks.
std::vector<std::uint64_t> WeightsOf(const PackedJob& job) {
  constexpr std::uint64_t kUnknown = 1'000'000;
  constexpr std::uint64_t kHeaviest = UINT64_MAX / kMaxTasks;  // a path of all tasks is still a number: 21 days each
  std::vector<std::uint64_t> weights;
  for (const Policy& policy : job.policies) {
    const auto expected = static_cast<std::uint64_t>(std::max(policy.expected, Duration::zero()).count());
    weights.push_back(expected == 0 ? 0 : std::clamp<std::uint64_t>(expected / 1000, 1, kHeaviest));
  }
  std::uint64_t sum = 0;
  std::uint64_t known = 0;
  for (const PackedTasks::Shape& shape : job.tasks.shapes()) {
    sum += weights[shape.policy] * shape.tasks;
    if (weights[shape.policy] > 0) known += shape.tasks;
  }
  const std::uint64_t mean = known == 0 ? kUnknown : sum / known;
  for (std::uint64_t& weight : weights) {
    if (weight == 0) weight = mean;
  }
  return weights;
}

}  // namespace

absl::StatusOr<JobGraph> BuildGraph(const PackedJob& job) {
  const auto n = static_cast<std::uint32_t>(job.tasks.size());
  JobGraph graph;
  graph.weights = WeightsOf(job);
  if (job.tasks.needs() == 0) {
    graph.waves = n > 0 ? 1 : 0;
    return graph;
  }
  FillEdges(job, graph);
  graph.wave.assign(n, 1);
  graph.below.assign(n, 0);
  std::vector<std::uint32_t> unmet(n);
  std::vector<std::uint32_t> order;
  order.reserve(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    unmet[i] = static_cast<std::uint32_t>(job.tasks.NeedsOf(i).size());
    if (unmet[i] == 0) order.push_back(i);
  }
  for (std::size_t at = 0; at < order.size(); ++at) {
    const std::uint32_t task = order[at];
    graph.waves = std::max(graph.waves, graph.wave[task]);
    for (const Edge edge : graph.Dependants(task)) {
      graph.wave[edge.target()] = std::max(graph.wave[edge.target()], graph.wave[task] + 1);
      if (--unmet[edge.target()] == 0) order.push_back(edge.target());
    }
  }
  if (order.size() != n) return CycleError(job, unmet);
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    std::uint64_t& below = graph.below[*it];
    for (const Edge edge : graph.Dependants(*it)) below = std::max(below, graph.below[edge.target()]);
    below += graph.weights[job.tasks.ShapeOf(*it).policy];
  }
  return graph;
}

absl::StatusOr<PreparedJob> PrepareJob(PackedJob job, std::uint64_t max_payload) {
  MILLRACE_RETURN_IF_ERROR(CheckJob(job, max_payload));
  MILLRACE_ASSIGN_OR_RETURN(JobGraph graph, BuildGraph(job));
  return PreparedJob{Shared<PackedJob>(std::move(job)), std::make_shared<const JobGraph>(std::move(graph))};
}

}  // namespace millrace::sched
