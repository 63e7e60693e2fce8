// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/outbox.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "millrace/base/digest.h"
#include "millrace/base/status.h"
#include "millrace/wire/frame.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

constexpr std::int32_t kApplication = 0x4d4c524f;  // "MLRO"
constexpr int kVersion = 1;
constexpr std::string_view kSchema =
    "CREATE TABLE reports(attempt INTEGER PRIMARY KEY, broker INTEGER NOT NULL, checksum BLOB NOT NULL,"
    " body BLOB NOT NULL)";
constexpr std::string_view kDelete = "DELETE FROM reports WHERE attempt=?1 RETURNING length(body)";

// Runs a deletion that returns the sizes of what it deletes.
absl::Status Delete(Statement& statement, std::uint64_t parameter, std::uint64_t& bytes) {
  statement.BindInt(1, static_cast<std::int64_t>(parameter));
  while (true) {
    MILLRACE_ASSIGN_OR_RETURN(const bool row, statement.Next());
    if (!row) break;
    bytes -= static_cast<std::uint64_t>(statement.Int(0));
  }
  statement.Reset();
  return absl::OkStatus();
}

Digest ChecksumOf(std::uint64_t attempt, std::uint64_t broker, std::string_view body) {
  std::string seed;
  for (std::uint64_t number : {attempt, broker}) {
    for (int i = 0; i < 8; ++i, number >>= 8) seed += static_cast<char>(number & 0xff);
  }
  Hasher hasher;
  hasher.Add(seed);
  hasher.Add(body);
  return hasher.Finish();
}

// In the words of the protocol, so that it grows with it: a Report with this one alone.
std::string BodyOf(const AttemptReport& report) {
  Report message;
  message.reports.push_back(report);
  return wire::EncodeMessage(message);
}

std::optional<AttemptReport> ReportIn(std::string_view body, std::uint64_t attempt) {
  wire::Limits limits;
  limits.max_bytes = std::max(limits.max_bytes, body.size());
  limits.max_string = std::max(limits.max_string, body.size());
  auto message = wire::DecodeMessage(Bytes::Copy(body), limits);
  if (!message.ok()) return std::nullopt;
  auto* report = std::get_if<Report>(&*message);
  if (report == nullptr || report->reports.size() != 1 || report->reports[0].attempt.value != attempt) {
    return std::nullopt;
  }
  return std::move(report->reports[0]);
}

// One is enough: whoever looks into the older one has not done so since.
absl::StatusOr<fs::path> PutAside(const fs::path& file) {
  const fs::path aside = file.string() + ".damaged";
  std::error_code error;
  for (const char* suffix : {"-wal", "-shm"}) {
    fs::remove(aside.string() + suffix, error);
    const fs::path log = file.string() + suffix;
    if (fs::exists(log, error)) fs::rename(log, aside.string() + suffix, error);
    if (error) return ErrnoStatus(error.value(), "rename " + log.string());
  }
  fs::rename(file, aside, error);
  if (error) return ErrnoStatus(error.value(), "rename " + file.string());
  return aside;
}

}  // namespace

absl::StatusOr<Outbox> Outbox::OpenFile(const fs::path& file) {
  // Results may be confidential, and SQLite would let the umask decide. What is wrong, it says better.
  const int created = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (created >= 0) close(created);
  MILLRACE_ASSIGN_OR_RETURN(Database database, Database::Open(file, kApplication, kVersion, kSchema, Hold::kExclusive));
  MILLRACE_RETURN_IF_ERROR(database.Run("PRAGMA synchronous=FULL"));
  return Outbox(file, std::move(database));
}

absl::StatusOr<Outbox> Outbox::Open(const fs::path& file, Content& content) {
  content = {};
  {
    auto outbox = OpenFile(file);
    const absl::Status read = outbox.ok() ? outbox->Read(content) : outbox.status();
    if (read.ok() && content.damage.empty()) {
      MILLRACE_RETURN_IF_ERROR(Annotate(outbox->Count(), file.string()));
      return outbox;
    }
    if (!read.ok() && read.code() != absl::StatusCode::kDataLoss) return Annotate(read, file.string());
    if (!read.ok()) content.damage = TextOf(read);
  }
  MILLRACE_ASSIGN_OR_RETURN(const fs::path aside, PutAside(file));
  content.damage = absl::StrFormat("%s was damaged (%s) and is now %s", file.string(), content.damage, aside.string());
  MILLRACE_ASSIGN_OR_RETURN(Outbox fresh, OpenFile(file));
  MILLRACE_RETURN_IF_ERROR(fresh.Put(content.broker, content.reports));
  return fresh;
}

absl::Status Outbox::Read(Content& content) {
  MILLRACE_ASSIGN_OR_RETURN(Statement select,
                            database_.Prepare("SELECT attempt, broker, checksum, body FROM reports ORDER BY attempt"));
  std::size_t damaged = 0;
  while (true) {
    MILLRACE_ASSIGN_OR_RETURN(const bool more, select.Next());
    if (!more) break;
    const auto attempt = static_cast<std::uint64_t>(select.Int(0));
    const auto broker = static_cast<std::uint64_t>(select.Int(1));
    const std::string_view body = select.Blob(3);
    std::optional<AttemptReport> report;
    if (ChecksumOf(attempt, broker, body).view() == select.Blob(2)) report = ReportIn(body, attempt);
    if (report && content.reports.empty()) content.broker = broker;
    if (report && content.broker == broker) {
      content.reports.push_back(*std::move(report));
    } else {
      ++damaged;  // those of two brokers are never in one file
    }
  }
  if (damaged > 0) content.damage = absl::StrFormat("%d of its reports cannot be read", damaged);
  return absl::OkStatus();
}

absl::Status Outbox::Count() {
  MILLRACE_ASSIGN_OR_RETURN(Statement sum, database_.Prepare("SELECT coalesce(sum(length(body)), 0) FROM reports"));
  MILLRACE_RETURN_IF_ERROR(sum.Next().status());
  bytes_ = static_cast<std::uint64_t>(sum.Int(0));
  return absl::OkStatus();
}

absl::Status Outbox::InTransaction(const std::function<absl::Status(std::uint64_t& bytes)>& work) {
  std::uint64_t bytes = bytes_;
  absl::Status status = database_.Run("BEGIN IMMEDIATE");
  if (status.ok()) {
    status = work(bytes);
    if (status.ok()) status = database_.Run("COMMIT");
    // SQLite may have rolled it back already; then there is nothing left to do, and saying so is no error.
    if (!status.ok()) static_cast<void>(database_.Run("ROLLBACK"));
  }
  if (status.ok()) bytes_ = bytes;
  return Annotate(status, file_.string());
}

absl::Status Outbox::Put(std::uint64_t broker, std::span<const AttemptReport> reports) {
  if (reports.empty()) return absl::OkStatus();
  return InTransaction([&](std::uint64_t& bytes) { return PutAll(broker, reports, bytes); });
}

absl::Status Outbox::PutAll(std::uint64_t broker, std::span<const AttemptReport> reports, std::uint64_t& bytes) {
  MILLRACE_ASSIGN_OR_RETURN(Statement foreign,
                            database_.Prepare("DELETE FROM reports WHERE broker<>?1 RETURNING length(body)"));
  MILLRACE_RETURN_IF_ERROR(Delete(foreign, broker, bytes));
  MILLRACE_ASSIGN_OR_RETURN(Statement before, database_.Prepare(kDelete));
  MILLRACE_ASSIGN_OR_RETURN(
      Statement put, database_.Prepare("INSERT INTO reports(attempt, broker, checksum, body) VALUES(?1,?2,?3,?4)"));
  for (const AttemptReport& report : reports) {
    MILLRACE_RETURN_IF_ERROR(Delete(before, report.attempt.value, bytes));
    const std::string body = BodyOf(report);
    const Digest checksum = ChecksumOf(report.attempt.value, broker, body);
    put.BindInt(1, static_cast<std::int64_t>(report.attempt.value));
    put.BindInt(2, static_cast<std::int64_t>(broker));
    put.BindBlob(3, checksum.view());
    put.BindBlob(4, body);
    MILLRACE_RETURN_IF_ERROR(put.Next().status());
    put.Reset();
    bytes += body.size();
  }
  if (bytes <= limit_) return absl::OkStatus();
  return Error(absl::StatusCode::kResourceExhausted, "it would hold %d bytes of reports; the limit is %d", bytes,
               limit_);
}

absl::Status Outbox::Erase(std::span<const AttemptId> attempts) {
  if (attempts.empty()) return absl::OkStatus();
  return InTransaction([&](std::uint64_t& bytes) -> absl::Status {
    MILLRACE_ASSIGN_OR_RETURN(Statement erase, database_.Prepare(kDelete));
    for (const AttemptId attempt : attempts) MILLRACE_RETURN_IF_ERROR(Delete(erase, attempt.value, bytes));
    return absl::OkStatus();
  });
}

absl::Status Outbox::LimitPages(std::int64_t pages) {
  return database_.Run(absl::StrFormat("PRAGMA max_page_count=%d", pages));
}

}  // namespace millrace::store
