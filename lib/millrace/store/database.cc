// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/database.h"

#include <sqlite3.h>

#include <cerrno>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::store {
namespace {

// An I/O error after its cause, which SQLite does not always keep, but errno does when it was 0 before: a quota, a
// limit and a file system without room are all a disk that is full. What failed in a sync may be lost whatever is done
// next, so that it is never taken for something that passes.
absl::StatusCode CodeOfIo(int result) {
  if (result == SQLITE_IOERR_FSYNC || result == SQLITE_IOERR_DIR_FSYNC) return absl::StatusCode::kDataLoss;
  switch (errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return absl::StatusCode::kResourceExhausted;
    case EROFS:
    case EACCES: return absl::StatusCode::kPermissionDenied;
    default: return absl::StatusCode::kDataLoss;
  }
}

absl::StatusCode CodeOf(int result) {
  switch (result & 0xff) {
    case SQLITE_IOERR: return CodeOfIo(result);
    case SQLITE_FULL:
    case SQLITE_NOMEM: return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return absl::StatusCode::kDataLoss;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN: return absl::StatusCode::kPermissionDenied;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return absl::StatusCode::kUnavailable;
    default: return absl::StatusCode::kInternal;
  }
}

absl::Status StatusOf(sqlite3* handle, int result, std::string_view what) {
  // Errors have their extended code, which says what failed, with the connection.
  const int extended = handle != nullptr ? sqlite3_extended_errcode(handle) : result;
  const int code = (extended & 0xff) == (result & 0xff) ? extended : result;
  return Error(CodeOf(code), "%s: %s (SQLite error %d)", what, handle ? sqlite3_errmsg(handle) : sqlite3_errstr(result),
               result);
}

absl::StatusOr<std::int64_t> ReadNumber(Database& database, std::string_view sql) {
  MILLRACE_ASSIGN_OR_RETURN(Statement statement, database.Prepare(sql));
  MILLRACE_ASSIGN_OR_RETURN(const bool row, statement.Next());
  return row ? statement.Int(0) : 0;
}

// Most programs number neither, so that only a file without a table is a new one.
struct Identity {
  std::int64_t application = 0;
  std::int64_t version = 0;
  std::int64_t tables = 0;
  bool blank() const { return application == 0 && version == 0 && tables == 0; }
};

absl::StatusOr<Identity> ReadIdentity(Database& database) {
  Identity identity;
  MILLRACE_RETURN_IF_ERROR(database.Run("SAVEPOINT look"));  // all at one moment
  MILLRACE_ASSIGN_OR_RETURN(identity.application, ReadNumber(database, "PRAGMA application_id"));
  MILLRACE_ASSIGN_OR_RETURN(identity.version, ReadNumber(database, "PRAGMA user_version"));
  MILLRACE_ASSIGN_OR_RETURN(identity.tables, ReadNumber(database, "SELECT count(*) FROM sqlite_master"));
  MILLRACE_RETURN_IF_ERROR(database.Run("RELEASE look"));
  return identity;
}

absl::Status CheckIdentity(const Identity& found, std::int32_t application, int version) {
  if (found.application != application) {
    return FailedPrecondition("it is a database of another program (application id %d, not %d)", found.application,
                              application);
  }
  if (found.version > version) {
    return FailedPrecondition("it was written by a newer Millrace (schema %d; this one knows up to %d)", found.version,
                              version);
  }
  return absl::OkStatus();
}

constexpr int kPatience = 1000;  // ms, for a lock

}  // namespace

Statement::Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}
Statement::~Statement() { sqlite3_finalize(handle_); }

void Statement::BindBlob(int parameter, std::string_view bytes) {
  sqlite3_bind_blob64(handle_, parameter, bytes.data() ? bytes.data() : "", bytes.size(), SQLITE_STATIC);
}
void Statement::BindText(int parameter, std::string_view text) {
  sqlite3_bind_text64(handle_, parameter, text.data() ? text.data() : "", text.size(), SQLITE_STATIC, SQLITE_UTF8);
}
void Statement::BindInt(int parameter, std::int64_t number) { sqlite3_bind_int64(handle_, parameter, number); }

absl::StatusOr<bool> Statement::Next() {
  errno = 0;
  const int result = sqlite3_step(handle_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return StatusOf(sqlite3_db_handle(handle_), result, "running a statement");
}

std::string_view Statement::Blob(int column) const {
  const void* bytes = sqlite3_column_blob(handle_, column);
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}
std::int64_t Statement::Int(int column) const { return sqlite3_column_int64(handle_, column); }
void Statement::Reset() { sqlite3_reset(handle_); }

Database::Database(Database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
Database& Database::operator=(Database&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}
Database::~Database() { sqlite3_close_v2(handle_); }

absl::StatusOr<Database> Database::Open(const std::filesystem::path& file, std::int32_t application, int version,
                                        std::string_view schema, Hold hold) {
  sqlite3* handle = nullptr;
  errno = 0;
  const int result =
      sqlite3_open_v2(file.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle);  // closes it also when opening failed
  if (result != SQLITE_OK) return StatusOf(handle, result, file.string());
  sqlite3_busy_timeout(handle, kPatience);
  if (hold == Hold::kExclusive) MILLRACE_RETURN_IF_ERROR(database.Run("PRAGMA locking_mode=EXCLUSIVE"));
  const absl::Status ours = database.SetUp(application, version, schema);
  if (!ours.ok()) return Annotate(ours, file.string());
  return database;
}

absl::StatusOr<Database> Database::OpenToRead(const std::filesystem::path& file, std::int32_t application,
                                              int version) {
  sqlite3* handle = nullptr;
  errno = 0;
  const int result = sqlite3_open_v2(file.c_str(), &handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle);
  if (result != SQLITE_OK) return StatusOf(handle, result, file.string());
  sqlite3_busy_timeout(handle, kPatience);
  const absl::StatusOr<Identity> found = ReadIdentity(database);
  const absl::Status ours = found.ok() ? CheckIdentity(*found, application, version) : found.status();
  if (!ours.ok()) return Annotate(ours, file.string());
  return database;
}

absl::Status Database::SetUp(std::int32_t application, int version, std::string_view schema) {
  MILLRACE_ASSIGN_OR_RETURN(Identity found, ReadIdentity(*this));
  if (found.blank()) {
    MILLRACE_RETURN_IF_ERROR(Run("BEGIN IMMEDIATE"));
    MILLRACE_ASSIGN_OR_RETURN(found, ReadIdentity(*this));  // another process may have been faster
    if (found.blank()) {
      MILLRACE_RETURN_IF_ERROR(
          Run(absl::StrFormat("%s; PRAGMA application_id=%d; PRAGMA user_version=%d", schema, application, version)));
      found = {.application = application, .version = version, .tables = 1};
    }
    MILLRACE_RETURN_IF_ERROR(Run("COMMIT"));
  }
  MILLRACE_RETURN_IF_ERROR(CheckIdentity(found, application, version));
  // Stays with the file. SQLite does not wait for the others here; if they are in the way, the next opener does it.
  const absl::Status wal = Run("PRAGMA journal_mode=WAL");
  if (wal.code() == absl::StatusCode::kUnavailable) return absl::OkStatus();
  MILLRACE_RETURN_IF_ERROR(wal);
  return Run("PRAGMA synchronous=NORMAL");
}

absl::Status Database::Run(std::string_view sql) {
  const std::string text(sql);
  errno = 0;
  const int result = sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? absl::OkStatus() : StatusOf(handle_, result, "running SQL");
}

absl::StatusOr<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  errno = 0;
  const int result = sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (result != SQLITE_OK) return StatusOf(handle_, result, "preparing SQL");
  return Statement(statement);
}

}  // namespace millrace::store
