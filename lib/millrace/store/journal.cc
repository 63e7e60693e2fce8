// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "millrace/base/digest.h"
#include "millrace/base/fail_point.h"
#include "millrace/base/status.h"
#include "millrace/store/compaction.h"
#include "millrace/wire/record_entries.h"

namespace millrace::store {
namespace {

constexpr std::int32_t kApplication = 0x4d4c524a;  // "MLRJ"
constexpr int kVersion = 1;
// `span` has one row. Its `first` tells a journal that was compacted from one that has lost its oldest rows.
constexpr std::string_view kSchema =
    "CREATE TABLE batches(position INTEGER PRIMARY KEY, count INTEGER NOT NULL, checksum BLOB NOT NULL,"
    " body BLOB NOT NULL);"
    "CREATE TABLE span(first INTEGER NOT NULL);"
    "INSERT INTO span VALUES(1)";
constexpr std::string_view kWrongChecksum = "the checksum of the batch there is wrong";
constexpr std::string_view kWrongCount = "the batch there has not the records that it says";
constexpr std::size_t kRowBytes = 8u << 20;  // a batch over it becomes several rows; SQLite takes up to 1e9

Digest ChecksumOf(JournalPosition position, std::string_view body) {
  std::string seed(8, '\0');
  for (char& byte : seed) {
    byte = static_cast<char>(position & 0xff);
    position >>= 8;
  }
  Hasher hasher;
  hasher.Add(seed);
  hasher.Add(body);
  return hasher.Finish();
}

// SQLite takes the text of a statement for its name, too: one text, for the table and for its successor.
std::string InsertInto(std::string_view table) {
  return absl::StrFormat("INSERT INTO %s(position, count, checksum, body) VALUES(?1,?2,?3,?4)", table);
}

std::string SalvageCommand(const std::filesystem::path& file) {
  return absl::StrFormat("zmqctl journal salvage --data-dir %s", file.parent_path().string());
}

struct Row {
  JournalPosition position = 0;
  std::uint64_t count = 0;
  std::string_view checksum;
  std::string_view body;

  explicit Row(const Statement& select)
      : position(static_cast<JournalPosition>(select.Int(0))),
        count(static_cast<std::uint64_t>(select.Int(1))),
        checksum(select.Blob(2)),
        body(select.Blob(3)) {}
  bool Whole() const { return ChecksumOf(position, body).view() == checksum; }
};

}  // namespace

absl::StatusOr<Journal> Journal::Open(const std::filesystem::path& file, Sync sync) {
  // Inputs and results may be confidential, and SQLite would let the umask decide. What is wrong, it says better.
  const int created = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (created >= 0) close(created);
  auto database = Database::Open(file, kApplication, kVersion, kSchema, Hold::kExclusive);
  if (!database.ok()) {
    if (database.status().code() != absl::StatusCode::kDataLoss) return database.status();
    return Error(absl::StatusCode::kDataLoss, "%s. Restore the file from a backup, or put it aside with: %s",
                 TextOf(database.status()), SalvageCommand(file));
  }
  Journal journal(file, *std::move(database));
  MILLRACE_RETURN_IF_ERROR(
      journal.database_.Run(sync == Sync::kFull ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
  if (const absl::Status status = journal.Load(); !status.ok()) {
    if (status.code() != absl::StatusCode::kDataLoss) return Annotate(status, file.string());
    return journal.Damage(journal.first_, TextOf(status));
  }
  return journal;
}

absl::Status Journal::Load() {
  MILLRACE_ASSIGN_OR_RETURN(insert_, database_.Prepare(InsertInto("batches")));
  MILLRACE_ASSIGN_OR_RETURN(Statement span, database_.Prepare("SELECT first FROM span"));
  MILLRACE_ASSIGN_OR_RETURN(const bool found, span.Next());
  if (!found) return Error(absl::StatusCode::kDataLoss, "where it begins is missing");
  first_ = static_cast<JournalPosition>(span.Int(0));
  MILLRACE_ASSIGN_OR_RETURN(
      Statement last, database_.Prepare("SELECT position + count - 1 FROM batches ORDER BY position DESC LIMIT 1"));
  MILLRACE_ASSIGN_OR_RETURN(const bool any, last.Next());
  end_ = any ? static_cast<JournalPosition>(last.Int(0)) : first_ - 1;
  MILLRACE_ASSIGN_OR_RETURN(Statement sum, database_.Prepare("SELECT coalesce(sum(length(body)), 0) FROM batches"));
  MILLRACE_RETURN_IF_ERROR(sum.Next().status());
  bytes_ = static_cast<std::uint64_t>(sum.Int(0));
  return absl::OkStatus();
}

absl::Status Journal::Damage(JournalPosition position, std::string_view what) const {
  return Error(absl::StatusCode::kDataLoss,
               "%s is damaged at position %d: %s. Restore the file from a backup, or keep what comes before with: %s",
               file_.string(), position, what, SalvageCommand(file_));
}

absl::Status Journal::Replay(const OnRecord& on_record) {
  JournalPosition next = first_;
  auto select = database_.Prepare("SELECT position, count, checksum, body FROM batches ORDER BY position");
  if (!select.ok()) return Damage(next, TextOf(select.status()));
  while (true) {
    const auto more = select->Next();
    if (!more.ok()) return Damage(next, TextOf(more.status()));
    if (!*more) return absl::OkStatus();
    const Row row(*select);
    if (row.position != next) {
      return Damage(next, absl::StrFormat("the batch there is missing; the next one is at %d", row.position));
    }
    if (!row.Whole()) return Damage(next, kWrongChecksum);
    MILLRACE_RETURN_IF_ERROR(ReplayRow(row.body, row.count, next, on_record));
  }
}

// A row with another number of records than it says is not handed over at all: nobody knows which one is wrong.
absl::Status Journal::ReplayRow(std::string_view body, std::uint64_t count, JournalPosition& next,
                                const OnRecord& on_record) const {
  std::vector<Record> records;
  const absl::Status read = ReadRow(body, count, [&records](Record record) {
    records.push_back(std::move(record));
    return absl::OkStatus();
  });
  if (read.code() == absl::StatusCode::kOutOfRange) return Damage(next, kWrongCount);
  for (Record& record : records) {
    MILLRACE_RETURN_IF_ERROR(on_record(next, std::move(record)));
    ++next;
  }
  if (read.code() == absl::StatusCode::kUnimplemented) {
    return FailedPrecondition("%s was written by a newer Millrace: %s at position %d; start that one", file_.string(),
                              TextOf(read), next);
  }
  return read.ok() ? read : Damage(next, TextOf(read));
}

absl::Status Journal::InTransaction(const std::function<absl::Status()>& work) {
  MILLRACE_RETURN_IF_ERROR(database_.Run("BEGIN IMMEDIATE"));
  absl::Status status = work();
  if (status.ok()) status = database_.Run("COMMIT");
  // SQLite may have rolled it back already; then there is nothing left to do, and saying so is no error.
  if (!status.ok()) static_cast<void>(database_.Run("ROLLBACK"));
  return status;
}

absl::Status Journal::Insert(Statement& insert, JournalPosition position, std::uint64_t count, std::string_view body) {
  const Digest checksum = ChecksumOf(position, body);
  insert.Reset();
  insert.BindInt(1, static_cast<std::int64_t>(position));
  insert.BindInt(2, static_cast<std::int64_t>(count));
  insert.BindBlob(3, checksum.view());
  insert.BindBlob(4, body);
  const absl::Status status = insert.Next().status();
  insert.Reset();
  return status;
}

absl::Status Journal::WriteAll(std::span<const Batch> batches, JournalPosition& end, std::uint64_t& bytes) {
  std::string body;
  for (std::span<const Record> batch : batches) {
    while (!batch.empty()) {
      const std::size_t taken = wire::AddRecords(body, batch, kRowBytes);
      std::size_t positions = 0;
      for (const Record& record : batch.first(taken)) positions += PositionsOf(record);
      batch = batch.subspan(taken);
      MILLRACE_RETURN_IF_ERROR(Insert(insert_, end + 1, positions, body));
      end += positions;
      bytes += body.size();
      body.clear();
    }
  }
  FailPoint("journal.written");
  return absl::OkStatus();
}

absl::Status Journal::Append(std::span<const Batch> batches) {
  JournalPosition end = end_;
  std::uint64_t bytes = bytes_;
  MILLRACE_RETURN_IF_ERROR(Annotate(InTransaction([&] { return WriteAll(batches, end, bytes); }), file_.string()));
  end_ = end;
  bytes_ = bytes;
  return absl::OkStatus();
}

absl::Status Journal::Rewrite(const std::set<RunId>& keep, JournalPosition& first, std::uint64_t& bytes) {
  MILLRACE_RETURN_IF_ERROR(
      database_.Run("CREATE TABLE kept(position INTEGER PRIMARY KEY, count INTEGER NOT NULL, checksum BLOB NOT NULL,"
                    " body BLOB NOT NULL)"));
  {
    MILLRACE_ASSIGN_OR_RETURN(Statement insert, database_.Prepare(InsertInto("kept")));
    MILLRACE_ASSIGN_OR_RETURN(Statement select, database_.Prepare("SELECT position, count, checksum, body FROM batches"
                                                                  " ORDER BY position DESC"));
    Compaction compaction(keep, [&](std::uint64_t count, std::string_view body) {
      first -= count;
      bytes += body.size();
      return Insert(insert, first, count, body);
    });
    while (true) {
      MILLRACE_ASSIGN_OR_RETURN(const bool more, select.Next());
      if (!more) break;
      const Row row(select);
      if (!row.Whole()) return Damage(row.position, kWrongChecksum);
      const absl::Status taken = compaction.Take(row.body, row.count);
      if (taken.code() == absl::StatusCode::kOutOfRange) return Damage(row.position, kWrongCount);
      if (taken.code() == absl::StatusCode::kDataLoss) return Damage(row.position, TextOf(taken));
      MILLRACE_RETURN_IF_ERROR(taken);
    }
    MILLRACE_RETURN_IF_ERROR(compaction.Finish());
  }
  insert_ = Statement();
  MILLRACE_RETURN_IF_ERROR(database_.Run(
      absl::StrFormat("DROP TABLE batches; ALTER TABLE kept RENAME TO batches; UPDATE span SET first=%d", first)));
  FailPoint("compaction.written");
  return absl::OkStatus();
}

absl::Status Journal::Compact(const std::set<RunId>& keep) {
  JournalPosition first = end_ + 1;
  std::uint64_t bytes = 0;
  const absl::Status rewritten = InTransaction([&] { return Rewrite(keep, first, bytes); });
  MILLRACE_ASSIGN_OR_RETURN(insert_, database_.Prepare(InsertInto("batches")));
  MILLRACE_RETURN_IF_ERROR(Annotate(rewritten, file_.string()));
  first_ = first;
  bytes_ = bytes;
  FailPoint("compaction.committed");
  // The room goes back to the disk; without, the file would use it again for what comes.
  return Annotate(database_.Run("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"), file_.string());
}

absl::Status Journal::LimitPages(std::int64_t pages) {
  return database_.Run(absl::StrFormat("PRAGMA max_page_count=%d", pages));
}

}  // namespace millrace::store
