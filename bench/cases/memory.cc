// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <string>

#include "bench/cases/cases.h"
#include "bench/cases/jobs.h"
#include "millrace/base/status.h"

namespace millrace::bench {
namespace {

// A line of smaps_rollup, in bytes: what is resident and not shared with other processes' copies of the program.
double Resident(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  std::string word;
  while (in >> word) {
    double kib = 0;
    if (word == "Pss:" && in >> kib) return kib * 1024;
  }
  Check(Unavailable("/proc/%d/smaps_rollup says nothing; memory cannot be measured here", pid));
  return 0;
}

}  // namespace

Report RunMemory(const CaseOptions& options) {
  Report report("memory");
  report.Parameter("tasks", options.tasks);
  report.Parameter("rounds", options.rounds);
  report.Parameter("workers", 0);
  report.Parameter("dependencies", 3);
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    // A new broker for each: a heap that has once grown says little. Its first job is a small one of the same kind, so
    // that what is made once is not counted.
    Fleet fleet({.workers = 0});
    Checked(fleet.client().Submit(RandomGraph(100, 1, nullptr)));
    const double before = Resident(fleet.broker_pid());
    Checked(fleet.client().Submit(RandomGraph(options.tasks, 2, nullptr)));
    Checked(fleet.client().Ask(Query{}));  // whatever it did after its answer is done now
    const double after = Resident(fleet.broker_pid());
    report.Add("broker_before_bytes", before);
    report.Add("broker_after_bytes", after);
    report.Add("task_bytes", (after - before) / static_cast<double>(options.tasks));
  }
  return report;
}

}  // namespace millrace::bench
