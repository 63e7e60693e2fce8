// SPDX-License-Identifier: Apache-2.0
// How much longer a run takes: what has ended counts no more, what runs counts for the rest, and nothing is said of
// what nobody knows.
#include "millrace/host/outlook.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/report/sample.h"

namespace millrace::host {
namespace {

using std::chrono::milliseconds;

// Runs in which `a` and `b` took 100 and 200 ms, and 300 ms more in one.
report::Estimates Known() {
  report::Estimates estimates;
  for (const int more : {0, 0, 0, 300}) {
    report::Sample sample;
    sample.Add("a", {}, {{"w1", 0, 0, 100 + more}}).view.execution = milliseconds(100 + more);
    sample.Add("b", {0}, {{"w2", 100, 100, 300 + more}}).view.execution = milliseconds(200 + more);
    estimates.Add(sample.Report());
  }
  return estimates;
}
TaskView Task(std::uint32_t index, const std::string& name, std::uint32_t wave = 1) {
  TaskView task;
  task.index = index;
  task.name = name;
  task.wave = wave;
  return task;
}
Outlook OutlookOf(std::vector<Foreseeable> tasks, std::int64_t slots = 4) {
  Outlook outlook(Known(), slots);
  outlook.Expect(std::move(tasks));
  return outlook;
}

TEST(OutlookTest, WhatHasNotStartedTakesItsMedianWhereItMayAndSideBySide) {
  const auto left = OutlookOf({{"a"}, {"b", "", {0}}}).For({}, {});
  ASSERT_TRUE(left.has_value());
  EXPECT_EQ(left->p50, milliseconds(300));
  EXPECT_EQ(left->p90, milliseconds(900));
  EXPECT_EQ(OutlookOf({{"a"}, {"b"}}).For({}, {})->p50, milliseconds(200)) << "side by side";
  EXPECT_EQ(OutlookOf({{"a"}, {"b"}}, 1).For({}, {})->p50, milliseconds(300));
}

TEST(OutlookTest, OfTheRowsOfARunWavesFollowEachOther) {
  const std::vector<TaskView> rows = {Task(0, "a"), Task(1, "b", 2), Task(2, "b", 2)};
  EXPECT_EQ(OutlookOf(ForeseeableOf(rows)).For({}, {})->p50, milliseconds(300));
  EXPECT_EQ(OutlookOf(ForeseeableOf(rows), 1).For({}, {})->p50, milliseconds(500));
  JobSpec job;
  job.modules.push_back({.name = "m", .fingerprint = 0, .version = "9"});
  job.tasks.resize(2);
  job.tasks[1].name = "b";
  job.tasks[1].needs = {{0}};
  const std::vector<Foreseeable> tasks = ForeseeableOf(job);
  EXPECT_EQ(tasks[1].name, "b");
  EXPECT_EQ(tasks[1].version, "9");
  EXPECT_EQ(tasks[1].needs, std::vector<std::uint32_t>{0});
  job.tasks.resize(kTasksLookedAt + 1);
  EXPECT_TRUE(ForeseeableOf(job).empty());
}

TEST(OutlookTest, WhatRunsCountsForTheRestAndWhatHasEndedNoMore) {
  const Outlook outlook = OutlookOf({{"a"}, {"b", "", {0}}}, 1);
  RunView run;
  run.elapsed = milliseconds(1050);
  TaskView a = Task(0, "a");
  a.state = TaskState::kEnded;
  TaskView b = Task(1, "b", 2);
  b.state = TaskState::kRunning;
  b.started = milliseconds(1000);
  EXPECT_EQ(outlook.For(run, {{0, a}, {1, b}})->p50, milliseconds(150));
  EXPECT_EQ(outlook.For(run, {{0, a}})->p50, milliseconds(200)) << "nothing has happened to the other";
  run.elapsed = milliseconds(9000);
  EXPECT_EQ(outlook.For(run, {{0, a}, {1, b}})->p50, Duration::zero()) << "longer than ever; nobody knows how long";
  run.state = RunState::kSucceeded;
  EXPECT_EQ(outlook.For(run, {{0, a}, {1, b}}), std::nullopt);
}

TEST(OutlookTest, NothingIsSaidOfWhatNobodyKnows) {
  EXPECT_EQ(OutlookOf({{"a"}, {"new"}}).For({}, {}), std::nullopt);
  EXPECT_EQ(OutlookOf({{"a"}}, 0).For({}, {}), std::nullopt) << "no worker is there";
  EXPECT_EQ(OutlookOf({}).For({}, {}), std::nullopt);
  EXPECT_EQ(OutlookOf({{"a", "", {7}}}).For({}, {}), std::nullopt) << "a broker may say anything";
}

}  // namespace
}  // namespace millrace::host
