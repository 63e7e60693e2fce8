// SPDX-License-Identifier: Apache-2.0
// The history: runs that have ended, with their tasks, results and attempts, in an SQLite file of its own, so that the
// journal holds only what a broker must read to go on. docs/history.md says what is in it. One thread at a time; other
// processes may read while one writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/ids.h"
#include "millrace/model/history.h"
#include "millrace/model/past_links.h"
#include "millrace/model/past_work.h"
#include "millrace/store/database.h"

namespace millrace::store {

inline constexpr char kHistoryName[] = "history.sqlite";  // in the data directory

// 0 = no limit. The newest run stays, however large it is.
struct HistoryLimits {
  Duration age{};           // since its end
  std::uint32_t runs = 0;   // that are kept
  std::uint64_t bytes = 0;  // of the file that are in use
};

// Which runs, newest first.
struct PastRunFilter {
  std::string name{};  // "" = of any pipeline
  std::optional<RunState> state{};
  std::int64_t after_unix_ms = 0;  // that ended after it
  RunId before{};                  // with a lower id; none = from the newest
  std::uint32_t rows = 0;          // at most; 0 = as many as fit
};

template <class Row>
struct Page {
  std::vector<Row> rows;
  bool more = false;
};

struct HistoryExtent {
  std::uint64_t runs = 0;
  std::int64_t oldest_end_unix_ms = 0;
};

class History {
 public:
  // Opens or creates. FailedPrecondition for a file of another program or of a newer Millrace, DataLoss when it is no
  // database any more.
  static absl::StatusOr<History> Open(const std::filesystem::path& file);
  // To look at a file that is there, also while a broker writes it.
  static absl::StatusOr<History> OpenToRead(const std::filesystem::path& file);

  absl::StatusOr<bool> Has(RunId run);
  // All or nothing. What was known of the same run is replaced.
  using TaskAt = std::function<PastTask(std::uint32_t index)>;
  using LinksAt = std::function<PastLinks(std::uint32_t index)>;
  struct Submission {
    JobSpec tables;  // without tasks
    std::function<SubmittedTask(std::uint32_t index)> task_at;
  };
  absl::Status Write(const PastRun& run, std::uint32_t tasks, const TaskAt& task_at, const LinksAt& links_at = {},
                     const Submission* submission = nullptr);
  // Removes the runs that ended first until all limits hold, in small transactions; gives how many that were.
  absl::StatusOr<std::uint64_t> Retain(const HistoryLimits& limits, std::int64_t now_unix_ms);

  // A page ends after about kPageBytes.
  absl::StatusOr<Page<PastRun>> Runs(const PastRunFilter& filter);
  // NotFound when it is not there, which names the nearest one. An id that is not valid means the newest.
  absl::StatusOr<PastRun> Find(RunId run);
  // In the order of the pipeline, from the one at `skip`.
  absl::StatusOr<Page<PastTask>> Tasks(RunId run, std::uint64_t skip, std::uint32_t rows);
  // Of all its tasks, in that order; nothing for those that were written without them.
  absl::StatusOr<std::vector<std::optional<PastLinks>>> Links(RunId run);
  absl::StatusOr<PastTask> FindTask(RunId run, const std::string& name);
  // How it was submitted; nothing for a run that an older Millrace has kept.
  absl::StatusOr<std::optional<PastWork>> FindWork(RunId run, const PastTask& task);
  // The whole, but for `inputs` and `env`.
  absl::StatusOr<std::optional<JobSpec>> Job(RunId run);
  absl::StatusOr<HistoryExtent> Extent();
  absl::StatusOr<std::uint64_t> BytesInUse();

  static constexpr std::size_t kPageBytes = std::size_t{1} << 20;

 private:
  explicit History(Database database) : database_(std::move(database)) {}
  absl::Status Upgrade();
  absl::Status WriteRows(const PastRun& run, std::uint32_t tasks, const TaskAt& task_at, const LinksAt& links_at,
                         const Submission* submission);
  absl::StatusOr<std::optional<JobSpec>> Tables(RunId run);
  absl::Status Remove(RunId run);
  absl::StatusOr<std::int64_t> Number(std::string_view sql);

  Database database_;
};

// Moves a file that is damaged out of the way, with what SQLite keeps beside it, and gives its new name.
absl::StatusOr<std::filesystem::path> PutAside(const std::filesystem::path& file);

}  // namespace millrace::store
