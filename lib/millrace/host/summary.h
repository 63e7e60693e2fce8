// SPDX-License-Identifier: Apache-2.0
// A finished (or abandoned) run as people see it: the table at the end, and what failed and why.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/host/console.h"
#include "millrace/model/view.h"

namespace millrace::host {

struct Summary {
  RunView run;
  std::vector<TaskView> tasks;  // in the order of the pipeline

  // Every module has a recorded, good outcome (or its failure is one that its policy ignores).
  bool ok() const { return run.state == RunState::kSucceeded; }
};

// One word for where a task is or how it ended: "succeeded", "running", "failed (ignored)".
std::string StateText(const TaskView& task);
Colour ColourOf(const TaskView& task);

// A row per task, then the failures with exit code or exception, last output, worker, host and try, then the totals.
std::string SummaryTable(const Summary& summary, const Console& console);
// "FAILED test[shard=2]: exit code 1 (worker w1 on host h, try 2)", and its last output lines, indented.
std::string FailureText(const TaskView& task, const Console& console);
// "7 succeeded, 1 cached, 2 failed in 1m02s"
std::string Totals(const RunView& run);

// A table with columns as wide as their widest cell; the first row is the heading.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows, const Console& console,
                        const std::vector<Colour>& row_colours = {});

}  // namespace millrace::host
