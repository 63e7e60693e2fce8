// SPDX-License-Identifier: Apache-2.0
// A run that has ended, read whole from the history in a data directory.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/model/job.h"
#include "millrace/report/run_report.h"
#include "millrace/store/history.h"

namespace millrace::zmqctl {

// The one of this data directory, which a broker may be writing.
absl::StatusOr<store::History> OpenHistory(const std::filesystem::path& data_dir);

struct PastReport {
  report::RunReport report;
  std::optional<JobSpec> job;  // as it was submitted, when that is known
};
// `run`: its name; "" = the last one. `with_job`: it is read as well.
// Failed tasks get the command that runs them again.
absl::StatusOr<PastReport> ReadReport(const std::filesystem::path& data_dir, const std::string& run, bool with_job);

}  // namespace millrace::zmqctl
