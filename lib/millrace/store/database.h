// SPDX-License-Identifier: Apache-2.0
// A thin RAII wrapper over one SQLite connection: statements prepared once, errors as Status. One thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace millrace::store {

class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Parameters count from 1. The text must live until the next Reset().
  void BindBlob(int parameter, std::string_view bytes);
  void BindText(int parameter, std::string_view text);
  void BindInt(int parameter, std::int64_t number);
  // True: a row is there. False: done.
  absl::StatusOr<bool> Next();
  // Columns count from 0. A view lives until the next Next() or Reset().
  std::string_view Blob(int column) const;
  std::int64_t Int(int column) const;
  void Reset();

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
  sqlite3_stmt* handle_ = nullptr;
};

enum class Hold : std::uint8_t {
  kShared,     // other connections may use the file, too
  kExclusive,  // they find it locked, and no shared memory is needed beside it
};

class Database {
 public:
  // Opens or creates the file (WAL, synchronous NORMAL) and checks that it is ours: `application` is stored in it, and
  // a file of another application or of a newer schema `version` is refused. `schema` runs when the file is new.
  static absl::StatusOr<Database> Open(const std::filesystem::path& file, std::int32_t application, int version,
                                       std::string_view schema, Hold hold = Hold::kShared);
  // A file that is there already, to read it while others write it; only SQLite's own files beside it are touched.
  static absl::StatusOr<Database> OpenToRead(const std::filesystem::path& file, std::int32_t application, int version);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  absl::Status Run(std::string_view sql);
  absl::StatusOr<Statement> Prepare(std::string_view sql);

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}
  absl::Status SetUp(std::int32_t application, int version, std::string_view schema);
  sqlite3* handle_ = nullptr;
};

}  // namespace millrace::store
