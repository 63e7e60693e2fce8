// SPDX-License-Identifier: Apache-2.0
// The history's thread: what has ended is there for whoever asks afterwards, trouble is said and waited out, a damaged
// file makes room, and a start fills in what the last life could not write.
#include "millrace/serve/history_thread.h"

#include <sqlite3.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/edit_job.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr PeerId kAsker{77};

RunId RunNo(std::uint32_t n) { return RunId{EpochQualified(1, n)}; }

// A whole run of one task that ended at `unix_ms`.
std::vector<Record> WholeRun(std::uint32_t n, std::int64_t unix_ms, Payload result = {}) {
  RunAccepted accepted;
  accepted.run = RunNo(n);
  accepted.submitted_unix_ms = unix_ms - 100;
  EditJob(accepted, [](JobSpec& job) {
    job.name = "job";
    job.modules.push_back({"work", 0, "1"});
    job.policies.emplace_back();
    job.tasks.emplace_back().name = "task";
  });
  TaskAssigned assigned{{RunNo(n), 0}, AttemptId{n}, "w1", unix_ms - 90};
  TaskEnded ended;
  ended.task = {RunNo(n), 0};
  ended.attempt = AttemptId{n};
  ended.outcome = Outcome::kSucceeded;
  ended.result = std::move(result);
  ended.ended_unix_ms = unix_ms;
  return {accepted, assigned, ended, RunEnded{RunNo(n), RunState::kSucceeded, unix_ms}};
}

class HistoryThreadTest : public testing::Test {
 protected:
  void SetUp() override { blobs_ = store::BlobStore::Open(folder_ / "blobs").value(); }
  HistoryThread& Make() {
    HistoryThread::Options options;
    options.file = file_;
    options.limits = limits_;
    options.try_again = std::chrono::milliseconds(5);
    options.look_again = look_again_;
    thread_.emplace(options, blobs_, answers_, news_);
    return *thread_;
  }
  HistoryThread& Begin() {
    Make().Start();
    return *thread_;
  }
  Answer Ask(QueryKind kind, RunId run = {}, const std::string& task = {}) {
    Query query;
    query.request = ++requests_;
    query.kind = kind;
    query.run = run;
    query.task = task;
    thread_->Ask(kAsker, query);
    std::vector<StoreAnswer> answers;
    EXPECT_TRUE(Eventually([&] { return answers_.DrainInto(answers) > 0; }));
    if (answers.empty()) return {};
    const auto& send = std::get<sched::Send>(answers.front().body);
    EXPECT_EQ(send.peer, kAsker);
    EXPECT_EQ(std::get<Answer>(send.message).request, requests_);
    return std::get<Answer>(send.message);
  }
  std::vector<std::uint32_t> Kept() {
    std::vector<std::uint32_t> numbers;
    for (const PastRun& run : Ask(QueryKind::kPastRuns).past_runs) {
      numbers.push_back(static_cast<std::uint32_t>(run.view.run.value));
    }
    return numbers;
  }
  template <class Wanted>
  bool Hears(Wanted wanted) {
    return Eventually([&] {
      std::vector<HistoryNews> fresh;
      news_.DrainInto(fresh);
      if (!fresh.empty()) last_ = std::move(fresh.back());
      return wanted(last_);
    });
  }

  TemporaryDirectory folder_;
  std::filesystem::path file_ = folder_ / "history.sqlite";
  store::HistoryLimits limits_;
  Duration look_again_ = std::chrono::hours(1);
  std::optional<store::BlobStore> blobs_;
  net::Mailbox<StoreAnswer> answers_;
  net::Mailbox<HistoryNews> news_;
  HistoryNews last_;
  std::optional<HistoryThread> thread_;
  std::uint64_t requests_ = 0;
};

TEST_F(HistoryThreadTest, WhatHasEndedIsThereForWhoeverAsksAfterwards) {
  HistoryThread& thread = Begin();
  std::vector<Record> open = WholeRun(1, 1000);
  open.pop_back();  // still runs
  thread.Take(open);
  EXPECT_THAT(Kept(), IsEmpty());
  thread.Take({RunEnded{RunNo(1), RunState::kSucceeded, 1000}});
  EXPECT_THAT(Kept(), ElementsAre(1));
  const Answer answer = Ask(QueryKind::kPastTasks, RunNo(1));
  ASSERT_THAT(answer.past_tasks, SizeIs(1));
  EXPECT_EQ(answer.past_tasks[0].view.worker, "w1");
}

TEST_F(HistoryThreadTest, ItsEndWritesWhatItWasGiven) {
  HistoryThread& thread = Begin();
  for (std::uint32_t n = 1; n <= 50; ++n) thread.Take(WholeRun(n, 1000));
  thread_.reset();
  Begin();
  EXPECT_THAT(Kept(), SizeIs(50));
}

TEST_F(HistoryThreadTest, AStartFillsInWhatTheJournalHasAndTheHistoryHasNot) {
  Begin().Take(WholeRun(1, 1000));
  EXPECT_THAT(Kept(), ElementsAre(1));
  HistoryThread& next = Make();
  for (std::uint32_t n : {1u, 2u}) {
    for (const Record& record : WholeRun(n, 1000)) next.Replayed(record);
  }
  std::vector<Record> open = WholeRun(3, 1000);
  for (std::size_t i = 0; i + 1 < open.size(); ++i) next.Replayed(open[i]);
  next.Start();
  EXPECT_THAT(Kept(), ElementsAre(2, 1));
  next.Take({open.back()});  // goes on in this life
  EXPECT_THAT(Kept(), ElementsAre(3, 2, 1));
}

TEST_F(HistoryThreadTest, LimitsHoldAtTheStartAtEachEndAndWithTime) {
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  HistoryThread& thread = Begin();
  for (std::uint32_t n = 1; n <= 5; ++n) thread.Take(WholeRun(n, now - 100 + n));
  EXPECT_THAT(Kept(), SizeIs(5));
  limits_.runs = 3;
  Begin();
  EXPECT_TRUE(Eventually([&] { return Kept().size() == 3; }));
  thread_->Take(WholeRun(6, now));
  EXPECT_THAT(Kept(), ElementsAre(6, 5, 4));
  limits_.age = std::chrono::milliseconds(1);
  look_again_ = std::chrono::milliseconds(5);
  Begin();
  EXPECT_TRUE(Eventually([&] { return Kept().empty(); }));
}

TEST_F(HistoryThreadTest, TroubleIsSaidAndWaitedOutAndLosesNothing) {
  HistoryThread& thread = Begin();
  thread.Take(WholeRun(1, 1000));
  EXPECT_THAT(Kept(), ElementsAre(1));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  thread.Take(WholeRun(2, 1000));
  ASSERT_TRUE(Hears([](const HistoryNews& news) { return !news.trouble.ok() && news.waiting == 1; }));
  EXPECT_THAT(Kept(), ElementsAre(1)) << "questions are answered with what there is";
  ASSERT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_TRUE(Hears([](const HistoryNews& news) { return news.trouble.ok() && news.waiting == 0; }));
  sqlite3_close(other);
  EXPECT_THAT(Kept(), ElementsAre(2, 1));
}

TEST_F(HistoryThreadTest, OfTooManyThatWaitTheOldestAreLeftToTheJournal) {
  HistoryThread& thread = Begin();
  thread.Take(WholeRun(1, 1000));
  EXPECT_THAT(Kept(), ElementsAre(1));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  constexpr std::uint32_t kMost = 1000;
  for (std::uint32_t n = 2; n < 2 + kMost; ++n) thread.Take(WholeRun(n, 1000 + n));
  EXPECT_TRUE(Hears([](const HistoryNews& news) { return news.waiting == kMost; })) << "so many may wait";
  thread.Take(WholeRun(2 + kMost, 9000));
  ASSERT_EQ(Kept().front(), 1u);  // answered after that was taken
  ASSERT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_TRUE(Hears([](const HistoryNews& news) { return news.trouble.ok() && news.waiting == 0; }));
  sqlite3_close(other);
  EXPECT_EQ(Ask(QueryKind::kPastTasks, RunNo(2)).code, 5) << "one more than may wait, so the oldest had to go";
  for (const std::uint32_t n : {3u, 2 + kMost}) EXPECT_EQ(Ask(QueryKind::kPastTasks, RunNo(n)).code, 0) << n;
}

TEST_F(HistoryThreadTest, ADamagedFileIsPutAsideAndTheJournalFillsTheNewOne) {
  std::ofstream(file_) << std::string(8192, 'x');
  HistoryThread& thread = Make();
  for (const Record& record : WholeRun(1, 1000)) thread.Replayed(record);
  thread.Start();
  EXPECT_THAT(Kept(), ElementsAre(1));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "history.sqlite.damaged"));
}

TEST_F(HistoryThreadTest, AFileThatCannotBeUsedIsSaidAndLeftAlone) {
  {
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(other, "CREATE TABLE theirs(x)", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(other);
  }
  HistoryThread& thread = Begin();
  thread.Take(WholeRun(1, 1000));
  EXPECT_TRUE(Hears([](const HistoryNews& news) { return !news.trouble.ok(); }));
  EXPECT_THAT(last_.trouble.message(), HasSubstr("another program"));
  EXPECT_THAT(Ask(QueryKind::kPastRuns).message, HasSubstr("another program"));
  std::filesystem::remove(file_);
  EXPECT_TRUE(Hears([](const HistoryNews& news) { return news.trouble.ok() && news.waiting == 0; }));
  EXPECT_THAT(Kept(), ElementsAre(1));
}

TEST_F(HistoryThreadTest, ALargeResultIsKeptAsABlobWhileThatLives) {
  const std::string large(300'000, 'l');
  Begin().Take(WholeRun(1, 1000, {.bytes = Bytes(large), .digest = {}, .size = large.size()}));
  const Answer answer = Ask(QueryKind::kPastResult, RunNo(1), "task");
  ASSERT_EQ(answer.code, 0) << answer.message;
  ASSERT_TRUE(answer.result.digest.has_value());
  EXPECT_TRUE(answer.result.bytes.empty());
  EXPECT_EQ(blobs_->Get(*answer.result.digest).value().view(), large);
  ASSERT_TRUE(blobs_->Collect(0).ok());
  const Answer gone = Ask(QueryKind::kPastResult, RunNo(1), "task");
  EXPECT_EQ(gone.code, static_cast<std::int32_t>(absl::StatusCode::kNotFound));
  EXPECT_THAT(gone.message, HasSubstr("300000 bytes and is not kept any more"));
}

}  // namespace
}  // namespace millrace::serve
