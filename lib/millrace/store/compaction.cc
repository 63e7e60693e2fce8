// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/compaction.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "millrace/base/status.h"
#include "millrace/wire/record_entries.h"

namespace millrace::store {
namespace {

constexpr std::size_t kRecordsAtOnce = 4096;    // of a row; more would hardly make it shorter
constexpr std::size_t kBytesAtOnce = 1u << 20;  // of a row, about

std::size_t BytesOf(const Record& record) {
  if (const auto* ended = std::get_if<TaskEnded>(&record)) {
    return ended->result.bytes.size() + ended->failure.message.size() + ended->failure.output.size();
  }
  const auto* ended = std::get_if<AttemptEnded>(&record);
  return ended != nullptr ? ended->message.size() : 0;
}

absl::Status WrongCount() { return Error(absl::StatusCode::kOutOfRange, "not as many records as it says"); }

}  // namespace

RunId RunOf(const Record& record) {
  return std::visit(
      [](const auto& body) {
        if constexpr (requires { body.task; }) {
          return body.task.run;
        } else {
          return body.run;
        }
      },
      record);
}

// Nobody writes a row without records: it would hold a position that the next one has, too.
absl::Status ReadRow(std::string_view body, std::uint64_t count,
                     const std::function<absl::Status(Record record)>& on_record) {
  const auto entries = wire::EntriesOf(body);
  if (!entries || entries->size() > count || count == 0) return WrongCount();
  std::uint64_t read = 0;
  for (const std::string_view entry : *entries) {
    MILLRACE_RETURN_IF_ERROR(wire::ReadEntry(
        entry, [&](Record record) { return ++read > count ? WrongCount() : on_record(std::move(record)); }));
  }
  return read == count ? absl::OkStatus() : WrongCount();
}

absl::Status Compaction::Take(std::string_view body, std::uint64_t count) {
  const auto entries = wire::EntriesOf(body);
  if (!entries || entries->size() > count || count == 0) return WrongCount();
  std::uint64_t read = 0;
  std::vector<Record> records;
  for (auto entry = entries->rbegin(); entry != entries->rend(); ++entry) {
    if (const auto accepted = wire::AcceptedIn(*entry)) {  // as it is: a job may be large
      ++read;
      if (!keep_.contains(*accepted)) continue;
      MILLRACE_RETURN_IF_ERROR(Flush());
      std::string row;
      wire::AddEntry(row, *entry);
      MILLRACE_RETURN_IF_ERROR(write_(1, row));
      continue;
    }
    records.clear();
    MILLRACE_RETURN_IF_ERROR(wire::ReadEntry(*entry, [&](Record record) {
      records.push_back(std::move(record));
      return absl::OkStatus();
    }));
    read += records.size();
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
      if (!keep_.contains(RunOf(*record)) || !squash_.Keeps(*record)) continue;
      bytes_ += BytesOf(*record);
      kept_.push_back(std::move(*record));
    }
  }
  if (read != count) return WrongCount();
  return kept_.size() >= kRecordsAtOnce || bytes_ >= kBytesAtOnce ? Flush() : absl::OkStatus();
}

absl::Status Compaction::Flush() {
  if (kept_.empty()) return absl::OkStatus();
  std::reverse(kept_.begin(), kept_.end());
  std::string row;
  wire::AddRecords(row, kept_);
  const std::size_t count = kept_.size();
  kept_.clear();
  bytes_ = 0;
  return write_(count, row);
}

absl::Status Compaction::Finish() { return Flush(); }

}  // namespace millrace::store
