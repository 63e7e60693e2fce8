// SPDX-License-Identifier: Apache-2.0
// What a journal needs of its rows: the records of runs that are known still, without those that change nothing any
// more, in rows as long as they may be. What is left of a run is its snapshot, told in records: its job, and what has
// become of each task. Goes from the newest record to the oldest, as what follows decides what is superfluous.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "millrace/base/ids.h"
#include "millrace/model/record.h"
#include "millrace/store/squash.h"

namespace millrace::store {

// Every record belongs to exactly one run.
RunId RunOf(const Record& record);

// Hands over the records of a row's body in order. OutOfRange when they are not exactly `count` (those there are were
// handed over), else as wire::ReadEntry.
absl::Status ReadRow(std::string_view body, std::uint64_t count,
                     const std::function<absl::Status(Record record)>& on_record);

class Compaction {
 public:
  // Takes a row, older than all it was given before.
  using Write = std::function<absl::Status(std::uint64_t count, std::string_view body)>;

  Compaction(const std::set<RunId>& keep, Write write) : keep_(keep), write_(std::move(write)) {}

  // The next older row. Errors as of ReadRow, or what `write` says.
  absl::Status Take(std::string_view body, std::uint64_t count);
  absl::Status Finish();

 private:
  absl::Status Flush();

  const std::set<RunId>& keep_;
  Write write_;
  Squash squash_;
  std::vector<Record> kept_;  // newest first, not written yet
  std::size_t bytes_ = 0;     // of their results, texts and names, about
};

}  // namespace millrace::store
