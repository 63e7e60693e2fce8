// SPDX-License-Identifier: Apache-2.0
// Journal records to bytes and back, encoded like frames (frame.h): new fields go to the end, so that a newer program
// reads an older journal. An unknown kind gives Unimplemented: the journal was written by a newer program. Only records
// of one position: how several are written is told in record_entries.h.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/model/record.h"
#include "millrace/wire/limits.h"

namespace millrace::wire {

// Nothing for a TasksAssigned or TasksSucceeded.
std::string EncodeRecord(const Record& record);
absl::StatusOr<Record> DecodeRecord(const Bytes& bytes, const Limits& limits = {});

}  // namespace millrace::wire
