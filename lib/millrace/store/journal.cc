// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "millrace/base/digest.h"
#include "millrace/base/fail_point.h"
#include "millrace/base/status.h"
#include "millrace/wire/record_frame.h"

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
constexpr std::size_t kLengthBytes = 4;
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

void AddRecord(std::string& body, std::string_view record) {
  auto length = static_cast<std::uint32_t>(record.size());
  for (std::size_t i = 0; i < kLengthBytes; ++i, length >>= 8) body += static_cast<char>(length & 0xff);
  body += record;
}

// The records of a body; nothing when they are not exactly `count`. Nobody writes a row without any: it would hold a
// position that the next one has, too.
std::optional<std::vector<std::string_view>> Split(std::string_view body, std::uint64_t count) {
  if (count == 0) return std::nullopt;
  std::vector<std::string_view> records;
  while (body.size() >= kLengthBytes && records.size() < count) {
    std::size_t length = 0;
    for (std::size_t i = kLengthBytes; i-- > 0;) length = length << 8 | static_cast<unsigned char>(body[i]);
    body.remove_prefix(kLengthBytes);
    if (length > body.size()) return std::nullopt;
    records.push_back(body.substr(0, length));
    body.remove_prefix(length);
  }
  if (!body.empty() || records.size() != count) return std::nullopt;
  return records;
}

// It was accepted when it came; that it is large is no reason to refuse it now.
wire::Limits LimitsFor(std::size_t bytes) {
  wire::Limits limits;
  limits.max_bytes = std::max(limits.max_bytes, bytes);
  limits.max_string = std::max(limits.max_string, bytes);
  return limits;
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
    const auto records = Split(row.body, row.count);
    if (!records) return Damage(next, kWrongCount);
    for (const std::string_view bytes : *records) {
      auto record = wire::DecodeRecord(Bytes::Copy(bytes), LimitsFor(bytes.size()));
      if (record.status().code() == absl::StatusCode::kUnimplemented) {
        return FailedPrecondition("%s was written by a newer Millrace: %s at position %d; start that one",
                                  file_.string(), TextOf(record.status()), next);
      }
      if (!record.ok()) return Damage(next, TextOf(record.status()));
      MILLRACE_RETURN_IF_ERROR(on_record(next, *std::move(record)));
      ++next;
    }
  }
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
  std::uint64_t count = 0;
  const auto flush = [&]() -> absl::Status {
    if (count == 0) return absl::OkStatus();
    MILLRACE_RETURN_IF_ERROR(Insert(insert_, end + 1, count, body));
    end += std::exchange(count, 0);
    bytes += body.size();
    body.clear();
    return absl::OkStatus();
  };
  for (const Batch& batch : batches) {
    for (const Record& record : batch) {
      AddRecord(body, wire::EncodeRecord(record));
      ++count;
      if (body.size() >= kRowBytes) MILLRACE_RETURN_IF_ERROR(flush());
    }
    MILLRACE_RETURN_IF_ERROR(flush());
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

// From the newest to the oldest, since the end stays where it is.
absl::Status Journal::Rewrite(const std::set<RunId>& keep, JournalPosition& first, std::uint64_t& bytes) {
  MILLRACE_RETURN_IF_ERROR(
      database_.Run("CREATE TABLE kept(position INTEGER PRIMARY KEY, count INTEGER NOT NULL, checksum BLOB NOT NULL,"
                    " body BLOB NOT NULL)"));
  {
    MILLRACE_ASSIGN_OR_RETURN(Statement insert, database_.Prepare(InsertInto("kept")));
    MILLRACE_ASSIGN_OR_RETURN(Statement select, database_.Prepare("SELECT position, count, checksum, body FROM batches"
                                                                  " ORDER BY position DESC"));
    while (true) {
      MILLRACE_ASSIGN_OR_RETURN(const bool more, select.Next());
      if (!more) break;
      const Row row(select);
      if (!row.Whole()) return Damage(row.position, kWrongChecksum);
      const auto records = Split(row.body, row.count);
      if (!records) return Damage(row.position, kWrongCount);
      std::string body;
      std::uint64_t count = 0;
      for (const std::string_view encoded : *records) {
        MILLRACE_ASSIGN_OR_RETURN(const Record record,
                                  wire::DecodeRecord(Bytes::Copy(encoded), LimitsFor(encoded.size())));
        if (!keep.contains(RunOf(record))) continue;
        AddRecord(body, encoded);
        ++count;
      }
      if (count == 0) continue;
      first -= count;
      bytes += body.size();
      MILLRACE_RETURN_IF_ERROR(Insert(insert, first, count, body));
    }
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
