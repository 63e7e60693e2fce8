// SPDX-License-Identifier: Apache-2.0
// A record of the journal whose checksum is right: written by another version, or by nobody that we know.
#include <vector>

#include "millrace/wire/record_entries.h"
#include "millrace/wire/record_frame.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

std::vector<Record> RecordsOf(std::string_view entry) {
  std::vector<Record> records;
  const absl::Status read = wire::ReadEntry(entry, [&records](Record record) {
    records.push_back(std::move(record));
    return absl::OkStatus();
  });
  if (!read.ok()) records.clear();
  return records;
}

// Several records may share an entry: written again, they are the same ones.
void RequireSameEntry(std::string_view entry) {
  const std::vector<Record> records = RecordsOf(entry);
  std::string body;
  fuzz::Require(wire::AddRecords(body, records) == records.size(), "not all records were written");
  std::vector<Record> again;
  const auto entries = wire::EntriesOf(body);
  fuzz::Require(entries.has_value(), "what was written has no entries");
  for (const std::string_view part : *entries) {
    for (Record& record : RecordsOf(part)) again.push_back(std::move(record));
  }
  fuzz::Require(again == records, "records changed on their way");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::RequireRoundTrip(
      Bytes::Copy(fuzz::TextOf(data, size)), [](const Bytes& bytes) { return wire::DecodeRecord(bytes); },
      wire::EncodeRecord);
  RequireSameEntry(fuzz::TextOf(data, size));
  return 0;
}
