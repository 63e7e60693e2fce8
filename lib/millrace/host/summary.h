// SPDX-License-Identifier: Apache-2.0
// A finished (or abandoned) run as people see it: the table at the end, and what failed and why.
#pragma once

#include <map>
#include <optional>
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
  // What tasks took in the median of earlier runs that succeeded, by name; empty when there were none.
  std::map<std::string, Duration> medians{};
  // The program and the options with which a failed task is run again: {"zmqctl", "--data-dir DIR"}; none when nothing
  // keeps what it would need.
  struct Again {
    std::string program;
    std::string source;
  };
  std::optional<Again> again{};

  // Every module has a recorded, good outcome (or its failure is one that its policy ignores).
  bool ok() const { return run.state == RunState::kSucceeded; }
};

// One word for where a task is or how it ended: "succeeded", "running", "failed (ignored)".
std::string StateText(const TaskView& task);
Colour ColourOf(const TaskView& task);

// What only the rest of its run can tell about a failure.
struct FailureNotes {
  std::uint32_t others_on_host = 0;  // other tasks that failed on its host
  std::string again{};               // the command that runs it again here
};

// A row per task, then the failures with exit code or exception, last output, worker, host and try, then the totals.
std::string SummaryTable(const Summary& summary, const Console& console);
// "FAILED test[shard=2]: exit code 1 (worker w1 on host h, try 2)", and below it, indented: exit code or signal, out of
// memory, others that failed there, the command to run it again, its last output lines.
std::string FailureText(const TaskView& task, const Console& console, const FailureNotes& notes = {});
// "7 succeeded, 1 cached, 2 failed in 1m02s"
std::string Totals(const RunView& run);

// A table with columns as wide as their widest cell; the first row is the heading.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows, const Console& console,
                        const std::vector<Colour>& row_colours = {});

}  // namespace millrace::host
