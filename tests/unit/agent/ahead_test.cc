// SPDX-License-Identifier: Apache-2.0
// Attempts that were assigned before what they need has ended here: they go on by themselves, or back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/rig.h"

namespace millrace::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class AheadTest : public ::testing::Test {
 protected:
  AheadTest() {
    rig.Attach();
    rig.Give(Chain(1, 3));
  }
  static Datum Promise(std::uint32_t index) {
    Datum promise;
    promise.task = {.run = RunId{1}, .index = index};
    promise.name = "t" + std::to_string(index);
    promise.module = "m";
    return promise;
  }
  // Attempts first to last, each of which needs the one before.
  Assign Chain(std::uint64_t first, std::uint64_t last) {
    std::vector<Assignment> tasks;
    std::vector<Datum> data;
    for (std::uint64_t attempt = first; attempt <= last; ++attempt) {
      tasks.push_back(Rig::Task(attempt));
      if (attempt == first) continue;
      const auto before = static_cast<std::uint32_t>(attempt - 1);
      tasks.back().needs.push_back({.task = before, .parameter = 0, .ahead = AttemptId{attempt - 1}});
      data.push_back(Promise(before));
    }
    Assign assign = rig.Work(std::move(tasks));
    assign.data = std::move(data);
    return assign;
  }
  void Succeed(std::uint32_t slot, std::uint64_t attempt, const std::string& result) {
    SlotDone done;
    done.attempt = AttemptId{attempt};
    done.outcome = Outcome::kSucceeded;
    done.result = {.bytes = Bytes(result), .digest = {}, .size = result.size()};
    done.execution = milliseconds(1);
    rig.Do(SlotSaid{.slot = slot, .message = std::move(done)});
  }
  Rig rig;
};

TEST_F(AheadTest, EachStartsWhenTheOneBeforeHasSucceededWithItsResult) {
  EXPECT_THAT(rig.Started(), ElementsAre(1)) << "although there is a second slot";
  Succeed(0, 1, "one");
  ASSERT_THAT(rig.Started(), ElementsAre(1, 2));
  const SlotExecute execute = rig.All<Start>().back().execute;
  ASSERT_THAT(execute.needs, SizeIs(1));
  EXPECT_EQ(execute.needs[0].name, "t1");
  EXPECT_EQ(execute.needs[0].outcome, Outcome::kSucceeded);
  EXPECT_EQ(execute.needs[0].result.bytes, Bytes("one"));
  Succeed(0, 2, "two");
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2, 3));
  Succeed(0, 3, "three");
  rig.Pass(milliseconds(1));
  ASSERT_THAT(rig.Reports(), SizeIs(3));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(rig.Reports()[i].attempt, AttemptId{i + 1});
}

TEST_F(AheadTest, AFailureGivesBackAllThatRestsOnIt) {
  rig.Finish(0, 1, Outcome::kFailed);
  EXPECT_THAT(rig.Started(), ElementsAre(1));
  ASSERT_THAT(rig.Reports(), SizeIs(3));
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kFailed);
  EXPECT_EQ(rig.Reports()[1].kind, ReportKind::kReturned);
  EXPECT_EQ(rig.Reports()[2].kind, ReportKind::kReturned);
}

TEST_F(AheadTest, WhatIsTakenBackTakesItsDependantsAlong) {
  rig.Give(Cancel{.session = {}, .number = 0, .attempts = {AttemptId{2}}});
  ASSERT_THAT(rig.Reports(), SizeIs(2));
  EXPECT_EQ(rig.Reports()[0].attempt, AttemptId{2});
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kCancelled);
  EXPECT_EQ(rig.Reports()[1].attempt, AttemptId{3});
  EXPECT_EQ(rig.Reports()[1].kind, ReportKind::kReturned);
  Succeed(0, 1, "one");
  EXPECT_THAT(rig.Started(), ElementsAre(1));
}

TEST_F(AheadTest, OneWhoseDependencyHasEndedMeanwhileStartsAtOnce) {
  Succeed(0, 1, "one");
  Succeed(0, 2, "two");
  Succeed(0, 3, "three");
  rig.Clear();
  Assign late = rig.Work({Rig::Task(9)});
  late.tasks[0].needs.push_back({.task = 3, .parameter = 0, .ahead = AttemptId{3}});
  late.data.push_back(Promise(3));
  rig.Give(std::move(late));
  ASSERT_THAT(rig.Started(), ElementsAre(9)) << "its report has not been recorded, so that the result is known";
  EXPECT_EQ(rig.All<Start>()[0].execute.needs[0].result.bytes, Bytes("three"));
}

TEST_F(AheadTest, OneThatWaitsForWhatIsNotHereComesBack) {
  rig.Clear();
  Assign strange = rig.Work({Rig::Task(9)});
  strange.tasks[0].needs.push_back({.task = 77, .parameter = 0, .ahead = AttemptId{77}});
  strange.data.push_back(Promise(77));
  rig.Give(std::move(strange));
  Succeed(0, 1, "one");
  rig.Finish(0, 2, Outcome::kFailed);
  const std::vector<AttemptReport> reports = rig.Reports();
  ASSERT_FALSE(reports.empty());
  EXPECT_EQ(reports[0].attempt, AttemptId{9});
  EXPECT_EQ(reports[0].kind, ReportKind::kReturned);
}

TEST_F(AheadTest, AHelloGivesUpWhatWaitsAndSaysWhatItHasGoneOnWith) {
  Succeed(0, 1, "one");
  rig.Do(Disconnected{"cut"});
  rig.Clear();
  rig.Do(Connected{});
  ASSERT_THAT(rig.Sent<Hello>(), SizeIs(1));
  const Hello hello = rig.Sent<Hello>()[0];
  EXPECT_TRUE(hello.takes_ahead);
  std::vector<std::uint64_t> held;
  for (const Held& one : hello.held) held.push_back(one.attempt.value);
  EXPECT_THAT(held, ElementsAre(1, 3, 2)) << "3 was given back, and that is not recorded";
  EXPECT_EQ(hello.held[0].task, TaskRef{}) << "it did not come ahead";
  EXPECT_EQ(hello.held[2].task, (TaskRef{.run = RunId{1}, .index = 2}));
}

TEST_F(AheadTest, ADrainGivesBackWhatWaits) {
  rig.Clear();
  rig.Give(Drain{.session = {}, .number = 0, .reason = "enough"});
  Succeed(0, 1, "one");
  std::vector<std::uint64_t> returned;
  for (const AttemptReport& report : rig.Reports()) {
    if (report.kind == ReportKind::kReturned) returned.push_back(report.attempt.value);
  }
  EXPECT_THAT(returned, ElementsAre(2, 3));
}

TEST_F(AheadTest, ItsHeartbeatsCountWhatTheBrokerCounts) {
  rig.Clear();
  rig.Pass(seconds(6));
  const std::vector<Beat> beats = rig.Published<Beat>();
  ASSERT_FALSE(beats.empty());
  EXPECT_EQ(beats.back().running, 1u);
  EXPECT_EQ(beats.back().queued, 0u) << "those that wait are not yet attempts";
}

}  // namespace
}  // namespace millrace::agent
