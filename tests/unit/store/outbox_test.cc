// SPDX-License-Identifier: Apache-2.0
// A worker's outbox on disk: what was put there is found by the next process, whatever became of the file; what is
// damaged is put aside and never believed.
#include "millrace/store/outbox.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"

namespace millrace::store {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kBroker = 0xfedcba9876543210;  // any bits

AttemptReport ReportOf(std::uint64_t attempt, const std::string& result = "fine") {
  AttemptReport report;
  report.attempt = AttemptId{attempt};
  report.outcome = Outcome::kSucceeded;
  report.result = {.bytes = Bytes(result), .digest = {}, .size = result.size()};
  report.failure.message = "none";
  report.execution = std::chrono::seconds(3);
  return report;
}

class OutboxTest : public testing::Test {
 protected:
  std::filesystem::path File() const { return folder_ / kOutboxName; }
  Outbox Open() {
    auto outbox = Outbox::Open(File(), found_);
    EXPECT_TRUE(outbox.ok()) << outbox.status();
    return *std::move(outbox);
  }
  // What a process that is started now finds.
  std::vector<std::uint64_t> Attempts() {
    Open();
    std::vector<std::uint64_t> attempts;
    for (const AttemptReport& report : found_.reports) attempts.push_back(report.attempt.value);
    return attempts;
  }
  void Run(const std::string& sql) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(File().c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  }

  Folder folder_;
  Outbox::Content found_;
};

TEST_F(OutboxTest, A09_WhatWasPutIsFoundWordForWordByTheNextProcess) {
  AttemptReport failed = ReportOf(7);
  failed.outcome = Outcome::kFailed;
  failed.failure.exit_code = 3;
  failed.failure.output = "line\n";
  AttemptReport large = ReportOf(8);
  large.result.digest = Sha256("elsewhere");
  large.result.bytes = {};
  large.result.size = 1 << 30;
  {
    Outbox outbox = Open();
    EXPECT_THAT(found_.reports, IsEmpty());
    EXPECT_TRUE(outbox.Put(kBroker, std::vector{failed, large}).ok());
    EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(6, std::string(300'000, 'x'))}).ok());
  }
  Open();
  EXPECT_EQ(found_.broker, kBroker);
  EXPECT_EQ(found_.damage, "");
  EXPECT_THAT(found_.reports, ElementsAre(ReportOf(6, std::string(300'000, 'x')), failed, large));
}

TEST_F(OutboxTest, WhatWasErasedIsGoneAndWhatNeverWasThereDoesNotMatter) {
  {
    Outbox outbox = Open();
    EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(1), ReportOf(2), ReportOf(3)}).ok());
    EXPECT_TRUE(outbox.Erase(std::vector{AttemptId{1}, AttemptId{3}, AttemptId{99}}).ok());
    EXPECT_GT(outbox.bytes(), 0u);
  }
  EXPECT_THAT(Attempts(), ElementsAre(2));
  {
    Outbox outbox = Open();
    EXPECT_TRUE(outbox.Erase(std::vector{AttemptId{2}}).ok());
    EXPECT_EQ(outbox.bytes(), 0u);
  }
  EXPECT_THAT(Attempts(), IsEmpty());
}

// Their attempts may have the same ids.
TEST_F(OutboxTest, A07_ReportsOfAnotherBrokerMakeRoom) {
  {
    Outbox outbox = Open();
    EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(1, "of the first"), ReportOf(2)}).ok());
    EXPECT_TRUE(outbox.Put(kBroker + 1, std::vector{ReportOf(1, "of the second")}).ok());
  }
  EXPECT_THAT(Attempts(), ElementsAre(1));
  EXPECT_EQ(found_.broker, kBroker + 1);
  EXPECT_EQ(found_.reports[0].result.bytes.view(), "of the second");
  EXPECT_EQ(found_.damage, "");
}

TEST_F(OutboxTest, PuttingAgainReplaces) {
  Outbox outbox = Open();
  EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(1)}).ok());
  const std::uint64_t bytes = outbox.bytes();
  EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(1)}).ok());
  EXPECT_EQ(outbox.bytes(), bytes);
}

// As a process leaves it that is killed: nothing was closed, what was committed is in the log only.
TEST_F(OutboxTest, A09_WhatACrashLeavesIsFound) {
  Outbox outbox = Open();
  EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(1)}).ok());
  EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(2)}).ok());
  const Folder copy;
  for (const char* suffix : {"", "-wal"}) {
    std::filesystem::copy_file(File().string() + suffix, (copy / kOutboxName).string() + suffix);
  }
  Outbox::Content found;
  ASSERT_TRUE(Outbox::Open(copy / kOutboxName, found).ok());
  EXPECT_THAT(found.reports, SizeIs(2));
  // And when the newest was being written in that moment, the others are there.
  for (std::uintmax_t cut = 1; cut < 4200; cut += 700) {
    const Folder torn;
    std::filesystem::copy_file(File(), torn / kOutboxName);
    const std::filesystem::path log = (torn / kOutboxName).string() + "-wal";
    std::filesystem::copy_file(File().string() + "-wal", log);
    std::filesystem::resize_file(log, std::filesystem::file_size(log) - cut);
    ASSERT_TRUE(Outbox::Open(torn / kOutboxName, found).ok());
    ASSERT_THAT(found.reports, SizeIs(1)) << cut;
    EXPECT_EQ(found.reports[0], ReportOf(1));
    EXPECT_EQ(found.damage, "");
  }
}

TEST_F(OutboxTest, ADamagedEntryIsPutAsideAndTheOthersAreUsed) {
  {
    Outbox outbox = Open();
    EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(1), ReportOf(2), ReportOf(3)}).ok());
  }
  Run("UPDATE reports SET body = CAST(replace(CAST(body AS TEXT), 'none', 'some') AS BLOB) WHERE attempt = 1;"
      "UPDATE reports SET attempt = 4 WHERE attempt = 3");
  EXPECT_THAT(Attempts(), ElementsAre(2));
  EXPECT_EQ(found_.broker, kBroker);
  EXPECT_THAT(found_.damage, AllOf(HasSubstr(File().string()), HasSubstr("2 of its reports"), HasSubstr(".damaged")));
  EXPECT_TRUE(std::filesystem::exists(File().string() + ".damaged"));
  EXPECT_THAT(Attempts(), ElementsAre(2));
  EXPECT_EQ(found_.damage, "") << "said once";
}

TEST_F(OutboxTest, AFileThatIsNoDatabaseIsPutAsideAndTheWorkerStarts) {
  for (const std::string& text : {std::string(5000, 'x'), "SQLite format 3" + std::string(200, '\0')}) {
    Write(File(), text);
    EXPECT_THAT(Attempts(), IsEmpty());
    EXPECT_THAT(found_.damage, HasSubstr(".damaged"));
    EXPECT_EQ(Read(File().string() + ".damaged"), text);
    EXPECT_TRUE(Open().Put(kBroker, std::vector{ReportOf(1)}).ok());
    EXPECT_THAT(Attempts(), ElementsAre(1));
  }
}

// Whatever bytes are wrong: it opens, and what it gives was put there.
TEST_F(OutboxTest, A07_NoDamageMakesAReportThatWasNeverMade) {
  {
    Outbox outbox = Open();
    for (std::uint64_t attempt = 1; attempt <= 3; ++attempt) {
      EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(attempt, "result " + std::to_string(attempt))}).ok());
    }
  }
  const std::string whole = Read(File());
  std::size_t damaged = 0;
  for (std::size_t at = 0; at < whole.size(); at += 61) {
    const Folder folder;
    std::string text = whole;
    text[at] = static_cast<char>(text[at] ^ 0x5a);
    Write(folder / kOutboxName, text);
    Outbox::Content found;
    const auto outbox = Outbox::Open(folder / kOutboxName, found);
    // What says that it is somebody else's file, or a newer one, is refused instead.
    if (!outbox.ok()) {
      EXPECT_EQ(outbox.status().code(), absl::StatusCode::kFailedPrecondition) << at << ": " << outbox.status();
      continue;
    }
    damaged += found.damage.empty() ? 0 : 1;
    for (const AttemptReport& report : found.reports) {
      EXPECT_EQ(report, ReportOf(report.attempt.value, "result " + std::to_string(report.attempt.value))) << at;
    }
  }
  EXPECT_GT(damaged, 0u);
}

TEST_F(OutboxTest, AFullDiskIsSaidAndChangesNothing) {
  Outbox outbox = Open();
  EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(1)}).ok());
  EXPECT_TRUE(outbox.LimitPages(4).ok());
  const std::uint64_t bytes = outbox.bytes();
  const std::vector<AttemptReport> more = {ReportOf(2), ReportOf(3, std::string(100'000, 'x'))};
  const absl::Status full = outbox.Put(kBroker, more);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_THAT(TextOf(full), HasSubstr(File().string()));
  EXPECT_EQ(outbox.bytes(), bytes);
  EXPECT_TRUE(outbox.LimitPages(10'000).ok());
  EXPECT_TRUE(outbox.Put(kBroker, more).ok());
}

TEST_F(OutboxTest, A50_ItHasABound) {
  Outbox outbox = Open();
  outbox.LimitBytes(1000);
  EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(1, std::string(500, 'x'))}).ok());
  const absl::Status full = outbox.Put(kBroker, std::vector{ReportOf(2, std::string(500, 'x'))});
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(TextOf(full), HasSubstr("the limit is 1000"));
  EXPECT_TRUE(outbox.Erase(std::vector{AttemptId{1}}).ok());
  EXPECT_TRUE(outbox.Put(kBroker, std::vector{ReportOf(2, std::string(500, 'x'))}).ok());
}

TEST_F(OutboxTest, AFileOfAnotherProgramOrANewerMillraceIsRefusedAndLeftAlone) {
  Run("CREATE TABLE letters(a); PRAGMA application_id=7");
  Outbox::Content found;
  const absl::Status foreign = Outbox::Open(File(), found).status();
  EXPECT_EQ(foreign.code(), absl::StatusCode::kFailedPrecondition);
  std::filesystem::remove(File());
  Open();
  Run("PRAGMA user_version=99");
  const absl::Status newer = Outbox::Open(File(), found).status();
  EXPECT_EQ(newer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(newer), AllOf(HasSubstr(File().string()), HasSubstr("newer Millrace")));
  EXPECT_FALSE(std::filesystem::exists(File().string() + ".damaged"));
}

TEST_F(OutboxTest, ItIsForItsUserOnly) {
  Open();
  struct stat info {};
  ASSERT_EQ(stat(File().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

}  // namespace
}  // namespace millrace::store
