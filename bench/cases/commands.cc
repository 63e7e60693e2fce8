// SPDX-License-Identifier: Apache-2.0
#include "bench/cases/cases.h"
#include "bench/fleet.h"
#include "bench/spawn_loop.h"
#include "modules/command.h"

namespace millrace::bench {
namespace {

constexpr int kSlots = 2;

double Rate(Fleet& fleet, std::int64_t commands) {
  JobSpec job = JobOf<modules::Command>("commands");
  const Bytes inputs = EncodeValue(modules::Command{.argv = {"/bin/true"}});
  job.tasks.resize(static_cast<std::size_t>(commands));
  for (std::size_t i = 0; i < job.tasks.size(); ++i) {
    job.tasks[i].name = "t" + std::to_string(i);
    job.tasks[i].inputs = inputs;
  }
  return static_cast<double>(commands) / RunJob(fleet.client(), std::move(job)).ended;
}

}  // namespace

Report RunCommands(const CaseOptions& options) {
  Report report("commands");
  report.Parameter("commands", options.tasks);
  report.Parameter("rounds", options.rounds);
  report.Parameter("workers", 1);
  report.Parameter("slots", kSlots);
  Fleet fleet({.workers = 1, .slots = kSlots});
  Rate(fleet, options.tasks / 10 + 1);
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    const double bare = SpawnsPerSecond(options.tasks, kSlots);
    const double rate = Rate(fleet, options.tasks);
    const double supervised = SupervisedSpawnsPerSecond(options.tasks, kSlots);
    report.Add("bare_commands_per_second", bare);
    report.Add("commands_per_second", rate);
    report.Add("supervised_commands_per_second", supervised);
    report.Add("commands_to_bare_ratio", rate / bare);
    report.Add("commands_to_supervised_ratio", rate / supervised);
  }
  return report;
}

}  // namespace millrace::bench
