// SPDX-License-Identifier: Apache-2.0
// The history gives back what was written, in pages, within its limits; and is readable while somebody writes it.
#include "millrace/store/history.h"

#include <sqlite3.h>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/store/history_query.h"
#include "millrace/wire/codec.h"
#include "millrace/wire/lz4.h"

namespace millrace::store {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

RunId RunNo(std::uint32_t n) { return RunId{EpochQualified(1, n)}; }

// Ended `n` seconds after the first; every third one failed.
PastRun RunOf(std::uint32_t n, const std::string& name = "job") {
  PastRun run;
  run.view.run = RunNo(n);
  run.view.name = name;
  run.view.state = n % 3 == 0 ? RunState::kFailed : RunState::kSucceeded;
  run.view.submitted_unix_ms = n * 1000 - 500;
  run.view.elapsed = milliseconds(500);
  run.ended_unix_ms = n * 1000;
  return run;
}

PastTask TaskOf(std::uint32_t index, std::size_t size = 3) {
  PastTask task;
  task.view.index = index;
  task.view.name = absl::StrFormat("task%d", index);
  task.view.module = "work";
  task.view.state = TaskState::kEnded;
  task.view.outcome = index == 7 ? Outcome::kFailed : Outcome::kSucceeded;
  if (index == 7) task.view.failure.message = "exit code 1";
  task.view.try_number = 2;
  task.view.worker = "w2";
  task.result.bytes = Bytes(std::string(size, 'r'));
  task.result.size = size;
  PastAttempt first{.try_number = 1,
                    .worker = "w1",
                    .assigned = milliseconds(1),
                    .started = milliseconds(2),
                    .ended = milliseconds(30),
                    .outcome = Outcome::kLost,
                    .message = {}};
  PastAttempt second{.try_number = 2,
                     .worker = "w2",
                     .assigned = milliseconds(40),
                     .started = milliseconds(41),
                     .ended = milliseconds(90),
                     .outcome = Outcome::kSucceeded,
                     .message = {}};
  task.attempts = {first, second};
  return task;
}

class HistoryTest : public testing::Test {
 protected:
  History Open() const {
    auto history = History::Open(file_);
    EXPECT_TRUE(history.ok()) << history.status();
    return *std::move(history);
  }
  static void Write(History& history, const PastRun& run, std::uint32_t tasks = 2, std::size_t size = 3) {
    const absl::Status status = history.Write(run, tasks, [size](std::uint32_t index) { return TaskOf(index, size); });
    EXPECT_TRUE(status.ok()) << status;
  }
  static std::vector<std::uint32_t> Numbers(const std::vector<PastRun>& runs) {
    std::vector<std::uint32_t> numbers;
    for (const PastRun& run : runs) numbers.push_back(static_cast<std::uint32_t>(run.view.run.value));
    return numbers;
  }
  static std::vector<std::uint32_t> Kept(History& history, PastRunFilter filter = {}) {
    const auto page = history.Runs(filter);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? Numbers(page->rows) : std::vector<std::uint32_t>();
  }
  std::int64_t Count(const char* sql) const {
    sqlite3* handle = nullptr;
    EXPECT_EQ(sqlite3_open(file_.c_str(), &handle), SQLITE_OK);
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(handle, sql, -1, &statement, nullptr), SQLITE_OK);
    sqlite3_step(statement);
    const std::int64_t count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return count;
  }

  const Folder folder_;
  const std::filesystem::path file_ = folder_ / kHistoryName;
};

TEST_F(HistoryTest, WhatIsWrittenComesBackWholeAlsoToTheNextOpener) {
  {
    History history = Open();
    Write(history, RunOf(1));
  }
  History history = Open();
  EXPECT_TRUE(history.Has(RunNo(1)).value());
  EXPECT_FALSE(history.Has(RunNo(2)).value());
  EXPECT_EQ(history.Find(RunNo(1)).value(), RunOf(1));
  EXPECT_THAT(history.Tasks(RunNo(1), 0, 0).value().rows, ElementsAre(TaskOf(0), TaskOf(1)));
  EXPECT_EQ(history.FindTask(RunNo(1), "task1").value(), TaskOf(1));
}

// A crash may come between the commit and whoever was to know of it: the same run is then written again.
TEST_F(HistoryTest, TheSameRunWrittenTwiceIsThereOnceAsTheSecondTimeSays) {
  History history = Open();
  Write(history, RunOf(1), 5);
  Write(history, RunOf(1), 3);
  EXPECT_THAT(Kept(history), ElementsAre(1));
  EXPECT_THAT(history.Tasks(RunNo(1), 0, 0).value().rows, SizeIs(3));
  EXPECT_EQ(history.Extent().value().runs, 1u);
}

TEST_F(HistoryTest, ARunIsThereAsAWholeOrNotAtAll) {
  History history = Open();
  Write(history, RunOf(1));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other,
                         "CREATE TRIGGER no AFTER INSERT ON tasks WHEN new.position = 1"
                         " BEGIN SELECT raise(ABORT, 'no'); END",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(other);
  EXPECT_FALSE(history.Write(RunOf(2), 2, [](std::uint32_t index) { return TaskOf(index); }).ok());
  EXPECT_THAT(Kept(history), ElementsAre(1));
  EXPECT_EQ(Count("SELECT count(*) FROM tasks WHERE run != 4294967297"), 0);
}

// ---- questions ------------------------------------------------------------------------------------------------------

TEST_F(HistoryTest, RunsComeNewestFirstAndAreChosenByNameStateAndAge) {
  History history = Open();
  for (std::uint32_t n = 1; n <= 6; ++n) Write(history, RunOf(n, n == 5 ? "other" : "job"), 0);
  EXPECT_THAT(Kept(history), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(Kept(history, {.name = "other"}), ElementsAre(5));
  EXPECT_THAT(Kept(history, {.name = "oth"}), IsEmpty());
  EXPECT_THAT(Kept(history, {.state = RunState::kFailed}), ElementsAre(6, 3));
  EXPECT_THAT(Kept(history, {.after_unix_ms = 4000}), ElementsAre(6, 5));
  EXPECT_THAT(Kept(history, {.name = "job", .state = RunState::kSucceeded, .after_unix_ms = 1500}), ElementsAre(4, 2));
  EXPECT_EQ(history.Find({}).value(), RunOf(6)) << "none means the newest";
}

TEST_F(HistoryTest, PagesBringEverythingOnce) {
  History history = Open();
  for (std::uint32_t n = 1; n <= 7; ++n) Write(history, RunOf(n), n == 7 ? 100 : 0, 50'000);
  Query query;
  query.kind = QueryKind::kPastRuns;
  query.limit = 3;
  std::vector<std::uint32_t> seen;
  for (bool more = true; more;) {
    const Answer answer = AnswerFromHistory(history, query, std::nullopt);
    ASSERT_EQ(answer.code, 0) << answer.message;
    ASSERT_LE(answer.past_runs.size(), 3u);
    for (const std::uint32_t n : Numbers(answer.past_runs)) seen.push_back(n);
    more = answer.more;
    query.since = answer.next;
  }
  EXPECT_THAT(seen, ElementsAre(7, 6, 5, 4, 3, 2, 1));

  query = {};
  query.kind = QueryKind::kPastTasks;
  std::vector<std::string> names;
  int pages = 0;
  for (bool more = true; more; ++pages) {
    const Answer answer = AnswerFromHistory(history, query, std::nullopt);
    ASSERT_EQ(answer.code, 0) << answer.message;
    std::size_t bytes = 0;
    for (const PastTask& task : answer.past_tasks) bytes += task.result.bytes.size();
    EXPECT_LT(bytes, 2u << 20) << "a page fits a message";
    for (const PastTask& task : answer.past_tasks) names.push_back(task.view.name);
    EXPECT_EQ(answer.run, RunNo(7));
    more = answer.more;
    query.since = answer.next;
    query.run = answer.run;
  }
  ASSERT_THAT(names, SizeIs(100));
  for (std::uint32_t i = 0; i < 100; ++i) EXPECT_EQ(names[i], absl::StrFormat("task%d", i));
  EXPECT_GT(pages, 3);
}

TEST_F(HistoryTest, WhatIsNotThereIsAnsweredWithWhatIsAndWhyNoMoreIs) {
  History history = Open();
  for (std::uint32_t n = 14; n <= 20; ++n) Write(history, RunOf(n), 8);
  const HistoryLimits limits{.age = hours(48), .runs = 7, .bytes = 1 << 20};
  Query query;
  query.kind = QueryKind::kPastTasks;
  query.run = RunNo(13);
  EXPECT_THAT(AnswerFromHistory(history, query, limits).message,
              AllOf(HasSubstr("no run 1.13"), HasSubstr("did you mean"), HasSubstr("7 runs"), HasSubstr("for 2 days"),
                    HasSubstr("7 at most"), HasSubstr("1MiB")));
  query.kind = QueryKind::kPastResult;
  query.run = RunNo(20);
  query.task = "tsk1";
  EXPECT_THAT(AnswerFromHistory(history, query, limits).message, HasSubstr("did you mean 'task1'"));
  query.task = "task7";
  EXPECT_THAT(AnswerFromHistory(history, query, limits).message, HasSubstr("did not succeed (exit code 1)"));
  query.task = "task1";
  const Answer good = AnswerFromHistory(history, query, limits);
  EXPECT_EQ(good.code, 0) << good.message;
  EXPECT_EQ(good.result, TaskOf(1).result);
}

TEST_F(HistoryTest, AnEmptyOneSaysSo) {
  History history = Open();
  Query query;
  query.kind = QueryKind::kPastRuns;
  EXPECT_THAT(AnswerFromHistory(history, query, {}).past_runs, IsEmpty());
  query.kind = QueryKind::kPastTasks;
  const Answer answer = AnswerFromHistory(history, query, {});
  EXPECT_EQ(answer.code, static_cast<std::int32_t>(absl::StatusCode::kNotFound));
  EXPECT_THAT(answer.message, HasSubstr("empty"));
}

// ---- limits ---------------------------------------------------------------------------------------------------------

TEST_F(HistoryTest, WithoutLimitsEverythingStays) {
  History history = Open();
  for (std::uint32_t n = 1; n <= 5; ++n) Write(history, RunOf(n));
  EXPECT_EQ(history.Retain({}, INT64_MAX / 2).value(), 0u);
  EXPECT_THAT(Kept(history), SizeIs(5));
}

TEST_F(HistoryTest, OverTheNumberOfRunsThoseThatEndedFirstGoWithTheirTasks) {
  History history = Open();
  PastRun late = RunOf(1);
  late.ended_unix_ms = 9000;  // came first and ended last
  Write(history, late);
  for (std::uint32_t n = 2; n <= 5; ++n) Write(history, RunOf(n));
  EXPECT_EQ(history.Retain({.runs = 2}, 10'000).value(), 3u);
  EXPECT_THAT(Kept(history), ElementsAre(5, 1));
  EXPECT_EQ(Count("SELECT count(*) FROM tasks"), 4);
  EXPECT_EQ(history.Retain({.runs = 2}, 10'000).value(), 0u);
}

TEST_F(HistoryTest, OverTheAgeAllGoAlsoTheNewest) {
  History history = Open();
  for (std::uint32_t n = 1; n <= 5; ++n) Write(history, RunOf(n));
  const HistoryLimits limits{.age = milliseconds(2500)};
  EXPECT_EQ(history.Retain(limits, 5600).value(), 3u);
  EXPECT_THAT(Kept(history), ElementsAre(5, 4));
  EXPECT_EQ(history.Retain(limits, 60'000).value(), 2u);
  EXPECT_THAT(Kept(history), IsEmpty());
}

TEST_F(HistoryTest, OverTheSizeTheOldestGoUntilTheRestFitsAndTheNewestStays) {
  History history = Open();
  for (std::uint32_t n = 1; n <= 10; ++n) Write(history, RunOf(n), 10, 20'000);
  const std::uint64_t all = history.BytesInUse().value();
  ASSERT_GT(all, 2'000'000u);
  const HistoryLimits limits{.bytes = 1'000'000};
  EXPECT_GE(history.Retain(limits, 0).value(), 5u);
  EXPECT_LE(history.BytesInUse().value(), limits.bytes);
  EXPECT_THAT(Kept(history), testing::Contains(10));
  EXPECT_GE(Kept(history).size(), 3u) << "no more goes than has to";
  ASSERT_TRUE(history.Retain({.bytes = 1}, 0).ok());
  EXPECT_THAT(Kept(history), ElementsAre(10));
}

TEST_F(HistoryTest, ARunWithManyTasksIsRemovedInSmallSteps) {
  History history = Open();
  Write(history, RunOf(1), 12'345, 1);
  Write(history, RunOf(2), 1);
  EXPECT_EQ(history.Retain({.runs = 1}, 0).value(), 1u);
  EXPECT_EQ(Count("SELECT count(*) FROM tasks"), 1);
}

// ---- the file -------------------------------------------------------------------------------------------------------

TEST_F(HistoryTest, IsReadWhileItIsWritten) {
  History writer = Open();
  Write(writer, RunOf(1));
  auto reader = History::OpenToRead(file_);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_THAT(Kept(*reader), ElementsAre(1));
  Write(writer, RunOf(2));
  EXPECT_THAT(Kept(*reader), ElementsAre(2, 1));
  EXPECT_FALSE(reader->Write(RunOf(3), 0, {}).ok());
}

TEST_F(HistoryTest, IsReadWhenNobodyWritesIt) {
  {
    History writer = Open();
    Write(writer, RunOf(1));
  }
  auto reader = History::OpenToRead(file_);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_THAT(Kept(*reader), ElementsAre(1));
  EXPECT_FALSE(History::OpenToRead(folder_ / "nothing").ok());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "nothing"));
}

TEST_F(HistoryTest, LinksComeBackForThoseThatHaveThem) {
  History history = Open();
  const PastLinks links{.needs = {{0}, {7, DependencyKind::kOptional, 2}}, .needs_left_out = 3, .cacheable = true};
  const auto task_at = [](std::uint32_t index) { return TaskOf(index); };
  ASSERT_TRUE(history.Write(RunOf(1), 2, task_at, [&](std::uint32_t i) { return i == 1 ? links : PastLinks{}; }).ok());
  ASSERT_TRUE(history.Write(RunOf(2), 1, task_at).ok());
  EXPECT_THAT(history.Links(RunNo(1)).value(), ElementsAre(PastLinks{}, links));
  EXPECT_THAT(history.Links(RunNo(2)).value(), ElementsAre(std::nullopt));
  EXPECT_THAT(history.Links(RunNo(3)).value(), IsEmpty());
}

TEST_F(HistoryTest, A33_AFileOfVersion1IsReadAsItIsAndUpgradedByWhoWritesIt) {
  {
    History history = Open();
    Write(history, RunOf(1));
  }
  // What that version had: neither the links nor how it was submitted.
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other,
                         "ALTER TABLE tasks DROP COLUMN links; ALTER TABLE tasks DROP COLUMN work;"
                         "ALTER TABLE runs DROP COLUMN job; PRAGMA user_version=1",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(other);
  {
    auto reader = History::OpenToRead(file_);
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_THAT(reader->Links(RunNo(1)).value(), IsEmpty());
    EXPECT_EQ(reader->Job(RunNo(1)).value(), std::nullopt);
    EXPECT_EQ(reader->FindWork(RunNo(1), TaskOf(1)).value(), std::nullopt);
    EXPECT_THAT(reader->Tasks(RunNo(1), 0, 0).value().rows, ElementsAre(TaskOf(0), TaskOf(1)));
  }
  EXPECT_EQ(Count("PRAGMA user_version"), 1);
  for (int i = 0; i < 2; ++i) {
    History history = Open();
    EXPECT_EQ(Count("PRAGMA user_version"), 3);
    EXPECT_THAT(history.Tasks(RunNo(1), 0, 0).value().rows, ElementsAre(TaskOf(0), TaskOf(1)));
    EXPECT_EQ(history.Links(RunNo(1)).value().front(), std::nullopt);
    const auto task_at = [](std::uint32_t index) { return TaskOf(index); };
    ASSERT_TRUE(history.Write(RunOf(2), 1, task_at, [](std::uint32_t) { return PastLinks{.cacheable = true}; }).ok());
    EXPECT_THAT(history.Links(RunNo(2)).value(), ElementsAre(PastLinks{.cacheable = true}));
    EXPECT_EQ(history.Job(RunNo(1)).value(), std::nullopt);
  }
}

TEST_F(HistoryTest, AFileOfVersion2GetsWhatItHasNot) {
  {
    History history = Open();
    Write(history, RunOf(1));
  }
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(
      sqlite3_exec(other, "ALTER TABLE tasks DROP COLUMN work; ALTER TABLE runs DROP COLUMN job; PRAGMA user_version=2",
                   nullptr, nullptr, nullptr),
      SQLITE_OK);
  sqlite3_close(other);
  History history = Open();
  EXPECT_EQ(Count("PRAGMA user_version"), 3);
  EXPECT_THAT(history.Tasks(RunNo(1), 0, 0).value().rows, ElementsAre(TaskOf(0), TaskOf(1)));
  EXPECT_EQ(history.Job(RunNo(1)).value(), std::nullopt);
}

// Two tasks of different modules; the second needs the first.
History::Submission Submitted() {
  History::Submission submission;
  submission.tables.name = "job";
  submission.tables.fail_mode = FailMode::kKeepGoing;
  submission.tables.modules = {{"one", 1, "v1"}, {"two", 2, "v2"}};
  submission.tables.requirements = {{}, {.cpus = 4}};
  submission.tables.policies = {{}, {.retries = 3}};
  submission.task_at = [](std::uint32_t index) {
    SubmittedTask task;
    task.spec.module = task.spec.requirements = task.spec.policy = index;
    task.spec.inputs = Bytes(std::string("inputs"));
    task.spec.env = {{"N", std::to_string(index)}};
    task.inputs_left_out = index;
    return task;
  };
  return submission;
}

TEST_F(HistoryTest, HowTasksWereSubmittedComesBackOneByOneAndAsAWhole) {
  History history = Open();
  const History::Submission submission = Submitted();
  const auto task_at = [](std::uint32_t index) { return TaskOf(index); };
  const auto links_at = [](std::uint32_t index) {
    return index == 1 ? PastLinks{.needs = {{0}}, .needs_left_out = 2} : PastLinks{};
  };
  ASSERT_TRUE(history.Write(RunOf(1), 2, task_at, links_at, &submission).ok());
  const std::optional<PastWork> work = history.FindWork(RunNo(1), TaskOf(1)).value();
  ASSERT_TRUE(work.has_value());
  EXPECT_EQ(work->inputs_left_out, 1u);
  EXPECT_EQ(work->needs_left_out, 2u);
  EXPECT_EQ(work->job.name, "job");
  EXPECT_THAT(work->job.modules, ElementsAre(ModuleSpec{"two", 2, "v2"}));
  EXPECT_THAT(work->job.requirements, ElementsAre(Requirements{.cpus = 4}));
  EXPECT_THAT(work->job.policies, ElementsAre(Policy{.retries = 3}));
  ASSERT_THAT(work->job.tasks, SizeIs(1));
  EXPECT_EQ(work->job.tasks[0].name, "task1");
  EXPECT_EQ(work->job.tasks[0].inputs.view(), "inputs");
  EXPECT_EQ(work->job.tasks[0].env.at("N"), "1");
  EXPECT_THAT(work->job.tasks[0].needs, ElementsAre(Dependency{0}));
  const std::optional<JobSpec> job = history.Job(RunNo(1)).value();
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->fail_mode, FailMode::kKeepGoing);
  ASSERT_THAT(job->tasks, SizeIs(2));
  EXPECT_EQ(job->tasks[0].name, "task0");
  EXPECT_EQ(job->tasks[1].module, 1u);
  EXPECT_THAT(job->tasks[1].needs, ElementsAre(Dependency{0}));
  EXPECT_TRUE(job->tasks[1].inputs.empty() && job->tasks[1].env.empty()) << "they may be large";
  EXPECT_EQ(history.Job(RunNo(2)).value(), std::nullopt);
}

TEST_F(HistoryTest, WhoAsksForATaskOrForTheJobIsToldHowItWasSubmitted) {
  History history = Open();
  const History::Submission submission = Submitted();
  const auto task_at = [](std::uint32_t index) { return TaskOf(index); };
  const auto links_at = [](std::uint32_t) { return PastLinks{}; };
  ASSERT_TRUE(history.Write(RunOf(1), 2, task_at, links_at, &submission).ok());
  ASSERT_TRUE(history.Write(RunOf(2), 2, task_at).ok());
  const auto result_of = [&](std::uint32_t run, const std::string& task, const std::string& name) {
    Query query;
    query.kind = QueryKind::kPastTasks;
    query.run = RunNo(run);
    query.task = task;
    query.name = name;
    const Answer answer = AnswerFromHistory(history, query, std::nullopt);
    EXPECT_EQ(answer.code, 0) << answer.message;
    return wire::UnpackPayload(answer.result.bytes, 10'000).value_or(Bytes());
  };
  const auto work = wire::Decode<PastWork, wire::Layout::kPositional>(result_of(1, "task1", ""));
  ASSERT_TRUE(work.ok()) << work.status();
  EXPECT_EQ(*work, history.FindWork(RunNo(1), TaskOf(1)).value());
  const auto job = wire::Decode<JobSpec, wire::Layout::kPositional>(result_of(1, "", std::string(kAskForJob)));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(*job, history.Job(RunNo(1)).value());
  EXPECT_TRUE(result_of(1, "", "").empty()) << "only who asks for it gets it";
  EXPECT_TRUE(result_of(2, "task1", "").empty()) << "an older Millrace has kept that run";
  EXPECT_TRUE(result_of(2, "", std::string(kAskForJob)).empty());
}

TEST_F(HistoryTest, ARowThatNamesAModuleWhichItsRunDoesNotHaveIsDamaged) {
  History history = Open();
  History::Submission submission = Submitted();
  submission.tables.modules.pop_back();
  const auto links_at = [](std::uint32_t) { return PastLinks{}; };
  ASSERT_TRUE(history
                  .Write(
                      RunOf(1), 2, [](std::uint32_t i) { return TaskOf(i); }, links_at, &submission)
                  .ok());
  EXPECT_TRUE(history.FindWork(RunNo(1), TaskOf(0)).ok());
  EXPECT_EQ(history.FindWork(RunNo(1), TaskOf(1)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(history.Job(RunNo(1)).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HistoryTest, ADamagedFileIsSaidAndPutAside) {
  store::Write(file_, std::string(8192, 'x'));
  EXPECT_EQ(History::Open(file_).status().code(), absl::StatusCode::kDataLoss);
  store::Write(file_.string() + ".damaged", "of an earlier time");
  const auto kept = PutAside(file_);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->filename(), "history.sqlite.damaged.2");
  EXPECT_EQ(Read(*kept), std::string(8192, 'x'));
  History fresh = Open();
  EXPECT_THAT(Kept(fresh), IsEmpty());
}

TEST_F(HistoryTest, ADamagedRowIsSaidAndTheOthersStay) {
  History history = Open();
  Write(history, RunOf(1));
  Write(history, RunOf(2));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "UPDATE runs SET body = x'c1' WHERE run = 4294967297", nullptr, nullptr, nullptr), 0);
  sqlite3_close(other);
  EXPECT_EQ(history.Find(RunNo(1)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(history.Find(RunNo(2)).ok());
}

TEST_F(HistoryTest, AFileOfAnotherProgramIsLeftAlone) {
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "CREATE TABLE theirs(x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  EXPECT_EQ(History::Open(file_).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(History::OpenToRead(file_).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace millrace::store
