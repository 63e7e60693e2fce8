// SPDX-License-Identifier: Apache-2.0
#include "bench/cases/cases.h"
#include "bench/cases/jobs.h"
#include "millrace/base/status.h"

namespace millrace::bench {
namespace {

double Rate(Fleet& fleet, std::int64_t tasks, std::uint64_t seed) {
  std::uint64_t expected = 0;
  const Ran ran = RunJob(fleet.client(), RandomGraph(tasks, seed, &expected));
  const Bytes encoded = Checked(fleet.client().Result(ran.run, "t" + std::to_string(tasks - 1), 1024));
  if (NumberOf(Checked(DecodeValue<Bytes>(encoded))) != expected) {
    Check(Internal("the last task of graph %d has another result than its dependencies make", seed));
  }
  return static_cast<double>(tasks) / ran.ended;
}

}  // namespace

Report RunDag(const CaseOptions& options) {
  Report report("dag");
  report.Parameter("tasks", options.tasks);
  report.Parameter("rounds", options.rounds);
  report.Parameter("workers", 2);
  report.Parameter("dependencies", 3);
  Fleet fleet({.runs_kept = 1});
  Rate(fleet, options.tasks / 10 + 1, 0);
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    const double graph = Rate(fleet, options.tasks, static_cast<std::uint64_t>(round) + 1);
    const double flat =
        static_cast<double>(options.tasks) / RunJob(fleet.client(), FlatJob<Token>(options.tasks)).ended;
    report.Add("graph_tasks_per_second", graph);
    report.Add("flat_tasks_per_second", flat);
    report.Add("graph_to_flat_ratio", graph / flat);
  }
  return report;
}

}  // namespace millrace::bench
