// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/database.h"

#include <sqlite3.h>

#include <utility>

#include "millrace/base/status.h"

namespace millrace::store {
namespace {

absl::StatusCode CodeOf(int result) {
  switch (result & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM: return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return absl::StatusCode::kDataLoss;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN: return absl::StatusCode::kPermissionDenied;
    case SQLITE_ERROR:
    case SQLITE_MISUSE: return absl::StatusCode::kInternal;
    default: return absl::StatusCode::kUnavailable;
  }
}

absl::Status StatusOf(sqlite3* handle, int result, std::string_view what) {
  return Error(CodeOf(result), "%s: %s (SQLite error %d)", what,
               handle ? sqlite3_errmsg(handle) : sqlite3_errstr(result), result);
}

absl::StatusOr<std::int64_t> ReadPragma(Database& database, std::string_view name) {
  MILLRACE_ASSIGN_OR_RETURN(Statement statement, database.Prepare(absl::StrFormat("PRAGMA %s", name)));
  MILLRACE_ASSIGN_OR_RETURN(const bool row, statement.Next());
  return row ? statement.Int(0) : 0;
}

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
                                        std::string_view schema) {
  sqlite3* handle = nullptr;
  const int result =
      sqlite3_open_v2(file.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle);  // closes it also when opening failed
  if (result != SQLITE_OK) return StatusOf(handle, result, file.string());
  sqlite3_busy_timeout(handle, 1000);  // ms
  const auto annotate = [&](const absl::Status& status) { return Annotate(status, file.string()); };
  const auto found_application = ReadPragma(database, "application_id");
  if (!found_application.ok()) return annotate(found_application.status());
  const auto found_version = ReadPragma(database, "user_version");
  if (!found_version.ok()) return annotate(found_version.status());
  if (*found_application == 0 && *found_version == 0) {
    const std::string set_up =
        absl::StrFormat("PRAGMA journal_mode=WAL; BEGIN; %s; PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
                        schema, application, version);
    if (const absl::Status status = database.Run(set_up); !status.ok()) return annotate(status);
  } else if (*found_application != application) {
    return FailedPrecondition("%s is a database of another program (application id %d, not %d)", file.string(),
                              *found_application, application);
  } else if (*found_version > version) {
    return FailedPrecondition("%s was written by a newer Millrace (schema %d; this one knows up to %d)", file.string(),
                              *found_version, version);
  }
  if (const absl::Status status = database.Run("PRAGMA synchronous=NORMAL"); !status.ok()) return annotate(status);
  return database;
}

absl::Status Database::Run(std::string_view sql) {
  const std::string text(sql);
  const int result = sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? absl::OkStatus() : StatusOf(handle_, result, "running SQL");
}

absl::StatusOr<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (result != SQLITE_OK) return StatusOf(handle_, result, "preparing SQL");
  return Statement(statement);
}

}  // namespace millrace::store
