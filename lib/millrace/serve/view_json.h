// SPDX-License-Identifier: Apache-2.0
// Views as JSON text: what the HTTP plane answers and `zmqctl --json` prints. One shape for both, so that a script can
// move from one to the other.
#pragma once

#include <string>
#include <vector>

#include "millrace/model/history.h"
#include "millrace/model/view.h"
#include "millrace/serve/snapshot.h"

namespace millrace::serve {

std::string HealthJson(const Snapshot& snapshot, bool stalled);
std::string BrokerJson(const BrokerView& broker);
std::string WorkersJson(const std::vector<WorkerView>& workers);
std::string RunsJson(const std::vector<RunView>& runs);
std::string RunJson(const RunView& run);
std::string TasksJson(const std::vector<TaskView>& tasks);
std::string PastRunsJson(const std::vector<PastRun>& runs);
// One run with its tasks: results as values where the history holds them, else by digest and size.
std::string PastRunJson(const PastRun& run, const std::vector<PastTask>& tasks);

}  // namespace millrace::serve
