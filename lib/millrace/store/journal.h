// SPDX-License-Identifier: Apache-2.0
// The broker's journal: every durable change of the scheduler, in order, in one SQLite file. docs/journal.md has the
// format. One thread at a time.
//
// A row is a batch: the records of one turn of the broker's loop, with the position of the first, their number and a
// checksum. What is appended in one call is one transaction, hence one sync however many batches there are. SQLite's
// write-ahead log ends with the last whole commit, so that a torn tail, which journals in plain files must look for,
// cannot be seen here: what is damaged was damaged later, and is refused, never skipped.
//
// Rejected: a table with a column per field (every new field a migration), a row per record (three times the time).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/ids.h"
#include "millrace/model/record.h"
#include "millrace/store/database.h"

namespace millrace::store {

inline constexpr char kJournalName[] = "journal.sqlite";  // in the data directory

enum class Sync : bool {
  kFull,    // a commit is on disk when Append returns
  kNormal,  // it is in the operating system's hands: a crash of the machine may lose the newest ones, in order
};

class Journal {
 public:
  using Batch = std::vector<Record>;
  using OnRecord = std::function<absl::Status(JournalPosition position, Record record)>;

  // Opens or creates. FailedPrecondition for a file of another program or of a newer Millrace, DataLoss when it is no
  // database any more. The rows are looked at by Replay.
  static absl::StatusOr<Journal> Open(const std::filesystem::path& file, Sync sync);

  // Every record in order, the first at first(). Stops at an error of `on_record`, and at the first damage: DataLoss
  // with its position and what to do; FailedPrecondition for a record that a newer Millrace has written. What came
  // before was handed over.
  absl::Status Replay(const OnRecord& on_record);
  // In one transaction: all or nothing. ResourceExhausted (no room), PermissionDenied (read-only) and Unavailable
  // (locked by another program) pass, and the same call may then be made again; after anything else the file must not
  // be written any more in this life.
  absl::Status Append(std::span<const Batch> batches);
  // Drops the records of all runs but these, and of these what changes nothing any more; what is left is written anew,
  // as compactly as it goes. The positions move up, so that end() stays. Errors as above.
  absl::Status Compact(const std::set<RunId>& keep);

  JournalPosition first() const { return first_; }  // of the oldest record; end() + 1 when there is none
  JournalPosition end() const { return end_; }      // of the newest record; 0 before everything
  std::uint64_t bytes() const { return bytes_; }    // of all records
  const std::filesystem::path& file() const { return file_; }

  // For tests: as many pages are a full disk.
  absl::Status LimitPages(std::int64_t pages);

 private:
  explicit Journal(std::filesystem::path file, Database database)
      : file_(std::move(file)), database_(std::move(database)) {}
  absl::Status Load();
  absl::Status Insert(Statement& insert, JournalPosition position, std::uint64_t count, std::string_view body);
  absl::Status WriteAll(std::span<const Batch> batches, JournalPosition& end, std::uint64_t& bytes);
  absl::Status Rewrite(const std::set<RunId>& keep, JournalPosition& first, std::uint64_t& bytes);
  absl::Status InTransaction(const std::function<absl::Status()>& work);
  absl::Status ReplayRow(std::string_view body, std::uint64_t count, JournalPosition& next,
                         const OnRecord& on_record) const;
  absl::Status Damage(JournalPosition position, std::string_view what) const;

  std::filesystem::path file_;
  Database database_;
  Statement insert_;
  JournalPosition first_ = 1;
  JournalPosition end_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace millrace::store
