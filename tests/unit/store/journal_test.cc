// SPDX-License-Identifier: Apache-2.0
// The journal gives back what was appended, in order and under the same positions; whatever is damaged is refused with
// its position, and nothing behind it is handed over.
#include "millrace/store/journal.h"

#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/store/compaction.h"
#include "millrace/store/salvage.h"
#include "millrace/wire/record_frame.h"
#include "tests/support/edit_job.h"

namespace millrace::store {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

RunId RunNo(std::uint32_t n) { return RunId{EpochQualified(1, n)}; }

Record Accepted(std::uint32_t run) {
  RunAccepted record;
  record.run = RunNo(run);
  record.token = run * 100;
  EditJob(record, [](JobSpec& job) {
    job.name = "job";
    job.tasks.emplace_back().name = "task";
  });
  return record;
}
Record Ended(std::uint32_t run, const std::string& result) {
  TaskEnded record;
  record.task = {RunNo(run), 0};
  record.attempt = AttemptId{7};
  record.outcome = Outcome::kSucceeded;
  record.result.bytes = Bytes::Copy(result);
  record.result.size = result.size();
  return record;
}

struct Seen {
  std::vector<JournalPosition> positions;
  std::vector<Record> records;
  absl::Status end;
};
Seen Replayed(Journal& journal) {
  Seen seen;
  seen.end = journal.Replay([&seen](JournalPosition position, Record record) {
    seen.positions.push_back(position);
    seen.records.push_back(std::move(record));
    return absl::OkStatus();
  });
  return seen;
}

class JournalTest : public testing::Test {
 protected:
  Journal Open() const {
    auto journal = Journal::Open(file_, Sync::kFull);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return *std::move(journal);
  }
  absl::Status Refusal() const { return Journal::Open(file_, Sync::kFull).status(); }
  static void Append(Journal& journal, std::vector<Journal::Batch> batches) {
    const absl::Status status = journal.Append(batches);
    EXPECT_TRUE(status.ok()) << status;
  }
  // Five records in the rows 1, 2 (of three) and 5.
  void WriteFive() const {
    Journal journal = Open();
    Append(journal, {{Accepted(1)}, {Ended(1, "a"), Accepted(2), Ended(2, "b")}});
    Append(journal, {{Accepted(3)}});
  }
  // As somebody with another program would.
  void Tamper(const std::string& sql) const {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &handle), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(handle);
  }
  Seen SeenAfter(const std::string& sql) const {
    Tamper(sql);
    Journal journal = Open();
    return Replayed(journal);
  }

  const Folder folder_;
  const std::filesystem::path file_ = folder_ / "journal.sqlite";
};

TEST_F(JournalTest, ANewOneIsEmptyAndCountsFromOne) {
  Journal journal = Open();
  EXPECT_EQ(journal.first(), 1u);
  EXPECT_EQ(journal.end(), 0u);
  const Seen seen = Replayed(journal);
  EXPECT_TRUE(seen.end.ok()) << seen.end;
  EXPECT_THAT(seen.records, IsEmpty());
}

TEST_F(JournalTest, GivesBackEveryKindOfRecordInOrderWithContiguousPositions) {
  const std::vector<Record> all = {Accepted(1),
                                   TaskAssigned{{RunNo(1), 0}, AttemptId{7}, "w1"},
                                   AttemptEnded{{RunNo(1), 0}, AttemptId{7}, Outcome::kLost, true, true, true},
                                   CrashForgiven{{RunNo(1), 0}},
                                   Ended(1, std::string("\0\xff", 2)),
                                   RunCancelled{RunNo(1), "by hand"},
                                   RunEnded{RunNo(1), RunState::kCancelled}};
  for (const Record& record : all) EXPECT_EQ(RunOf(record), RunNo(1));
  {
    Journal journal = Open();
    Append(journal, {{all[0]}, {all[1], all[2], all[3]}, {}});
    Append(journal, {{all[4]}});
    EXPECT_EQ(journal.end(), 5u);
  }
  {
    Journal again = Open();  // positions go on over lives
    EXPECT_EQ(again.end(), 5u);
    Append(again, {{all[5], all[6]}});
  }
  Journal journal = Open();
  const Seen seen = Replayed(journal);
  EXPECT_TRUE(seen.end.ok()) << seen.end;
  EXPECT_EQ(seen.records, all);
  EXPECT_THAT(seen.positions, ElementsAre(1, 2, 3, 4, 5, 6, 7));
}

TEST_F(JournalTest, ABatchLargerThanARowIsSplitAndComesBackWhole) {
  Journal::Batch batch;
  for (int i = 0; i < 5; ++i) batch.push_back(Ended(1, std::string(3u << 20, static_cast<char>('a' + i))));
  Journal journal = Open();
  Append(journal, {batch});
  const Seen seen = Replayed(journal);
  EXPECT_TRUE(seen.end.ok()) << seen.end;
  EXPECT_TRUE(seen.records == batch);
}

TEST_F(JournalTest, AnErrorOfTheReaderEndsTheReplay) {
  WriteFive();
  Journal journal = Open();
  int seen = 0;
  const absl::Status end = journal.Replay(
      [&](JournalPosition, const Record&) { return ++seen < 3 ? absl::OkStatus() : Internal("enough"); });
  EXPECT_EQ(TextOf(end), "enough");
  EXPECT_EQ(seen, 3);
}

// ---- damage ---------------------------------------------------------------------------------------------------------

struct Damage {
  std::string name;
  std::string sql;
  JournalPosition position;  // that is named, and before which all is handed over
};

class JournalDamageTest : public JournalTest, public testing::WithParamInterface<Damage> {};

TEST_P(JournalDamageTest, IsRefusedWithItsPositionAndWhatToDo) {
  WriteFive();
  const Seen seen = SeenAfter(GetParam().sql);
  EXPECT_EQ(seen.end.code(), absl::StatusCode::kDataLoss) << seen.end;
  EXPECT_THAT(TextOf(seen.end),
              AllOf(HasSubstr(file_.string()), HasSubstr(absl::StrFormat("at position %d:", GetParam().position)),
                    HasSubstr("zmqctl journal salvage --data-dir " + folder_.path().string())));
  ASSERT_EQ(seen.records.size(), GetParam().position - 1);
  for (std::size_t i = 0; i < seen.positions.size(); ++i) EXPECT_EQ(seen.positions[i], i + 1);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, JournalDamageTest,
    testing::Values(
        Damage{"ABitOfTheBody",
               "UPDATE batches SET body = CAST(substr(body,1,9) || x'5a' || substr(body,11) AS BLOB) WHERE position=2",
               2},
        Damage{"ABitOfTheChecksum", "UPDATE batches SET checksum = zeroblob(32) WHERE position=5", 5},
        Damage{"ABodyCutShort",
               "UPDATE batches SET body = CAST(substr(body,1,length(body)-1) AS BLOB) WHERE position=1", 1},
        Damage{"ABodyGone", "UPDATE batches SET body = x'' WHERE position=2", 2},
        Damage{"ACountTooSmall", "UPDATE batches SET count = 2 WHERE position=2", 2},
        Damage{"ACountTooLarge", "UPDATE batches SET count = 4 WHERE position=2", 2},
        Damage{"TheFirstRowGone", "DELETE FROM batches WHERE position=1", 1},
        Damage{"ARowGone", "DELETE FROM batches WHERE position=2", 2},
        Damage{"ARowMoved", "UPDATE batches SET position = 6 WHERE position=5", 5},
        Damage{"ARowSwapped",
               "UPDATE batches SET body = (SELECT body FROM batches WHERE position=1),"
               " checksum = (SELECT checksum FROM batches WHERE position=1) WHERE position=5",
               5}),
    [](const auto& kind) { return kind.param.name; });

// Every byte of the file, one after the other: what is handed over is a prefix of what was written, or the whole of it.
TEST_F(JournalTest, NoByteOfTheFileCanChangeARecordUnnoticed) {
  WriteFive();
  const std::string whole = Read(file_);
  Journal reference = Open();
  const std::vector<Record> written = Replayed(reference).records;
  ASSERT_EQ(written.size(), 5u);
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); at += at < 120 ? 1 : whole[at] != '\0' ? 5 : 97) {
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ 0x21);
    const std::filesystem::path file = folder_ / "bad" / "journal.sqlite";
    std::filesystem::remove_all(folder_ / "bad");
    Write(file, bad);
    auto journal = Journal::Open(file, Sync::kNormal);
    if (!journal.ok()) {
      ++refused;
      continue;
    }
    const Seen seen = Replayed(*journal);
    if (!seen.end.ok()) ++refused;
    ASSERT_LE(seen.records.size(), written.size()) << "byte " << at;
    for (std::size_t i = 0; i < seen.records.size(); ++i) ASSERT_TRUE(seen.records[i] == written[i]) << "byte " << at;
    // The newest rows may be gone where the file's own tree was hit; SQLite tells no difference to a shorter one.
    if (seen.end.ok() && seen.records.size() < written.size()) {
      ADD_FAILURE() << "byte " << at << " hides records";
    }
  }
  EXPECT_GT(refused, 50);
}

// A row whose checksum is right.
std::string InsertRow(char position, int count, const std::string& body) {
  Hasher hasher;
  hasher.Add(position + std::string(7, '\0'));
  hasher.Add(body);
  std::string hex;
  for (const char byte : body) hex += absl::StrFormat("%02x", static_cast<unsigned char>(byte));
  return absl::StrFormat("INSERT INTO batches VALUES(%d, %d, x'%s', x'%s')", position, count, hasher.Finish().Hex(),
                         hex);
}

// It would be read as nothing, and its position be given out again.
TEST_F(JournalTest, ARowWithoutRecordsIsDamageAndSalvageGoesOn) {
  WriteFive();
  const Seen seen = SeenAfter(InsertRow(6, 0, ""));
  EXPECT_EQ(seen.end.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(TextOf(seen.end), HasSubstr("at position 6:"));
  EXPECT_EQ(seen.records.size(), 5u);
  const auto salvaged = Salvage(file_);
  ASSERT_TRUE(salvaged.ok()) << salvaged.status();
  EXPECT_EQ(salvaged->records, 5u);
  Journal journal = Open();
  Append(journal, {{Accepted(4)}});
  EXPECT_EQ(Replayed(journal).positions.back(), 6u);
}

TEST_F(JournalTest, ARecordOfANewerMillraceIsNoDamage) {
  { Journal journal = Open(); }
  const std::string unknown = "\x91\xcc\xc8";  // an array with the kind 200
  const Seen seen = SeenAfter(InsertRow(1, 1, std::string("\x03\0\0\0", 4) + unknown));
  EXPECT_EQ(seen.end.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(seen.end), AllOf(HasSubstr("newer Millrace"), HasSubstr("position 1")));
}

// ---- other people's files, and disks that do not take anything
// --------------------------------------------------------

TEST_F(JournalTest, AFileOfAnotherProgramIsRefusedAndLeftAlone) {
  Tamper("PRAGMA application_id=99; CREATE TABLE theirs(x)");
  const std::string before = Read(file_);
  EXPECT_EQ(Refusal().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(Refusal()), AllOf(HasSubstr(file_.string()), HasSubstr("another program")));
  EXPECT_EQ(Salvage(file_).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Read(file_), before);
}

TEST_F(JournalTest, ANewerVersionIsRefused) {
  WriteFive();
  Tamper("PRAGMA user_version=99");
  EXPECT_EQ(Refusal().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(Refusal()), HasSubstr("newer Millrace"));
}

TEST_F(JournalTest, WhatIsNoDatabaseIsRefusedWithWhatToDo) {
  Write(file_, std::string(5000, 'r'));
  EXPECT_EQ(Refusal().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(TextOf(Refusal()), AllOf(HasSubstr(file_.string()), HasSubstr("zmqctl journal salvage")));
}

TEST_F(JournalTest, AFolderThatCannotBeWrittenIsRefusedByItsName) {
  if (geteuid() == 0) GTEST_SKIP() << "root writes everywhere";
  ASSERT_EQ(chmod(folder_.path().c_str(), 0500), 0);
  EXPECT_EQ(Refusal().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(TextOf(Refusal()), HasSubstr(file_.string()));
  ASSERT_EQ(chmod(folder_.path().c_str(), 0700), 0);
}

TEST_F(JournalTest, AMissingFolderIsRefusedByItsName) {
  const absl::Status missing = Journal::Open(folder_ / "no/such/journal.sqlite", Sync::kFull).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(TextOf(missing), HasSubstr("no/such/journal.sqlite"));
}

TEST_F(JournalTest, OnlyItsOwnerMayReadIt) {
  Journal journal = Open();
  Append(journal, {{Accepted(1)}});
  for (const std::filesystem::path& file : FilesBelow(folder_.path())) {
    EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600)) << file;
  }
}

TEST_F(JournalTest, AnotherProgramFindsItLockedWhileItIsOpen) {
  Journal journal = Open();
  Append(journal, {{Accepted(1)}});
  EXPECT_EQ(Refusal().code(), absl::StatusCode::kUnavailable);
}

TEST_F(JournalTest, AFullDatabaseTakesNothingOfABatchAndGoesOnWhenThereIsRoom) {
  Journal journal = Open();
  Append(journal, {{Accepted(1)}});
  ASSERT_TRUE(journal.LimitPages(8).ok());
  const std::vector<Journal::Batch> batches = {{Ended(1, "small")}, {Ended(1, std::string(100'000, 'x'))}};
  for (int i = 0; i < 3; ++i) {
    const absl::Status full = journal.Append(batches);
    EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
    EXPECT_THAT(TextOf(full), HasSubstr(file_.string()));
    EXPECT_EQ(journal.end(), 1u);
    EXPECT_EQ(Replayed(journal).records.size(), 1u);
  }
  ASSERT_TRUE(journal.LimitPages(1000).ok());
  Append(journal, batches);
  EXPECT_EQ(journal.end(), 3u);
  EXPECT_EQ(Replayed(journal).records.size(), 3u);
}

// The kernel refuses the write itself, as it does without room or quota.
TEST_F(JournalTest, ALimitOnTheSizeOfFilesIsAFullDisk) {
  Journal journal = Open();
  Append(journal, {{Accepted(1)}});
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 200'000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::vector<Journal::Batch> batches = {{Ended(1, std::string(1'000'000, 'x'))}};
  const absl::Status full = journal.Append(batches);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, previous);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_EQ(journal.end(), 1u);
  Append(journal, batches);
  EXPECT_EQ(Replayed(journal).records.size(), 2u);
}

// ---- compaction -----------------------------------------------------------------------------------------------------

TEST_F(JournalTest, CompactionKeepsTheRecordsOfTheseRunsAndTheEnd) {
  WriteFive();
  Journal journal = Open();
  const std::uint64_t before = journal.bytes();
  ASSERT_TRUE(journal.Compact({RunNo(2), RunNo(3)}).ok());
  EXPECT_EQ(journal.first(), 3u);
  EXPECT_EQ(journal.end(), 5u);
  EXPECT_LT(journal.bytes(), before);
  Append(journal, {{Ended(3, "c")}});
  { const Journal closed = std::move(journal); }
  Journal again = Open();
  EXPECT_EQ(again.first(), 3u);
  const Seen seen = Replayed(again);
  EXPECT_TRUE(seen.end.ok()) << seen.end;
  EXPECT_THAT(seen.positions, ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(seen.records, ElementsAre(Accepted(2), Ended(2, "b"), Accepted(3), Ended(3, "c")));
}

TEST_F(JournalTest, CompactedToNothingItStillKnowsWhereItEnds) {
  WriteFive();
  {
    Journal journal = Open();
    ASSERT_TRUE(journal.Compact({}).ok());
    EXPECT_EQ(journal.bytes(), 0u);
  }
  Journal journal = Open();
  EXPECT_EQ(journal.end(), 5u);
  EXPECT_THAT(Replayed(journal).records, IsEmpty());
  Append(journal, {{Accepted(4)}});
  EXPECT_THAT(Replayed(journal).positions, ElementsAre(6));
}

TEST_F(JournalTest, CompactionGivesItsRoomBackToTheDisk) {
  {
    Journal journal = Open();
    for (int i = 0; i < 20; ++i) Append(journal, {{Ended(1, std::string(100'000, 'x'))}, {Ended(2, "y")}});
    ASSERT_TRUE(journal.Compact({RunNo(2)}).ok());
  }
  EXPECT_LT(std::filesystem::file_size(file_), 100'000u);
  Journal journal = Open();
  EXPECT_EQ(Replayed(journal).records.size(), 20u);
}

// Given back or not, tried twice or once: what is said of a task stays, and only that.
TEST_F(JournalTest, A09_CompactionDropsOnlyWhatWasGivenBackUntried) {
  const TaskRef task{RunNo(1), 0};
  const auto assigned = [&](std::uint64_t attempt) { return TaskAssigned{task, AttemptId{attempt}, "w1", 5}; };
  AttemptEnded returned{task, AttemptId{1}};
  AttemptEnded failed{task, AttemptId{2}, Outcome::kFailed, /*charged=*/true};
  AttemptEnded suspected{task, AttemptId{3}};
  suspected.suspect = true;
  AttemptEnded again{task, AttemptId{4}};
  Journal journal = Open();
  Append(journal, {{Accepted(1), assigned(1)}, {returned, assigned(2)}, {failed}, {assigned(3), suspected}});
  Append(journal, {{assigned(4)}, {again, assigned(5)}});
  ASSERT_TRUE(journal.Compact({RunNo(1)}).ok());
  EXPECT_EQ(journal.end(), 10u);
  EXPECT_EQ(journal.first(), 5u);
  const Seen seen = Replayed(journal);
  EXPECT_TRUE(seen.end.ok()) << seen.end;
  EXPECT_THAT(seen.records, ElementsAre(Accepted(1), assigned(2), failed, assigned(3), suspected, assigned(5)));
  ASSERT_TRUE(journal.Compact({RunNo(1)}).ok());
  EXPECT_EQ(journal.first(), 5u) << "what is compact stays as it is";
}

TEST_F(JournalTest, A09_CompactionMakesOneRowOfManyAndLosesNothing) {
  Journal journal = Open();
  Append(journal, {{Accepted(1)}});
  std::vector<Record> written = {Accepted(1)};
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const TaskRef task{RunNo(1), i};
    written.push_back(TaskAssigned{task, AttemptId{i + 1}, i % 3 == 0 ? "w1" : "w2", i});
    if (i % 7 == 0) {
      written.push_back(AttemptEnded{task, AttemptId{i + 1}, Outcome::kFailed, true, false, false, 1, 2, "no"});
    } else {
      TaskEnded ended;
      ended.task = task;
      ended.attempt = AttemptId{i + 1};
      ended.outcome = Outcome::kSucceeded;
      ended.result.bytes = Bytes::Copy(std::string(i % 300, 'r'));
      ended.result.size = i % 300;
      written.push_back(ended);
    }
    Append(journal, {{written[written.size() - 2]}, {written.back()}});
  }
  ASSERT_TRUE(journal.Compact({RunNo(1)}).ok());
  EXPECT_EQ(Replayed(journal).records, written);
  { const Journal closed = std::move(journal); }
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &handle), SQLITE_OK);
  const auto count = [](void* rows, int, char** values, char**) { return *static_cast<int*>(rows) = atoi(*values), 0; };
  int rows = 0;
  EXPECT_EQ(sqlite3_exec(handle, "SELECT count(*) FROM batches", count, &rows, nullptr), SQLITE_OK);
  sqlite3_close(handle);
  EXPECT_LE(rows, 10);
}

TEST_F(JournalTest, ACompactionThatFindsDamageChangesNothing) {
  WriteFive();
  Tamper("UPDATE batches SET checksum = zeroblob(32) WHERE position=2");
  Journal journal = Open();
  EXPECT_EQ(journal.Compact({RunNo(3)}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Replayed(journal).records.size(), 1u);
  EXPECT_EQ(journal.first(), 1u);
}

TEST_F(JournalTest, ACompactionWithoutRoomChangesNothing) {
  Journal journal = Open();
  for (int i = 0; i < 10; ++i) Append(journal, {{Ended(1, std::string(20'000, 'x'))}});
  ASSERT_TRUE(journal.LimitPages(60).ok());
  EXPECT_EQ(journal.Compact({RunNo(1)}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Replayed(journal).records.size(), 10u);
  ASSERT_TRUE(journal.LimitPages(10'000).ok());
  Append(journal, {{Ended(1, "more")}});
  EXPECT_EQ(Replayed(journal).records.size(), 11u);
}

// ---- salvage --------------------------------------------------------------------------------------------------------

TEST_F(JournalTest, SalvageKeepsWhatComesBeforeTheDamageAndTheOldFile) {
  WriteFive();
  Tamper("UPDATE batches SET checksum = zeroblob(32) WHERE position=5");
  const auto salvaged = Salvage(file_);
  ASSERT_TRUE(salvaged.ok()) << salvaged.status();
  EXPECT_EQ(salvaged->records, 4u);
  EXPECT_THAT(salvaged->damage, HasSubstr("at position 5"));
  EXPECT_EQ(salvaged->kept, folder_ / "journal.sqlite.damaged");
  Journal journal = Open();
  const Seen seen = Replayed(journal);
  EXPECT_TRUE(seen.end.ok()) << seen.end;
  EXPECT_THAT(seen.records, ElementsAre(Accepted(1), Ended(1, "a"), Accepted(2), Ended(2, "b")));
  Append(journal, {{Accepted(9)}});
  auto old = Journal::Open(salvaged->kept, Sync::kFull);
  ASSERT_TRUE(old.ok()) << old.status();
  EXPECT_EQ(Replayed(*old).records.size(), 4u);
  EXPECT_EQ(Replayed(*old).end.code(), absl::StatusCode::kDataLoss);
}

TEST_F(JournalTest, SalvageOfAWholeOneChangesNothing) {
  WriteFive();
  const auto salvaged = Salvage(file_);
  ASSERT_TRUE(salvaged.ok()) << salvaged.status();
  EXPECT_EQ(salvaged->damage, "");
  EXPECT_THAT(FilesBelow(folder_.path()), ElementsAre(file_));
  Journal journal = Open();
  EXPECT_EQ(Replayed(journal).records.size(), 5u);
}

TEST_F(JournalTest, SalvageOfRubbishGivesAnEmptyOneEveryTime) {
  const std::string rubbish(5000, 'r');
  for (const char* name : {"journal.sqlite.damaged", "journal.sqlite.damaged.2"}) {
    Write(file_, rubbish);
    const auto salvaged = Salvage(file_);
    ASSERT_TRUE(salvaged.ok()) << salvaged.status();
    EXPECT_EQ(salvaged->records, 0u);
    EXPECT_EQ(salvaged->kept, folder_ / name);
    EXPECT_EQ(Read(salvaged->kept), rubbish);
    Journal journal = Open();
    EXPECT_EQ(journal.end(), 0u);
  }
  std::filesystem::remove(file_);
  EXPECT_EQ(Salvage(file_).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace millrace::store
