// SPDX-License-Identifier: Apache-2.0
// The body of a journal's row: entries, each of a length and what it stands for. Most are one record. A stretch of
// assignments of one run, or of plain successes of one run, is one entry that says once what all have in common, since
// a busy broker writes little else: some 25 bytes for a task's two records instead of 150.
//
//   body      = 1*entry
//   entry     = length (record / stretch)      ; length: 4 octets, least significant first
//   stretch   = [8, run, workers, count, rows] / [9, run, count, rows]   ; msgpack
//   rows of 8 = count * (task attempt time [worker])                     ; worker: only with several of them
//   rows of 9 = count * (task attempt started lasted execution size [missing bytes])
//   worker, size = varint; all else = zigzag varint, as in Protocol Buffers; `task`, `attempt`, `time` and `started`
//   are differences to the row before, the first one's to 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/ids.h"
#include "millrace/model/record.h"

namespace millrace::wire {

// Appends records from the first one on, until the body has `max_bytes`; how many they were. With records there is one
// at least.
std::size_t AddRecords(std::string& body, std::span<const Record> records,
                       std::size_t max_bytes = std::numeric_limits<std::size_t>::max());
// An entry as it came.
void AddEntry(std::string& body, std::string_view entry);

// The entries of a body; nothing when it does not end with one.
std::optional<std::vector<std::string_view>> EntriesOf(std::string_view body);
// Hands over the records of an entry, in order. DataLoss for what no Millrace writes, Unimplemented for what only a
// newer one knows, else what `on_record` says.
absl::Status ReadEntry(std::string_view entry, const std::function<absl::Status(Record record)>& on_record);
// The run that this entry accepts, when it does: its job, which may be large, is not read.
std::optional<RunId> AcceptedIn(std::string_view entry);

}  // namespace millrace::wire
