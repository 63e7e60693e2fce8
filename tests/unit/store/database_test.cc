// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/database.h"

#include <sqlite3.h>

#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"

namespace millrace::store {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::int32_t kApplication = 1234;
constexpr std::string_view kSchema = "CREATE TABLE words(id INTEGER PRIMARY KEY, word BLOB)";

absl::StatusOr<Database> Open(const std::filesystem::path& file, int version = 1) {
  return Database::Open(file, kApplication, version, kSchema);
}
absl::Status Add(Database& database, std::string_view word) {
  MILLRACE_ASSIGN_OR_RETURN(Statement add, database.Prepare("INSERT INTO words(word) VALUES(?1)"));
  add.BindBlob(1, word);
  return add.Next().status();
}
std::vector<std::string> Words(Database& database) {
  std::vector<std::string> words;
  Statement all = database.Prepare("SELECT word FROM words ORDER BY id").value();
  while (all.Next().value()) words.emplace_back(all.Blob(0));
  return words;
}
// As another program would write to the file.
void RunElsewhere(const std::filesystem::path& file, const char* sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(handle);
  sqlite3_close(handle);
}

TEST(DatabaseTest, KeepsWhatWasWrittenByteForByte) {
  const Folder folder;
  const std::string odd("\0'\xff", 3);
  {
    Database database = Open(folder / "db").value();
    ASSERT_TRUE(Add(database, odd).ok());
    ASSERT_TRUE(Add(database, "").ok());
  }
  Database again = Open(folder / "db").value();
  EXPECT_THAT(Words(again), testing::ElementsAre(odd, ""));
}

TEST(DatabaseTest, StatementsAreBoundAgainAndOutliveAMove) {
  const Folder folder;
  Database database = Open(folder / "db").value();
  Statement add;
  add = database.Prepare("INSERT INTO words(id, word) VALUES(?1, ?2)").value();
  for (int i = 1; i <= 3; ++i) {
    add.Reset();
    add.BindInt(1, i * 10);
    const std::string word(static_cast<std::size_t>(i), 'x');  // lives until it was used
    add.BindText(2, word);
    const auto more = add.Next();
    ASSERT_TRUE(more.ok()) << more.status();
    EXPECT_FALSE(*more);
  }
  Statement moved = std::move(add);
  const Database elsewhere = std::move(database);
  Statement sum = std::move(moved);
  sum.Reset();
  sum.BindInt(1, 20);  // a key that is taken
  sum.BindText(2, "y");
  const absl::Status taken = sum.Next().status();
  EXPECT_THAT(TextOf(taken), AllOf(HasSubstr("UNIQUE constraint failed: words.id"), HasSubstr("SQLite error 19")));
}

TEST(DatabaseTest, ErrorsCarryTextAndCode) {
  const Folder folder;
  Database database = Open(folder / "db").value();
  const absl::Status syntax = database.Run("SELEKT 1");
  EXPECT_EQ(syntax.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(TextOf(syntax), AllOf(HasSubstr("near \"SELEKT\": syntax error"), HasSubstr("SQLite error 1)")));
  EXPECT_THAT(TextOf(database.Prepare("SELECT * FROM absent").status()), HasSubstr("no such table: absent"));
}

TEST(DatabaseTest, WhatIsNoDatabaseIsRefusedWithItsNameAndLeftAlone) {
  const Folder folder;
  const std::string rubbish(4096, 'r');
  Write(folder / "db", rubbish);
  const absl::Status refused = Open(folder / "db").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(TextOf(refused), AllOf(HasSubstr((folder / "db").string()), HasSubstr("SQLite error 26")));
  EXPECT_EQ(Read(folder / "db"), rubbish);

  const absl::Status missing = Open(folder / "no/folder/db").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(TextOf(missing), AllOf(HasSubstr("no/folder/db"), HasSubstr("unable to open")));
}

TEST(DatabaseTest, AnotherProgramsDatabaseIsRefusedAndLeftAlone) {
  const Folder folder;
  RunElsewhere(folder / "numbered", "PRAGMA application_id=99; CREATE TABLE theirs(x)");
  RunElsewhere(folder / "unnumbered", "CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
  for (const auto& file : {folder / "numbered", folder / "unnumbered"}) {
    const std::string before = Read(file);
    const absl::Status refused = Open(file).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << file;
    EXPECT_THAT(TextOf(refused), AllOf(HasSubstr(file.string()), HasSubstr("another program")));
    Database theirs = Database::Open(file, file == folder / "numbered" ? 99 : 0, 1, "").value();
    EXPECT_FALSE(theirs.Prepare("SELECT * FROM words").ok());
    EXPECT_TRUE(theirs.Prepare("SELECT * FROM theirs").ok());
  }
}

TEST(DatabaseTest, ANewerSchemaIsRefusedWithBothVersions) {
  const Folder folder;
  ASSERT_TRUE(Open(folder / "db", 3).ok());
  EXPECT_TRUE(Open(folder / "db", 3).ok());
  const absl::Status refused = Open(folder / "db", 2).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(refused), AllOf(HasSubstr((folder / "db").string()), HasSubstr("schema 3"), HasSubstr("up to 2")));
}

TEST(DatabaseTest, ASchemaThatFailsLeavesANewFileNew) {
  const Folder folder;
  EXPECT_FALSE(Database::Open(folder / "db", kApplication, 1, "CREATE TABLE a(x); CREATE TABLE a(x)").ok());
  Database database = Open(folder / "db").value();
  EXPECT_FALSE(database.Prepare("SELECT * FROM a").ok());
  EXPECT_TRUE(Add(database, "word").ok());
}

TEST(DatabaseTest, ManyWhoOpenANewFileAtOnceAllGetIt) {
  for (int round = 0; round < 5; ++round) {
    const Folder folder;
    std::vector<absl::Status> ends(4);
    std::vector<std::thread> openers;
    for (absl::Status& end : ends) {
      openers.emplace_back([&folder, &end] {
        absl::StatusOr<Database> database = Open(folder / "db");
        end = database.ok() ? Add(*database, "word") : database.status();
      });
    }
    for (std::thread& opener : openers) opener.join();
    for (const absl::Status& end : ends) EXPECT_TRUE(end.ok()) << end;
    Database database = Open(folder / "db").value();
    EXPECT_EQ(Words(database).size(), ends.size());
  }
}

TEST(DatabaseTest, WhatIsNotCommittedIsRolledBackAlsoByTheEnd) {
  const Folder folder;
  {
    Database database = Open(folder / "db").value();
    ASSERT_TRUE(database.Run("BEGIN").ok());
    ASSERT_TRUE(Add(database, "taken back").ok());
    ASSERT_TRUE(database.Run("ROLLBACK").ok());
    EXPECT_TRUE(Words(database).empty());
    ASSERT_TRUE(database.Run("BEGIN; INSERT INTO words(word) VALUES('kept'); COMMIT").ok());
    ASSERT_TRUE(database.Run("BEGIN").ok());
    ASSERT_TRUE(Add(database, "lost with its connection").ok());
  }
  Database database = Open(folder / "db").value();
  EXPECT_THAT(Words(database), testing::ElementsAre("kept"));
}

TEST(DatabaseTest, ALockOfAnotherIsUnavailableAfterAWhileAndPasses) {
  const Folder folder;
  Database ours = Open(folder / "db").value();
  Database theirs = Open(folder / "db").value();
  ASSERT_TRUE(theirs.Run("BEGIN IMMEDIATE").ok());
  const absl::Status busy = Add(ours, "word");
  EXPECT_EQ(busy.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(TextOf(busy), AllOf(HasSubstr("database is locked"), HasSubstr("SQLite error 5")));
  EXPECT_TRUE(Words(ours).empty());  // readers are not kept out
  ASSERT_TRUE(theirs.Run("ROLLBACK").ok());
  EXPECT_TRUE(Add(ours, "word").ok());
}

TEST(DatabaseTest, AConnectionMayGoBeforeItsStatements) {
  const Folder folder;
  std::optional<Database> database = Open(folder / "db").value();
  Statement statement = database->Prepare("SELECT count(*) FROM words").value();
  database.reset();
  const auto row = statement.Next();
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(statement.Int(0), 0);
}

}  // namespace
}  // namespace millrace::store
