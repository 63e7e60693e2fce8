// SPDX-License-Identifier: Apache-2.0
// The reports of a worker that are to outlive its process, in one SQLite file: written by one process, read by the next
// one. docs/journal.md has the format. One thread at a time.
//
// Unlike in the journal no entry rests on another. What is damaged is put aside and said, and the rest is used: a
// report that is lost costs an execution, not the truth.
//
// Rejected: a file per report. It takes three syncs each (file, folder, and the folder again), and none are shared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/model/message.h"
#include "millrace/store/database.h"

namespace millrace::store {

inline constexpr char kOutboxName[] = "outbox.sqlite";  // in the private folder of a worker's id

class Outbox {
 public:
  struct Content {
    std::uint64_t broker = 0;  // whose attempts these are (Welcome.broker)
    std::vector<AttemptReport> reports;
    std::string damage;  // "" = none; else what, and where the damaged file is now
  };

  // Opens or creates, and reads what is there into `content`. FailedPrecondition for a file of another program or of a
  // newer Millrace.
  static absl::StatusOr<Outbox> Open(const std::filesystem::path& file, Content& content);

  // All of them or none, on disk when it returns. What was there for another broker goes. ResourceExhausted (no room,
  // or over kLimitBytes), PermissionDenied (read-only) and Unavailable (locked by another program) pass; after anything
  // else the file must not be written any more in this life.
  absl::Status Put(std::uint64_t broker, std::span<const AttemptReport> reports);
  // Those that are not there do not matter. Errors as above.
  absl::Status Erase(std::span<const AttemptId> attempts);

  std::uint64_t bytes() const { return bytes_; }  // of all reports in it

  static constexpr std::uint64_t kLimitBytes = std::uint64_t{256} << 20;

  // For tests: as many pages are a full disk, so many bytes are too many.
  absl::Status LimitPages(std::int64_t pages);
  void LimitBytes(std::uint64_t bytes) { limit_ = bytes; }

 private:
  Outbox(std::filesystem::path file, Database database) : file_(std::move(file)), database_(std::move(database)) {}
  static absl::StatusOr<Outbox> OpenFile(const std::filesystem::path& file);
  absl::Status Read(Content& content);
  absl::Status Count();
  absl::Status PutAll(std::uint64_t broker, std::span<const AttemptReport> reports, std::uint64_t& bytes);
  absl::Status InTransaction(const std::function<absl::Status(std::uint64_t& bytes)>& work);

  std::filesystem::path file_;
  Database database_;
  std::uint64_t bytes_ = 0;
  std::uint64_t limit_ = kLimitBytes;
};

}  // namespace millrace::store
