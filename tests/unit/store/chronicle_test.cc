// SPDX-License-Identifier: Apache-2.0
// Records tell the story of a run: outcomes, tries, workers, times, and what made it fail.
#include "millrace/store/chronicle.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/edit_job.h"

namespace millrace::store {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kSubmitted = 1'700'000'000'000;
constexpr RunId kRun{EpochQualified(1, 1)};

RunAccepted Accepted(const std::vector<std::string>& names) {
  RunAccepted record;
  record.run = kRun;
  record.submitted_unix_ms = kSubmitted;
  EditJob(record, [&names](JobSpec& job) {
    job.name = "job";
    job.modules.push_back({"work", 0, "1"});
    job.policies.emplace_back();
    job.policies.emplace_back().ignore_failure = true;
    job.policies.emplace_back().always_run = true;
    for (const std::string& name : names) job.tasks.emplace_back().name = name;
  });
  return record;
}
TaskAssigned Assigned(std::uint32_t task, std::uint64_t attempt, const std::string& worker, std::int64_t at) {
  return {{kRun, task}, AttemptId{attempt}, worker, kSubmitted + at};
}
AttemptEnded TryEnded(std::uint32_t task, std::uint64_t attempt, Outcome outcome, std::int64_t from, std::int64_t to,
                      std::string message = {}) {
  AttemptEnded record;
  record.task = {kRun, task};
  record.attempt = AttemptId{attempt};
  record.outcome = outcome;
  record.started_unix_ms = kSubmitted + from;
  record.ended_unix_ms = kSubmitted + to;
  record.message = std::move(message);
  return record;
}
TaskEnded Ended(std::uint32_t task, std::uint64_t attempt, Outcome outcome, std::int64_t from, std::int64_t to) {
  TaskEnded record;
  record.task = {kRun, task};
  record.attempt = AttemptId{attempt};
  record.outcome = outcome;
  record.execution = milliseconds(to - from);
  record.started_unix_ms = attempt == 0 ? 0 : kSubmitted + from;
  record.ended_unix_ms = kSubmitted + to;
  if (outcome == Outcome::kFailed) record.failure.message = "exit code 1";
  return record;
}
RunEnded End(RunState state, std::int64_t at) { return {kRun, state, kSubmitted + at}; }

// The story of the run after all of these.
std::unique_ptr<RunStory> StoryOf(const std::vector<Record>& records) {
  Chronicle chronicle;
  std::unique_ptr<RunStory> story;
  for (const Record& record : records) {
    EXPECT_EQ(story, nullptr);
    story = chronicle.Take(record);
  }
  EXPECT_NE(story, nullptr);
  EXPECT_EQ(chronicle.open(), 0u);
  return story;
}

TEST(ChronicleTest, EveryTryIsToldWithWorkerTimesAndWhyItFailed) {
  TaskEnded good = Ended(0, 3, Outcome::kSucceeded, 700, 900);
  good.result.bytes = Bytes(std::string("42"));
  const auto story =
      StoryOf({Accepted({"a"}), Assigned(0, 1, "w1", 100), TryEnded(0, 1, Outcome::kFailed, 110, 200, "exit code 1"),
               Assigned(0, 2, "w2", 300), TryEnded(0, 2, Outcome::kLost, 310, 600), Assigned(0, 3, "w1", 650), good,
               End(RunState::kSucceeded, 950)});
  const PastTask task = story->TaskAt(0);
  EXPECT_EQ(task.view.name, "a");
  EXPECT_EQ(task.view.module, "work");
  EXPECT_EQ(task.view.worker, "w1");
  EXPECT_EQ(task.view.try_number, 3u);
  EXPECT_EQ(task.view.started, milliseconds(700));
  EXPECT_EQ(task.view.ended, milliseconds(900));
  EXPECT_EQ(task.view.execution, milliseconds(200));
  EXPECT_EQ(task.result.bytes.view(), "42");
  const PastAttempt first{
      1, "w1", milliseconds(100), milliseconds(110), milliseconds(200), Outcome::kFailed, "exit code 1"};
  const PastAttempt second{2, "w2", milliseconds(300), milliseconds(310), milliseconds(600), Outcome::kLost, ""};
  const PastAttempt third{3, "w1", milliseconds(650), milliseconds(700), milliseconds(900), Outcome::kSucceeded, ""};
  EXPECT_THAT(task.attempts, ElementsAre(first, second, third));
  EXPECT_EQ(story->run().view.elapsed, milliseconds(950));
  EXPECT_EQ(story->run().ended_unix_ms, kSubmitted + 950);
  EXPECT_EQ(story->run().view.succeeded, 1u);
  EXPECT_EQ(story->run().view.root_cause, "");
}

TEST(ChronicleTest, WhatWasGivenBackUntriedIsNoTry) {
  const auto story =
      StoryOf({Accepted({"a"}), Assigned(0, 1, "w1", 1), TryEnded(0, 1, Outcome::kNone, 0, 2), Assigned(0, 2, "w2", 3),
               Ended(0, 2, Outcome::kSucceeded, 4, 5), End(RunState::kSucceeded, 6)});
  EXPECT_EQ(story->TaskAt(0).view.try_number, 1u);
  EXPECT_THAT(story->TaskAt(0).attempts, SizeIs(1));
}

TEST(ChronicleTest, WhatNeverRanHasNoAttemptAndItsReason) {
  TaskEnded doomed = Ended(1, 0, Outcome::kDependencyFailed, 0, 9);
  doomed.reason = "needs 'a', which failed";
  const auto story = StoryOf({Accepted({"a", "b"}), Assigned(0, 1, "w1", 1), Ended(0, 1, Outcome::kFailed, 2, 9),
                              doomed, End(RunState::kFailed, 9)});
  EXPECT_THAT(story->TaskAt(1).attempts, IsEmpty());
  EXPECT_EQ(story->TaskAt(1).view.reason, "needs 'a', which failed");
  EXPECT_EQ(story->TaskAt(1).view.started, Duration(-1));
  EXPECT_EQ(story->run().view.failed, 1u);
  EXPECT_EQ(story->run().view.skipped, 1u);
  EXPECT_EQ(story->run().view.root_cause, "a: exit code 1");
}

TEST(ChronicleTest, TheFirstFailureThatIsNotIgnoredIsTheCauseAndATeardownGivesWay) {
  RunAccepted accepted = Accepted({"ignored", "teardown", "real"});
  EditJob(accepted, [](JobSpec& job) {
    job.tasks[0].policy = 1;
    job.tasks[1].policy = 2;
  });
  const auto story = StoryOf({accepted, Ended(0, 1, Outcome::kFailed, 1, 2), Ended(1, 2, Outcome::kFailed, 1, 3),
                              Ended(2, 3, Outcome::kFailed, 1, 4), End(RunState::kFailed, 4)});
  EXPECT_EQ(story->run().view.root_cause, "real: exit code 1");
  EXPECT_EQ(story->run().view.ignored, 1u);
  EXPECT_EQ(story->run().view.failed, 2u);
  EXPECT_TRUE(story->TaskAt(0).view.ignored);
}

TEST(ChronicleTest, RecordsOfSeveralTasksTellTheSameAsOneForEach) {
  TasksAssigned assigned{
      .run = kRun, .worker = "w1", .assigned_unix_ms = kSubmitted + 10, .first_attempt = AttemptId{1}, .tasks = {1, 0}};
  TasksSucceeded succeeded{.run = kRun, .ended_unix_ms = kSubmitted + 70, .rows = {}, .results = {}};
  for (const std::uint32_t task : {1u, 0u, 7u}) {  // there is no seventh one
    succeeded.rows.push_back({task, AttemptId{2 - task}, milliseconds(20), kSubmitted + 50});
  }
  succeeded.results = {{.bytes = Bytes::Copy("result"), .digest = {}, .size = 6}};
  std::vector<Record> apart = {Accepted({"a", "b"})};
  Unfold(assigned, [&apart](Record one) { apart.push_back(std::move(one)); });
  Unfold(succeeded, [&apart](Record one) { apart.push_back(std::move(one)); });
  apart.emplace_back(End(RunState::kSucceeded, 80));
  const auto expected = StoryOf(apart);
  const auto story = StoryOf({Accepted({"a", "b"}), assigned, succeeded, End(RunState::kSucceeded, 80)});
  EXPECT_EQ(story->run(), expected->run());
  EXPECT_EQ(story->run().view.succeeded, 2u);
  for (const std::uint32_t task : {0u, 1u}) EXPECT_EQ(story->TaskAt(task), expected->TaskAt(task));
  EXPECT_EQ(story->TaskAt(1).result.bytes.view(), "result");
  EXPECT_EQ(story->TaskAt(0).view.worker, "w1");
}

TEST(ChronicleTest, ACancelledRunSaysWhy) {
  const auto story = StoryOf({Accepted({"a"}), RunCancelled{kRun, "cancelled: by hand"},
                              Ended(0, 0, Outcome::kCancelled, 0, 5), End(RunState::kCancelled, 5)});
  EXPECT_EQ(story->run().view.root_cause, "cancelled: by hand");
  EXPECT_EQ(story->run().view.cancelled, 1u);
}

TEST(ChronicleTest, WhatATaskNeededIsKeptAndWhenTheLastOfItHadEnded) {
  RunAccepted accepted = Accepted({"a", "b", "c", "never", "cancelled"});
  EditJob(accepted, [](JobSpec& job) {
    job.policies[1].cached = true;
    job.tasks[1].policy = 1;
    job.tasks[2].needs = {{1, DependencyKind::kOptional, 3}, {0}, {99}};
    job.tasks[3].needs = {{4}};
    job.tasks[4].needs = {{0}};
  });
  const std::vector<Record> records = {accepted,
                                       Ended(0, 1, Outcome::kSucceeded, 10, 70),
                                       Ended(1, 2, Outcome::kSucceeded, 10, 40),
                                       Assigned(2, 3, "w1", 80),
                                       Ended(2, 3, Outcome::kSucceeded, 90, 100),
                                       Ended(4, 0, Outcome::kCancelled, 0, 95),
                                       Ended(3, 0, Outcome::kDependencyFailed, 0, 96),
                                       End(RunState::kSucceeded, 100)};
  const auto story = StoryOf(records);
  const PastLinks expected{.needs = {{1, DependencyKind::kOptional, 3}, {0}}};
  EXPECT_EQ(story->LinksAt(2), expected) << "the one that is not there is left out";
  EXPECT_TRUE(story->LinksAt(1).cacheable);
  EXPECT_EQ(story->TaskAt(0).view.ready, Duration::zero());
  EXPECT_EQ(story->TaskAt(2).view.ready, milliseconds(70));
  EXPECT_EQ(story->TaskAt(3).view.ready, Duration(-1)) << "what it needs was not good, so it never was";
  EXPECT_EQ(story->TaskAt(4).view.ready, milliseconds(70)) << "it was cancelled in the queue";
  EditJob(accepted, [](JobSpec& job) { job.use_cache = false; });
  EXPECT_FALSE(StoryOf({accepted, End(RunState::kCancelled, 1)})->LinksAt(1).cacheable);
}

TEST(ChronicleTest, OfManyNeedsThoseThatEndedLastAreKept) {
  const auto count = static_cast<std::uint32_t>(kMaxNeedsKept) + 3;
  RunAccepted accepted = Accepted(std::vector<std::string>(count + 1, "a"));
  std::vector<Record> records;
  EditJob(accepted, [](JobSpec& job) {
    for (std::uint32_t i = 0; i < count; ++i) job.tasks[count].needs.push_back({i});
  });
  records.emplace_back(accepted);
  for (std::uint32_t i = 0; i < count; ++i) {
    records.emplace_back(Ended(i, i + 1, Outcome::kSucceeded, 0, i == 5 ? 900'000 : 1000 + static_cast<int>(i)));
  }
  records.emplace_back(End(RunState::kSucceeded, 900'001));
  const PastLinks links = StoryOf(records)->LinksAt(count);
  ASSERT_THAT(links.needs, SizeIs(kMaxNeedsKept));
  EXPECT_EQ(links.needs_left_out, 3u);
  EXPECT_EQ(links.needs[0].task, 3u);
  EXPECT_EQ(links.needs[2].task, 5u);
  EXPECT_EQ(links.needs.back().task, count - 1);
}

TEST(ChronicleTest, ATaskIsKeptAsItWasSubmitted) {
  RunAccepted accepted = Accepted({"a", "b"});
  EditJob(accepted, [](JobSpec& job) {
    job.fail_mode = FailMode::kKeepGoing;
    job.requirements = {{}, {.cpus = 3}};
    job.tasks[1].requirements = 1;
    job.tasks[1].policy = 2;
    job.tasks[1].env = {{"N", "1"}};
    job.tasks[1].inputs = Bytes(std::string("inputs"));
    job.tasks[1].needs = {{0}};
  });
  const JobSpec job = Unpack(*accepted.job);
  const auto story = StoryOf({accepted, Ended(0, 1, Outcome::kSucceeded, 0, 1), End(RunState::kFailed, 2)});
  const JobSpec tables = story->Tables();
  EXPECT_THAT(tables.tasks, IsEmpty());
  EXPECT_EQ(tables.fail_mode, FailMode::kKeepGoing);
  EXPECT_EQ(tables.modules, job.modules);
  EXPECT_EQ(tables.requirements, job.requirements);
  EXPECT_EQ(tables.policies, job.policies);
  const SubmittedTask task = story->SubmittedAt(1);
  EXPECT_EQ(task.spec.requirements, 1u);
  EXPECT_EQ(task.spec.policy, 2u);
  EXPECT_EQ(task.spec.env, job.tasks[1].env);
  EXPECT_EQ(task.spec.inputs, job.tasks[1].inputs);
  EXPECT_EQ(task.inputs_left_out, 0u);
  EXPECT_EQ(task.spec.name, "") << "it stands in its row";
  EXPECT_THAT(task.spec.needs, IsEmpty()) << "they are its links";
}

TEST(ChronicleTest, InputsThatAreTooManyLeaveTheirSize) {
  RunAccepted accepted = Accepted({"a", "b"});
  EditJob(accepted, [](JobSpec& job) {
    job.tasks[0].inputs = Bytes(std::string(kMaxInputsKept, 'i'));
    job.tasks[1].inputs = Bytes(std::string(kMaxInputsKept + 1, 'i'));
  });
  const auto story = StoryOf({accepted, Ended(0, 1, Outcome::kSucceeded, 0, 1), End(RunState::kSucceeded, 2)});
  EXPECT_EQ(story->SubmittedAt(0).spec.inputs.size(), kMaxInputsKept);
  EXPECT_EQ(story->SubmittedAt(0).inputs_left_out, 0u);
  EXPECT_TRUE(story->SubmittedAt(1).spec.inputs.empty());
  EXPECT_EQ(story->SubmittedAt(1).inputs_left_out, kMaxInputsKept + 1);
}

TEST(ChronicleTest, OfManyTriesTheNewestAreKept) {
  std::vector<Record> records = {Accepted({"a"})};
  const int tries = static_cast<int>(kMaxAttemptsKept) + 10;
  for (int i = 1; i <= tries; ++i) {
    records.push_back(Assigned(0, static_cast<std::uint64_t>(i), "w1", i));
    records.push_back(TryEnded(0, static_cast<std::uint64_t>(i), Outcome::kFailed, i, i, std::string(5000, 'm')));
  }
  records.push_back(Ended(0, 0, Outcome::kCancelled, 0, 500));
  records.push_back(End(RunState::kCancelled, 500));
  const PastTask task = StoryOf(records)->TaskAt(0);
  EXPECT_THAT(task.attempts, SizeIs(kMaxAttemptsKept));
  EXPECT_EQ(task.attempts_left_out, 10u);
  EXPECT_EQ(task.attempts.back().try_number, static_cast<std::uint32_t>(tries));
  EXPECT_LE(task.attempts.back().message.size(), 1024u);
}

TEST(ChronicleTest, RecordsWithoutTimesTellWhatTheyCan) {
  TaskEnded ended = Ended(0, 1, Outcome::kSucceeded, 1, 2);
  ended.started_unix_ms = ended.ended_unix_ms = 0;
  TaskAssigned assigned = Assigned(0, 1, "w1", 0);
  assigned.assigned_unix_ms = 0;
  const auto story = StoryOf({Accepted({"a"}), assigned, ended, RunEnded{kRun, RunState::kSucceeded, 0}});
  EXPECT_EQ(story->TaskAt(0).view.started, Duration(-1));
  EXPECT_EQ(story->TaskAt(0).view.worker, "w1");
  EXPECT_EQ(story->run().view.elapsed, Duration::zero());
  EXPECT_EQ(story->run().ended_unix_ms, kSubmitted);
}

TEST(ChronicleTest, RecordsOfRunsThatItDoesNotKnowAreNoStory) {
  Chronicle chronicle;
  EXPECT_EQ(chronicle.Take(Ended(0, 1, Outcome::kSucceeded, 1, 2)), nullptr);
  EXPECT_EQ(chronicle.Take(End(RunState::kSucceeded, 3)), nullptr);
  EXPECT_EQ(chronicle.Take(Accepted({"a"})), nullptr);
  EXPECT_EQ(chronicle.Take(Ended(5, 1, Outcome::kSucceeded, 1, 2)), nullptr);  // has no such task
  EXPECT_EQ(chronicle.open(), 1u);
}

}  // namespace
}  // namespace millrace::store
