// SPDX-License-Identifier: Apache-2.0
// The forms of a report, each a whole file. Names and output come from anywhere: each form escapes what it is given,
// and what is not UTF-8 becomes U+FFFD. docs/reports.md describes them.
#pragma once

#include <string>

#include "millrace/report/run_report.h"

namespace millrace::report {

inline constexpr int kJsonSchema = 1;  // docs/schema/report.schema.json; keys may be added without a new number

std::string JsonReport(const RunReport& report);
// One <testcase> a task. What was skipped, cancelled or whose failure is ignored is <skipped>.
std::string JunitReport(const RunReport& report);
// The dependency graph with how each task ended.
std::string MermaidGraph(const RunReport& report);
std::string DotGraph(const RunReport& report);
// Chrome's trace format, which Perfetto opens: a process per worker, a thread per slot, one more for the critical path.
std::string TraceEvents(const RunReport& report);
// One page that needs nothing besides itself and may load nothing.
std::string HtmlPage(const RunReport& report);

}  // namespace millrace::report
