// SPDX-License-Identifier: Apache-2.0
// Work that is given to a worker before what it needs has ended there: when, and what becomes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AheadTest : public testing::Test {
 protected:
  explicit AheadTest(std::int64_t cpus = 1) { rig_.Join("w1", {.cpus = cpus, .takes_ahead = true}); }

  AttemptId Of(const std::string& task, const std::string& worker = "w1") { return rig_.AttemptOf(worker, task); }
  // The attempt that `task` was told to wait for, first need.
  AttemptId Awaited(const std::string& task) { return rig_.Assigned("w1").at(task).needs.at(0).ahead; }
  AttemptReport Success(AttemptId attempt, const std::string& result) {
    AttemptReport report;
    report.attempt = attempt;
    report.outcome = Outcome::kSucceeded;
    report.result = {.bytes = Bytes(result), .digest = {}, .size = result.size()};
    return report;
  }
  void ReportBoth(AttemptId first, AttemptId second) {
    Rig::Worker& worker = rig_.workers.at("w1");
    rig_.Say(worker.peer, Report{.session = worker.session,
                                 .orders_through = worker.orders_through,
                                 .first_number = worker.reports + 1,
                                 .reports = {Success(first, "a"), Success(second, "b")},
                                 .started = {}});
    worker.reports += 2;
  }
  std::vector<AttemptId> Cancelled() {
    std::vector<AttemptId> all;
    for (const Cancel& cancel : rig_.Sent<Cancel>(rig_.workers.at("w1").peer)) {
      all.insert(all.end(), cancel.attempts.begin(), cancel.attempts.end());
    }
    return all;
  }

  Rig rig_;
};

TEST_F(AheadTest, AChainIsGivenAheadAndCountsOnlyWhenWhatItNeedsHasEnded) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  ASSERT_TRUE(Of("b").valid());
  EXPECT_EQ(Awaited("b"), Of("a"));
  EXPECT_EQ(rig_.Task("b").state, TaskState::kWaiting);
  const Assign assign = rig_.Sent<Assign>(rig_.workers.at("w1").peer).at(0);
  ASSERT_THAT(assign.data, SizeIs(1)) << "what the worker will have the result of";
  EXPECT_EQ(assign.data[0].name, "a");
  EXPECT_EQ(assign.data[0].outcome, Outcome::kNone);
}

TEST_F(AheadTest, ItIsNotAssignedAgainWhenItCounts) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  const AttemptId b = Of("b");
  rig_.Succeed("w1", "a");
  EXPECT_THAT(rig_.Sent<Assign>(rig_.workers.at("w1").peer), SizeIs(1));
  EXPECT_EQ(rig_.Task("b").state, TaskState::kAssigned);
  rig_.Report_("w1", Success(b, "done"));
  EXPECT_EQ(rig_.Run().state, RunState::kSucceeded);
}

TEST_F(AheadTest, BothEndsMayComeInOneReport) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  ReportBoth(Of("a"), Of("b"));
  EXPECT_EQ(rig_.Run().state, RunState::kSucceeded);
  std::vector<std::string> kinds;
  for (const Record& record : rig_.journal) {
    if (std::holds_alternative<TaskAssigned>(record)) kinds.emplace_back("assigned");
    if (std::holds_alternative<TaskEnded>(record)) kinds.emplace_back("ended");
  }
  EXPECT_THAT(kinds, ElementsAre("assigned", "ended", "assigned", "ended")) << "in the order that was";
}

TEST_F(AheadTest, AnEndBeforeThatOfItsDependencyIsNotTaken) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  rig_.Report_("w1", Success(Of("b"), "early"));
  EXPECT_EQ(rig_.Task("b").state, TaskState::kWaiting);
  EXPECT_THAT(rig_.Last<Recorded>(rig_.workers.at("w1").peer)->dropped, ElementsAre(Of("b")));
}

TEST_F(AheadTest, AFailureTakesBackAllThatRestsOnIt) {
  rig_.Submit(Job(FailMode::kKeepGoing).Task("a").Task("b", "a").spec);
  const AttemptId b = Of("b");
  rig_.Fail("w1", "a");
  EXPECT_THAT(Cancelled(), ElementsAre(b));
  EXPECT_EQ(rig_.Task("b").outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(rig_.Run().state, RunState::kFailed);
}

TEST_F(AheadTest, WhatRunsAgainElsewhereTakesItsDependantsAlong) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  const AttemptId before = Of("b");
  rig_.Die("w1");
  rig_.Clear();
  rig_.Join("w2");
  ASSERT_TRUE(Of("a", "w2").valid());
  EXPECT_FALSE(Of("b", "w2").valid()) << "that worker does not know how";
  rig_.Succeed("w2", "a");
  EXPECT_TRUE(Of("b", "w2").valid());
  EXPECT_NE(Of("b", "w2"), before);
  rig_.Succeed("w2", "b");
  EXPECT_EQ(rig_.Run().state, RunState::kSucceeded);
}

TEST_F(AheadTest, WhoDoesNotSayThatItCanIsGivenNothingAhead) {
  rig_.Die("w1");
  rig_.Join("w2");
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  EXPECT_TRUE(Of("a", "w2").valid());
  EXPECT_FALSE(Of("b", "w2").valid());
}

TEST_F(AheadTest, WhatIsReadyGoesFirst) {
  rig_.Submit(Job().Task("a").Task("b", "a").Task("c").Task("d").Task("e").spec);
  EXPECT_FALSE(Of("b").valid()) << "others wait that need nothing";
}

TEST_F(AheadTest, A29_TheOneThatGoesFirstIsGivenAheadOrNone) {
  Policy urgent;
  urgent.priority = 5;
  rig_.Submit(Job().Task("a").Task("old", "a").Task("urgent", "a", urgent).spec);
  EXPECT_TRUE(Of("urgent").valid());
  EXPECT_FALSE(Of("old").valid());
  rig_.Succeed("w1", "a");
  rig_.Succeed("w1", "urgent");
  rig_.Succeed("w1", "old");
  Policy once = urgent;
  once.idempotent = false;
  rig_.Submit(Job().Task("b").Task("plain", "b").Task("first", "b", once).spec);
  EXPECT_FALSE(Of("plain").valid()) << "it would overtake one that cannot be given ahead";
}

TEST_F(AheadTest, NothingIsGivenAheadAcrossWideForksAndJoins) {
  Job fork;
  fork.Task("a");
  for (int i = 0; i < 257; ++i) fork.Task("b" + std::to_string(i), "a");
  rig_.Submit(std::move(fork.spec));
  EXPECT_FALSE(Of("b0").valid());
  rig_.Tell(CommandKind::kCancelRun);
  rig_.End("w1", "a", Outcome::kCancelled);
  std::string all;
  Job join;
  for (int i = 0; i < 65; ++i) {
    join.Task("c" + std::to_string(i), i == 0 ? "" : "c0");
    all += " c" + std::to_string(i);
  }
  join.Task("end", all);
  rig_.Submit(std::move(join.spec));
  rig_.Succeed("w1", "c0");
  for (int i = 1; i < 65; ++i) {
    EXPECT_FALSE(Of("end").valid());
    rig_.Succeed("w1", "c" + std::to_string(i));
  }
  EXPECT_TRUE(Of("end").valid());
}

TEST_F(AheadTest, WhatMayNotRunTwiceAndWhatIsCachedIsNotGivenAhead) {
  Policy once;
  once.idempotent = false;
  Policy cached;
  cached.cached = true;
  Policy last;
  last.always_run = true;
  rig_.Submit(Job().Task("a").Task("once", "a", once).Task("cached", "a", cached).Task("last", "a", last).spec);
  EXPECT_FALSE(Of("once").valid());
  EXPECT_FALSE(Of("cached").valid());
  EXPECT_FALSE(Of("last").valid());
}

TEST_F(AheadTest, ACancelReachesWhatWasGivenAhead) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  const AttemptId a = Of("a");
  const AttemptId b = Of("b");
  rig_.Tell(CommandKind::kCancelRun);
  EXPECT_THAT(Cancelled(), ::testing::UnorderedElementsAre(a, b));
  EXPECT_EQ(rig_.Task("b").outcome, Outcome::kCancelled);
}

TEST_F(AheadTest, WhatComesBackUnaskedGoesThroughTheQueueWithItsData) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  const AttemptId before = Of("b");
  rig_.Succeed("w1", "a");
  rig_.Clear();
  AttemptReport returned;
  returned.attempt = before;
  returned.kind = ReportKind::kReturned;
  rig_.Report_("w1", returned);
  rig_.AdvanceBeating(seconds(1));
  ASSERT_TRUE(Of("b").valid());
  EXPECT_NE(Of("b"), before);
  const Assign again = rig_.Sent<Assign>(rig_.workers.at("w1").peer).at(0);
  ASSERT_THAT(again.data, SizeIs(1)) << "nobody knows what the worker has of it";
  EXPECT_EQ(again.data[0].outcome, Outcome::kSucceeded);
}

TEST_F(AheadTest, A09_ABrokerThatIsStartedAgainFindsOutWhatTheWorkerHasGoneOnWith) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  const AttemptId a = Of("a");
  const AttemptId b = Of("b");
  rig_.Restart();
  rig_.Clear();
  rig_.Join("w1", {.held = {{.attempt = a, .state = HeldState::kFinished},
                            {.attempt = b, .state = HeldState::kRunning, .task = {.run = rig_.run, .index = 1}}},
                   .takes_ahead = true});
  EXPECT_THAT(rig_.Last<Welcome>(rig_.workers.at("w1").peer)->keep, ElementsAre(a, b));
  rig_.workers.at("w1").reports = 0;
  ReportBoth(a, b);
  EXPECT_EQ(rig_.Run().state, RunState::kSucceeded);
  EXPECT_THAT(rig_.Sent<Assign>(rig_.workers.at("w1").peer), IsEmpty());
}

// The ids become those of attempts, of which there is one each.
TEST_F(AheadTest, A49_AnIdThatIsToldTwiceOrCannotBeIsNotTakenUp) {
  rig_.Submit(Job().Task("a").Task("b", "a").Task("c", "a").Task("d", "a").spec);
  const AttemptId a = Of("a");
  const AttemptId b = Of("b");
  rig_.Restart();
  rig_.Clear();
  const auto went_on = [this](AttemptId attempt, std::uint32_t index) {
    return Held{.attempt = attempt, .state = HeldState::kRunning, .task = {.run = rig_.run, .index = index}};
  };
  const AttemptId future{EpochQualified(1000, 1)};
  rig_.Join("w1", {.held = {{.attempt = a, .state = HeldState::kRunning},
                            went_on(b, 1),
                            went_on(b, 2),
                            went_on({}, 3),
                            went_on(future, 3)},
                   .takes_ahead = true});
  EXPECT_THAT(rig_.Last<Welcome>(rig_.workers.at("w1").peer)->keep, ElementsAre(a, b));
  rig_.workers.at("w1").reports = 0;
  ReportBoth(a, b);
  for (const char* name : {"c", "d"}) rig_.Succeed("w1", name);
  EXPECT_EQ(rig_.Run().state, RunState::kSucceeded);
}

TEST_F(AheadTest, A49_AnIdThatTwoWorkersTellIsTheAttemptOfTheFirst) {
  rig_.Join("w2", {.cpus = 1, .takes_ahead = true});
  rig_.Submit(Job().Task("a").Task("b", "a").Task("c").Task("d", "c").spec);
  const AttemptId a = Of("a");
  const AttemptId b = Of("b");
  const AttemptId c = Of("c", "w2");
  rig_.Restart();
  rig_.Clear();
  const auto went_on = [&](std::uint32_t index) {
    return Held{.attempt = b, .state = HeldState::kRunning, .task = {.run = rig_.run, .index = index}};
  };
  rig_.Join("w1", {.held = {{.attempt = a, .state = HeldState::kFinished}, went_on(1)}, .takes_ahead = true});
  rig_.Join("w2", {.held = {{.attempt = c, .state = HeldState::kFinished}, went_on(3)}, .takes_ahead = true});
  EXPECT_THAT(rig_.Last<Welcome>(rig_.workers.at("w1").peer)->keep, ElementsAre(a, b));
  EXPECT_THAT(rig_.Last<Welcome>(rig_.workers.at("w2").peer)->keep, ElementsAre(c));
  EXPECT_THAT(rig_.Last<Welcome>(rig_.workers.at("w2").peer)->drop, ElementsAre(b));
  for (const char* name : {"w1", "w2"}) rig_.workers.at(name).reports = 0;
  ReportBoth(a, b);
  rig_.Report_("w2", Success(c, "c"));
  rig_.Succeed("w1", "d");
  EXPECT_EQ(rig_.Run().state, RunState::kSucceeded);
}

// The end of a is on disk, and that b followed from it is not: b is queued, and then found out. It leaves the queue
// from the middle.
TEST_F(AheadTest, A09_WhatWasFoundOutInTheQueueAndComesBackStandsThereOnce) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  const AttemptId b = Of("b");
  const RunId run = rig_.run;
  rig_.Succeed("w1", "a");
  rig_.journal.pop_back();
  rig_.Restart();
  Policy first;
  first.priority = 1;
  rig_.Submit(Job().Task("e", "", first).Task("f", "", first).Task("g", "", first).spec, 7);
  rig_.Join("w1", {.cpus = 1,
                   .held = {{.attempt = b, .state = HeldState::kRunning, .task = {.run = run, .index = 1}}},
                   .takes_ahead = true});
  ASSERT_THAT(rig_.Last<Welcome>(rig_.workers.at("w1").peer)->keep, ElementsAre(b));
  rig_.workers.at("w1").reports = 0;
  AttemptReport returned;
  returned.attempt = b;
  returned.kind = ReportKind::kReturned;
  rig_.Report_("w1", returned);
  rig_.AdvanceBeating(seconds(1));  // it does not come back at once
  for (const char* name : {"e", "f", "g", "b"}) rig_.Succeed("w1", name);
  rig_.run = run;
  EXPECT_EQ(rig_.Run().state, RunState::kSucceeded);
}

TEST_F(AheadTest, WhatWasCountedAndHasEndedIsNotFoundOutAgain) {
  Policy again;
  again.retries = 3;
  again.backoff = minutes(1);
  rig_.Submit(Job().Task("a").Task("b", "a", again).spec);
  const AttemptId b = Of("b");
  rig_.Succeed("w1", "a");
  Failure failure;
  failure.message = "exit code 1";
  AttemptReport failed;
  failed.attempt = b;
  failed.outcome = Outcome::kFailed;
  failed.failure = failure;
  rig_.Report_("w1", failed);
  rig_.Restart();
  rig_.Clear();
  rig_.Join("w1", {.held = {{.attempt = b, .state = HeldState::kFinished, .task = {.run = rig_.run, .index = 1}}},
                   .takes_ahead = true});
  EXPECT_THAT(rig_.Last<Welcome>(rig_.workers.at("w1").peer)->drop, ElementsAre(b));
}

TEST_F(AheadTest, OnTheSameSessionWhatItHasGoneOnWithIsKept) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  rig_.Ack("w1");
  const AttemptId a = Of("a");
  const AttemptId b = Of("b");
  rig_.Disconnect_("w1");
  rig_.Clear();
  rig_.Join("w1", {.held = {{.attempt = a, .state = HeldState::kFinished},
                            {.attempt = b, .state = HeldState::kRunning, .task = {.run = rig_.run, .index = 1}}},
                   .takes_ahead = true});
  EXPECT_THAT(rig_.Last<Welcome>(rig_.workers.at("w1").peer)->keep, ElementsAre(a, b));
  ReportBoth(a, b);
  EXPECT_EQ(rig_.Run().state, RunState::kSucceeded);
}

TEST_F(AheadTest, WhatItHasGivenUpAtItsHelloIsTakenBack) {
  rig_.Submit(Job().Task("a").Task("b", "a").spec);
  rig_.Ack("w1");
  const AttemptId a = Of("a");
  const AttemptId before = Of("b");
  rig_.Disconnect_("w1");
  rig_.Clear();
  rig_.Join("w1", {.held = {{.attempt = a, .state = HeldState::kRunning}}, .takes_ahead = true});
  AttemptReport success = Success(a, "a");
  rig_.Report_("w1", success);
  ASSERT_TRUE(Of("b").valid());
  EXPECT_NE(Of("b"), before);
  EXPECT_FALSE(Awaited("b").valid());
}

}  // namespace
}  // namespace millrace::sched
