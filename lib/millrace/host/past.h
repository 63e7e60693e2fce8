// SPDX-License-Identifier: Apache-2.0
// The history as those see it who ask: a broker that answers for it, or the file in a data directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/client/client.h"
#include "millrace/model/job.h"
#include "millrace/model/message.h"
#include "millrace/model/past_work.h"
#include "millrace/report/run_report.h"

namespace millrace::host {

struct PastSource {
  std::function<absl::StatusOr<Answer>(const Query&)> ask;
  // The unpacked `result` of an answer, fetched from wherever it is; `whose` is for messages.
  std::function<absl::StatusOr<Bytes>(const Answer&, const std::string& whose)> unpack;
};
// `client` outlives it. `most`: bytes of a result.
PastSource AskBroker(client::Client& client, std::uint64_t most);
// NotFound when there is none.
absl::StatusOr<PastSource> AskDisk(const std::filesystem::path& data_dir, std::uint64_t most);

// One task with how it was submitted, when that is known.
struct PastTaskAndWork {
  RunId run;  // which was the newest, when none was named
  PastTask task;
  std::optional<PastWork> work;
};
absl::StatusOr<PastTaskAndWork> FindPastTask(const PastSource& source, RunId run, const std::string& task);

// All of one run. `job` is filled in when it is known, too.
absl::StatusOr<report::RunReport> ReadPastRun(const PastSource& source, RunId run);
// Runs of this pipeline that succeeded, the newest first: at most so many, and none of more than kTasksLookedAt tasks.
absl::StatusOr<std::vector<report::RunReport>> ReadGoodRuns(const PastSource& source, const std::string& pipeline,
                                                            std::uint32_t runs);
inline constexpr std::uint32_t kTasksLookedAt = 2000;

}  // namespace millrace::host
