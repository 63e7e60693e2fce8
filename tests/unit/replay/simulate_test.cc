// SPDX-License-Identifier: Apache-2.0
// A recorded run played again: what other workers would have given, with its tries, its cache, its failures and what
// lies between its tasks.
#include "millrace/replay/simulate.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sample.h"

namespace millrace::replay {
namespace {

using report::Sample;
using std::chrono::milliseconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What the history has of how a sample was submitted: each task on one slot, unless the test says otherwise.
JobSpec JobOf(const Sample& sample) {
  JobSpec job;
  job.name = sample.run.view.name;
  job.fail_mode = FailMode::kKeepGoing;
  job.modules.push_back({.name = "made here", .fingerprint = 77, .version = "3"});
  job.requirements.push_back({.tools = {"no-such-tool"}, .tags = {"elsewhere"}});
  job.policies.emplace_back().backoff = {};
  for (std::size_t i = 0; i < sample.tasks.size(); ++i) {
    TaskSpec& task = job.tasks.emplace_back();
    task.name = sample.tasks[i].view.name;
    task.needs = sample.links[i]->needs;
  }
  return job;
}

// `ms`: how long each of them took in the one slot, one behind the other without a pause.
Sample OneByOne(std::initializer_list<int> ms) {
  Sample sample;
  int at = 0;
  for (const int took : ms) {
    PastTask& task = sample.Add("t" + std::to_string(sample.tasks.size()), {}, {{"w1", 0, at, at + took}});
    task.view.execution = milliseconds(took);
    at += took;
  }
  return sample;
}

Recording RecordingOf(const Sample& sample, const JobSpec& job) {
  absl::StatusOr<Recording> recording = MakeRecording(sample.Report(), job);
  EXPECT_TRUE(recording.ok()) << recording.status();
  return *std::move(recording);
}
Simulation On(const Recording& recording, std::vector<std::int64_t> slots) {
  absl::StatusOr<Simulation> simulation = Simulate(recording, std::move(slots));
  EXPECT_TRUE(simulation.ok()) << simulation.status();
  return *std::move(simulation);
}

TEST(SimulateTest, A42_TheSameFleetTakesAsLongAndMoreSlotsTakeLess) {
  const Sample sample = OneByOne({100, 100, 100, 100});
  const Recording recording = RecordingOf(sample, JobOf(sample));
  EXPECT_THAT(recording.slots, ElementsAre(1));
  EXPECT_THAT(recording.notes, IsEmpty());
  EXPECT_EQ(On(recording, {1}).makespan, milliseconds(400));
  const Simulation four = On(recording, {2, 2});
  EXPECT_EQ(four.makespan, milliseconds(100));
  EXPECT_EQ(four.work, milliseconds(400));
  EXPECT_EQ(four.bound, milliseconds(100));
  EXPECT_DOUBLE_EQ(four.Efficiency(), 1);
  EXPECT_DOUBLE_EQ(On(recording, {8}).Efficiency(), 0.5) << "four of eight had nothing to do";
  EXPECT_EQ(On(recording, {3}).makespan, milliseconds(200));
}

TEST(SimulateTest, NoNumberOfWorkersIsFasterThanTheCriticalPath) {
  Sample sample = OneByOne({100, 200, 300});
  sample.links[1]->needs = {{0}};
  sample.links[2]->needs = {{1}};
  const Recording recording = RecordingOf(sample, JobOf(sample));
  const Simulation many = On(recording, {16, 16});
  EXPECT_EQ(many.makespan, milliseconds(600));
  EXPECT_EQ(many.path, milliseconds(600));
  EXPECT_EQ(many.bound, many.path);
}

TEST(SimulateTest, WhatLiesBetweenTwoTasksLiesThereAgain) {
  Sample sample;
  for (int i = 0; i < 5; ++i) {
    sample.Add("t" + std::to_string(i), {}, {{"w1", 0, i * 110, i * 110 + 100}}).view.execution = milliseconds(100);
  }
  const Recording recording = RecordingOf(sample, JobOf(sample));
  EXPECT_EQ(recording.handover, milliseconds(10));
  EXPECT_EQ(On(recording, {1}).makespan, milliseconds(550));
}

TEST(SimulateTest, TriesThatFailedFailAgainAndThoseThatWereLostAreNot) {
  Sample sample;
  sample.Add("again", {}, {{"w1", 0, 0, 50, Outcome::kFailed}, {"w2", 60, 60, 70, Outcome::kLost}, {"w1", 80, 80, 110}})
      .view.execution = milliseconds(30);
  const Recording recording = RecordingOf(sample, JobOf(sample));
  const Simulation one = On(recording, {1});
  EXPECT_EQ(one.state, RunState::kSucceeded);
  EXPECT_EQ(one.work, milliseconds(80));
  EXPECT_EQ(one.makespan, milliseconds(80));
}

TEST(SimulateTest, TheCacheAnswersAgain) {
  Sample sample = OneByOne({100});
  sample.Add("kept", {}, {}, Outcome::kCached, 5);
  JobSpec job = JobOf(sample);
  job.policies.push_back({.cached = true});
  job.tasks[1].policy = 1;
  const Simulation one = On(RecordingOf(sample, job), {1});
  EXPECT_EQ(one.state, RunState::kSucceeded);
  EXPECT_EQ(one.work, milliseconds(100));
}

TEST(SimulateTest, AFailureEndsARunThatFailsFastAndWhatDidNotRunIsGuessed) {
  Sample sample = OneByOne({10, 10, 10});
  sample.tasks[0].view.outcome = sample.tasks[0].attempts[0].outcome = Outcome::kFailed;
  sample.run.view.state = RunState::kFailed;
  sample.Add("t3", {}, {}, Outcome::kCancelled, 12);
  JobSpec job = JobOf(sample);
  const Recording recording = RecordingOf(sample, job);
  EXPECT_THAT(recording.notes, Contains(HasSubstr("1 of 4 tasks did not run")));
  EXPECT_EQ(recording.tasks[3].tries[0].takes, milliseconds(10));
  EXPECT_EQ(On(recording, {1}).work, milliseconds(40)) << "it was told to keep going";
  job.fail_mode = FailMode::kFailFast;
  const Simulation fast = On(RecordingOf(sample, job), {1});
  EXPECT_EQ(fast.state, RunState::kFailed);
  EXPECT_EQ(fast.makespan, milliseconds(10));
  // The others run when it fails, and are stopped.
  EXPECT_EQ(On(RecordingOf(sample, job), {4}).makespan, milliseconds(10));
}

TEST(SimulateTest, ATaskTakesAsManySlotsAsItAskedFor) {
  const Sample sample = OneByOne({100, 100});
  JobSpec job = JobOf(sample);
  job.requirements[0].cpus = 2;
  const Recording recording = RecordingOf(sample, job);
  EXPECT_THAT(recording.slots, ElementsAre(2)) << "it had as many";
  EXPECT_EQ(On(recording, {2}).makespan, milliseconds(200));
  EXPECT_EQ(On(recording, {2}).work, milliseconds(400));
  EXPECT_EQ(On(recording, {2, 2}).makespan, milliseconds(100));
  EXPECT_EQ(On(recording, {3}).makespan, milliseconds(200));
  const absl::Status narrow = Simulate(recording, {1, 1, 1}).status();
  EXPECT_EQ(narrow.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(narrow.message()), HasSubstr("--slots 2"));
  job.requirements[0].cpus = 0;  // it only waits
  EXPECT_EQ(On(RecordingOf(sample, job), {1}).makespan, milliseconds(100));
}

TEST(SimulateTest, ARunOfAnOlderMillraceIsPlayedOnOneSlotATaskAndThatIsSaid) {
  const Sample sample = OneByOne({100, 100});
  const absl::StatusOr<Recording> recording = MakeRecording(sample.Report(), std::nullopt);
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_THAT(recording->notes, Contains(HasSubstr("older Millrace")));
  EXPECT_EQ(On(*recording, {1}).makespan, milliseconds(200));
  EXPECT_EQ(On(*recording, {2}).makespan, milliseconds(100));
}

TEST(SimulateTest, WhatCannotBePlayedIsRefusedWithTheReason) {
  Sample sample;
  sample.run.without_tasks = true;
  EXPECT_THAT(std::string(MakeRecording(sample.Report(), std::nullopt).status().message()),
              HasSubstr("too many tasks"));
  Sample circle = OneByOne({1, 1});
  circle.links[0]->needs = {{1}};
  circle.links[1]->needs = {{0}, {99}};  // a damaged file may say anything
  EXPECT_THAT(std::string(Simulate(RecordingOf(circle, JobOf(circle)), {1}).status().message()), HasSubstr("t0"));
}

}  // namespace
}  // namespace millrace::replay
