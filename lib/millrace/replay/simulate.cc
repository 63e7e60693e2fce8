// SPDX-License-Identifier: Apache-2.0
#include "millrace/replay/simulate.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::replay {
namespace {

// What each task has cost in this simulation: only what really ran counts.
struct Costs {
  std::vector<Duration> took;  // of each task, all its tries
  Duration work{};             // by slots
};

Duration LongestPath(const JobSpec& job, const std::vector<Duration>& took) {
  std::vector<std::size_t> unmet(job.tasks.size());
  std::vector<std::vector<std::uint32_t>> dependants(job.tasks.size());
  std::vector<Duration> until(job.tasks.size());
  std::vector<std::uint32_t> order;
  for (std::uint32_t t = 0; t < job.tasks.size(); ++t) {
    unmet[t] = job.tasks[t].needs.size();
    for (const Dependency& need : job.tasks[t].needs) dependants[need.task].push_back(t);
    if (unmet[t] == 0) order.push_back(t);
  }
  Duration longest{};
  for (std::size_t next = 0; next < order.size(); ++next) {
    const std::uint32_t t = order[next];
    until[t] += took[t];
    longest = std::max(longest, until[t]);
    for (const std::uint32_t dependant : dependants[t]) {
      until[dependant] = std::max(until[dependant], until[t]);
      if (--unmet[dependant] == 0) order.push_back(dependant);
    }
  }
  return longest;
}

}  // namespace

std::int64_t Simulation::AllSlots() const { return std::accumulate(slots.begin(), slots.end(), std::int64_t{0}); }

double Simulation::Efficiency() const {
  const double offered = static_cast<double>(makespan.count()) * static_cast<double>(AllSlots());
  return offered > 0 ? static_cast<double>(work.count()) / offered : 0;
}

absl::StatusOr<Simulation> Simulate(const Recording& recording, std::vector<std::int64_t> slots) {
  const std::int64_t most = slots.empty() ? 0 : *std::max_element(slots.begin(), slots.end());
  if (most < recording.widest) {
    return FailedPrecondition("workers of %d slots cannot run its widest task, which takes %d; give --slots %d", most,
                              recording.widest, recording.widest);
  }
  Costs costs{std::vector<Duration>(recording.tasks.size())};
  const auto attempt = [&](std::uint32_t task, std::uint32_t try_number) {
    const std::vector<VirtualTry>& tries = recording.tasks[task].tries;
    const VirtualTry& one = tries[std::min<std::size_t>(std::max(try_number, 1U) - 1, tries.size() - 1)];
    costs.took[task] += one.takes;
    costs.work += one.takes * recording.job.requirements[recording.job.tasks[task].requirements].cpus;
    return one;
  };
  const Script script{.attempt = attempt, .cached = [&](std::uint32_t task) { return recording.tasks[task].cached; }};
  VirtualFleet fleet(slots, recording.handover);
  MILLRACE_ASSIGN_OR_RETURN(const Played played, fleet.Play(recording.job, script));
  Simulation simulation{.slots = std::move(slots), .makespan = played.makespan, .state = played.state};
  simulation.work = costs.work;
  simulation.path = LongestPath(recording.job, costs.took);
  simulation.bound = std::max(simulation.path, costs.work / std::max<std::int64_t>(simulation.AllSlots(), 1));
  return simulation;
}

}  // namespace millrace::replay
