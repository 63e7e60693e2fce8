// SPDX-License-Identifier: Apache-2.0
// Records come back from the body of a row as they were, however they share its entries; what nobody writes is refused.
#include "millrace/wire/record_entries.h"

#include <random>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/digest.h"
#include "millrace/base/status.h"
#include "tests/support/edit_job.h"

namespace millrace::wire {
namespace {

using testing::HasSubstr;

constexpr RunId kRun{(std::uint64_t{1} << 32) | 1};

TaskAssigned Assigned(std::uint32_t task, std::string worker = "w1") {
  return {.task = {kRun, task},
          .attempt = AttemptId{EpochQualified(1, task + 1)},
          .worker = std::move(worker),
          .assigned_unix_ms = 1'700'000'000'000 + task};
}
TaskEnded Succeeded(std::uint32_t task, const std::string& result = "") {
  TaskEnded record;
  record.task = {kRun, task};
  record.attempt = AttemptId{EpochQualified(1, task + 1)};
  record.outcome = Outcome::kSucceeded;
  record.result.bytes = Bytes::Copy(result);
  record.result.size = result.size();
  record.started_unix_ms = 1'700'000'000'000 + task;
  record.ended_unix_ms = record.started_unix_ms + 3;
  record.execution = std::chrono::microseconds(2100);
  return record;
}

absl::StatusOr<std::vector<Record>> Read(std::string_view body) {
  std::vector<Record> records;
  const auto entries = EntriesOf(body);
  if (!entries) return InvalidArgument("no entries");
  for (const std::string_view entry : *entries) {
    MILLRACE_RETURN_IF_ERROR(ReadEntry(entry, [&records](Record record) {
      records.push_back(std::move(record));
      return absl::OkStatus();
    }));
  }
  return records;
}
std::string Body(std::span<const Record> records) {
  std::string body;
  EXPECT_EQ(AddRecords(body, records), records.size());
  return body;
}
std::size_t EntriesIn(std::span<const Record> records) { return EntriesOf(Body(records))->size(); }

TEST(RecordEntriesTest, WhatIsAlikeSharesAnEntry) {
  std::vector<Record> records;
  for (std::uint32_t i = 0; i < 500; ++i) records.emplace_back(Assigned(i * 3, i % 2 == 0 ? "w1" : "w2"));
  for (std::uint32_t i = 0; i < 500; ++i) records.emplace_back(Succeeded(i, std::string(i % 5, 'x')));
  EXPECT_EQ(EntriesIn(records), 2u);
  EXPECT_LT(Body(records).size(), 1000 * 16u);
  const auto read = Read(Body(records));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, records);
}

TEST(RecordEntriesTest, WhatARowCannotSayIsAnEntryOfItsOwn) {
  std::vector<Record> records(9, Succeeded(1, "r"));
  std::get<TaskEnded>(records[1]).reason = "because";
  std::get<TaskEnded>(records[2]).outcome = Outcome::kCached;
  std::get<TaskEnded>(records[3]).failure.output = "lines";
  std::get<TaskEnded>(records[4]).result.digest = Sha256("large");
  std::get<TaskEnded>(records[5]).result.size = 0;
  std::get<TaskEnded>(records[6]).task.run = RunId{7};
  std::get<TaskEnded>(records[7]).failure.try_number = 1;
  EXPECT_EQ(EntriesIn(records), 9u);
  const auto read = Read(Body(records));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, records);
}

// As docs/journal.md has them: journals of yesterday are read tomorrow.
TEST(RecordEntriesTest, BytesInTheJournalAreAsTheyWere) {
  EXPECT_EQ(absl::BytesToHexString(Body(std::vector<Record>{Assigned(0), Assigned(5, "w2")})),
            "260000009508cf000000010000000192a27731a2773202c41100828080802080a0abfef962000a0a0a01");
  EXPECT_EQ(absl::BytesToHexString(Body(std::vector<Record>{Succeeded(3), Succeeded(1, "\xc0")})),
            "2b0000009409cf000000010000000102c41d06888080802086a0abfef96206c0ac80020003030306c0ac80020100c0");
}

// Differences wrap, so that any value follows any other.
TEST(RecordEntriesTest, A09_AnyRecordsComeBackInOrder) {
  std::mt19937_64 random(1);
  const auto any = [&random]() -> std::uint64_t {
    const std::uint64_t bits = random();
    switch (random() % 6) {
      case 0: return 0;
      case 1: return ~std::uint64_t{0};
      case 2: return std::uint64_t{1} << 63;
      case 3: return bits % 100;
      default: return bits;
    }
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<Record> records;
    for (std::uint64_t i = random() % 60; i-- > 0;) {
      const RunId run{random() % 20 == 0 ? any() : 5};
      const TaskRef task{run, static_cast<std::uint32_t>(any())};
      const auto time = static_cast<std::int64_t>(any());
      if (random() % 2 == 0) {
        records.emplace_back(TaskAssigned{task, AttemptId{any()}, "w" + std::to_string(random() % 20), time});
      } else {
        TaskEnded ended = Succeeded(0, std::string(random() % 4, 'b'));
        ended.task = task;
        ended.attempt = AttemptId{any()};
        if (random() % 4 == 0) ended.result.size = any();
        ended.execution = Duration(static_cast<std::int64_t>(any()));
        ended.started_unix_ms = time;
        ended.ended_unix_ms = static_cast<std::int64_t>(any());
        records.emplace_back(std::move(ended));
      }
      if (random() % 9 == 0) records.emplace_back(CrashForgiven{task});
    }
    const auto read = Read(Body(records));
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(*read, records) << "round " << round;
  }
}

// What is written of several at once is what is written of each, so that a journal does not tell how it came about.
TEST(RecordEntriesTest, RecordsOfSeveralPositionsAreReadAsOneEach) {
  TasksAssigned assigned{.run = kRun,
                         .worker = "w1",
                         .assigned_unix_ms = 1'700'000'000'000,
                         .first_attempt = AttemptId{EpochQualified(1, 100)},
                         .tasks = {5, 1, 9}};
  TasksSucceeded succeeded{.run = kRun, .ended_unix_ms = 1'700'000'000'003, .rows = {}, .results = {}};
  for (const std::uint32_t task : {5, 1, 9}) {
    succeeded.rows.push_back({.task = task,
                              .attempt = AttemptId{EpochQualified(1, 100 + task)},
                              .execution = std::chrono::microseconds(task),
                              .started_unix_ms = 1'700'000'000'000 + task});
  }
  succeeded.results = {Payload{}, Payload{.bytes = Bytes::Copy("ab"), .digest = {}, .size = 2}};  // and none
  const std::vector<Record> together = {assigned, succeeded};
  std::vector<Record> apart;
  for (const Record& record : together) {
    Unfold(record, [&apart](Record one) { apart.push_back(std::move(one)); });
  }
  ASSERT_EQ(apart.size(), 6u);
  EXPECT_EQ(PositionsOf(together), 6u);
  EXPECT_EQ(std::get<TaskEnded>(apart[4]).result.bytes.view(), "ab");
  EXPECT_EQ(Body(together), Body(apart));
  EXPECT_EQ(*Read(Body(together)), apart);
  // With others around them, and when they are short.
  assigned.tasks = {3};
  succeeded.rows.resize(1);
  const std::vector<Record> mixed = {Assigned(7, "w2"), assigned, RunCancelled{kRun, "r"}, succeeded, Succeeded(4)};
  const std::vector<Record> singles = {Assigned(7, "w2"), RowOf(assigned, 0), RunCancelled{kRun, "r"},
                                       RowOf(succeeded, 0), Succeeded(4)};
  EXPECT_EQ(Body(mixed), Body(singles));
}

TEST(RecordEntriesTest, ABodyEndsWhereItIsFull) {
  std::vector<Record> records;
  for (std::uint32_t i = 0; i < 100; ++i) {
    records.emplace_back(RunCancelled{kRun, std::string(1000, 'r')});
    records.emplace_back(Succeeded(i));
  }
  std::string body;
  const std::size_t first = AddRecords(body, records, 5000);
  EXPECT_GE(body.size(), 5000u);
  EXPECT_LT(body.size(), 6500u);
  EXPECT_EQ(Read(body)->size(), first);
  std::string one;
  EXPECT_EQ(AddRecords(one, records, 0), 1u) << "it goes on, whatever it is given";
  std::string none;
  EXPECT_EQ(AddRecords(none, {}), 0u);
  // A stretch has a largest size, too.
  const std::vector<Record> large(40, Succeeded(1, std::string(100'000, 'x')));
  EXPECT_GE(EntriesIn(large), 3u);
}

TEST(RecordEntriesTest, SaysWhichRunAnEntryAcceptsWithoutItsJob) {
  RunAccepted accepted;
  accepted.run = kRun;
  EditJob(accepted, [](JobSpec& job) { job.tasks.resize(1000); });
  const std::vector<Record> records = {accepted, Assigned(1), RunEnded{kRun, RunState::kFailed, 7}};
  const std::string body = Body(records);
  const auto entries = EntriesOf(body);
  ASSERT_TRUE(entries);
  EXPECT_EQ(AcceptedIn(entries->at(0)), kRun);
  EXPECT_EQ(AcceptedIn(entries->at(1)), std::nullopt);
  EXPECT_EQ(AcceptedIn(entries->at(2)), std::nullopt);
  EXPECT_EQ(AcceptedIn(""), std::nullopt);
  EXPECT_EQ(AcceptedIn(entries->at(0).substr(0, 2)), std::nullopt);
  std::string copied;
  for (const std::string_view entry : *entries) AddEntry(copied, entry);
  EXPECT_EQ(copied, body);
}

TEST(RecordEntriesTest, WhatNobodyWritesIsRefused) {
  EXPECT_FALSE(EntriesOf(std::string("\x05\0\0\0abc", 7)));
  EXPECT_FALSE(EntriesOf("ab"));
  const std::vector<Record> records = {Succeeded(1, "one"), Succeeded(2, "two"), Succeeded(3, "three")};
  const std::string body = Body(records);
  // Each byte wrong in some ways: it is refused, or says something else that can be said, and never breaks.
  for (std::size_t at = 0; at < body.size(); ++at) {
    for (const int change : {1, 2, 0x40, 0x80, 0xff}) {
      std::string broken = body;
      broken[at] = static_cast<char>(broken[at] ^ change);
      const auto read = Read(broken);
      if (!read.ok()) continue;
      const auto again = Read(Body(*read));
      ASSERT_TRUE(again.ok()) << again.status();
      EXPECT_EQ(*again, *read);
    }
  }
  const std::string_view entry = std::string_view(body).substr(4);
  for (std::size_t size = 0; size < entry.size(); ++size) {
    const absl::Status status = ReadEntry(entry.substr(0, size), [](const Record&) { return absl::OkStatus(); });
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << size << ": " << status;
  }
  std::string newer(entry);
  newer[1] = 99;
  const absl::Status status = ReadEntry(newer, [](const Record&) { return absl::OkStatus(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(TextOf(status), HasSubstr("99"));
}

TEST(RecordEntriesTest, WhoReadsMayStop) {
  const std::vector<Record> records(5, Assigned(1));
  const std::string body = Body(records);
  int seen = 0;
  const absl::Status status = ReadEntry(
      EntriesOf(body)->at(0), [&seen](const Record&) { return ++seen < 3 ? absl::OkStatus() : Unavailable("enough"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(seen, 3);
}

}  // namespace
}  // namespace millrace::wire
