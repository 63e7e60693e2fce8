// SPDX-License-Identifier: Apache-2.0
// The shape of a submitted job: checked once, then kept as flat columns. Task indexes are those of the job.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/shared.h"
#include "millrace/model/packed_job.h"

namespace millrace::sched {

inline constexpr std::size_t kMaxTasks = 10'000'000;
inline constexpr std::size_t kMaxTable = 100'000;  // modules, requirements, policies
inline constexpr std::size_t kMaxName = 1024;      // bytes of a task's or module's name
inline constexpr std::int64_t kMaxCpus = 4096;
inline constexpr std::int32_t kMaxRetries = 1000;
inline constexpr std::uint64_t kMaxEdges = std::uint64_t{1} << 31;  // dependencies of all tasks together

// One dependant of a task, as an edge.
class Edge {
 public:
  Edge() = default;
  Edge(std::uint32_t target, bool optional) : packed_(target | (optional ? kOptionalBit : 0)) {}
  std::uint32_t target() const { return packed_ & ~kOptionalBit; }
  bool optional() const { return (packed_ & kOptionalBit) != 0; }

 private:
  static constexpr std::uint32_t kOptionalBit = 1u << 31;
  std::uint32_t packed_ = 0;
};

// Of a job without dependencies all columns of tasks and edges are empty.
struct JobGraph {
  std::vector<std::uint32_t> first_edge;  // of each task into `edges`, and one past the last
  std::vector<Edge> edges;                // to dependants
  std::vector<std::uint32_t> wave;        // 1 + the longest path above
  std::vector<std::uint64_t> below;       // microseconds of the longest path from here on, the task itself counted
  std::vector<std::uint64_t> weights;     // by policy: what a task adds to its paths, in microseconds
  std::uint32_t waves = 0;

  std::span<const Edge> Dependants(std::uint32_t task) const {
    if (edges.empty()) return {};
    return std::span(edges).subspan(first_edge[task], first_edge[task + 1] - first_edge[task]);
  }
  std::uint32_t WaveOf(std::uint32_t task) const { return wave.empty() ? 1 : wave[task]; }
  std::uint64_t BelowOf(std::uint32_t task, std::uint32_t policy) const {
    return below.empty() ? weights[policy] : below[task];
  }
};

// How much there is of everything in a job. Held apart from the job itself, so that the limits can be tested without
// ten million tasks.
struct JobCounts {
  std::uint64_t tasks = 0;
  std::uint64_t modules = 0;
  std::uint64_t requirements = 0;
  std::uint64_t policies = 0;
  std::uint64_t dependencies = 0;
};
absl::Status CheckCounts(const JobCounts& counts);

// Refuses (InvalidArgument, ResourceExhausted) what must not start: unknown indexes, duplicate names, self references,
// cycles (naming the whole path), amounts and sizes out of range. `max_payload` bounds the inputs of one task, in
// bytes.
absl::Status CheckJob(const PackedJob& job, std::uint64_t max_payload);

// The graph of a job that CheckJob let through, or the cycle that is in it.
absl::StatusOr<JobGraph> BuildGraph(const PackedJob& job);

// A job that may start, as the run will hold it. Made beside the scheduler's loop where a job is large, since that
// takes a while: it depends on nothing but the job.
struct PreparedJob {
  Shared<PackedJob> job;
  std::shared_ptr<const JobGraph> graph;
};
// CheckJob and BuildGraph.
absl::StatusOr<PreparedJob> PrepareJob(PackedJob job, std::uint64_t max_payload);

}  // namespace millrace::sched
