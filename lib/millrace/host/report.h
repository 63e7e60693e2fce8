// SPDX-License-Identifier: Apache-2.0
// The end of a run as a program's output and exit code.
#pragma once

#include <cstdio>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/host/console.h"
#include "millrace/host/options.h"
#include "millrace/host/summary.h"

namespace millrace::host {

// Prints the summary (table on standard error, or JSON on standard output) or what went wrong; gives the exit code.
int ReportEnd(const absl::StatusOr<Summary>& summary, const Options& options, bool json);

std::string SummaryJson(const Summary& summary);

// What the file can show, and whether colours are wanted there.
Console ConsoleFor(std::FILE* file, const Options& options);

}  // namespace millrace::host
