// SPDX-License-Identifier: Apache-2.0
// How a worker leaves: drained by its broker or by a signal, or at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/unit/agent/rig.h"

namespace millrace::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Drain DrainOrder() { return {.session = {}, .number = 0, .reason = "zmqctl drain"}; }

TEST(Leaving, A28_DrainFinishesItsOwnTakesNothingNewAndExitsZero) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1, 2), Rig::Task(2)}, std::chrono::hours(1)));
  rig.Give(DrainOrder());
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].attempt, AttemptId{2});
  EXPECT_EQ(rig.Reports()[0].kind, ReportKind::kReturned);
  rig.GiveTask(3);  // was on its way
  ASSERT_THAT(rig.Reports(), SizeIs(2));
  EXPECT_EQ(rig.Reports()[1].kind, ReportKind::kReturned);
  EXPECT_THAT(rig.Started(), ElementsAre(1));
  rig.Record(2);
  rig.PassAlive(minutes(5));
  EXPECT_THAT(rig.All<Terminate>(), IsEmpty());
  rig.Finish(0, 1, Outcome::kFailed);
  EXPECT_THAT(rig.All<Exit>(), IsEmpty()) << "not before its reports are recorded";
  rig.Record(3);
  ASSERT_THAT(rig.Sent<Goodbye>(), SizeIs(1));
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_EQ(rig.All<Exit>()[0].code, 0);
  EXPECT_EQ(rig.agent().NextWake(), kNever);
}

TEST(Leaving, ASignalTellsTheBrokerAndWaitsForItsAnswer) {
  Rig rig;
  rig.Attach();
  rig.Do(StopAsked{StopKind::kDrain});
  ASSERT_THAT(rig.Sent<Hello>(), SizeIs(1));
  EXPECT_TRUE(rig.Sent<Hello>()[0].draining);
  EXPECT_THAT(rig.All<Exit>(), IsEmpty());
  rig.Greet(rig.Terms());
  EXPECT_THAT(rig.Sent<Goodbye>(), SizeIs(1));
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_EQ(rig.All<Exit>()[0].code, 0);
}

TEST(Leaving, ASignalStopsWhatRunsAfterDrainTimeoutAndReportsNothingOfIt) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1), Rig::Task(2)}, std::chrono::hours(1)));
  rig.Do(StopAsked{StopKind::kDrain});
  rig.Greet(rig.Terms());
  rig.Clear();
  rig.PassAlive(seconds(59));
  EXPECT_THAT(rig.All<Terminate>(), IsEmpty());
  rig.PassAlive(seconds(1));
  EXPECT_THAT(rig.All<Terminate>(), SizeIs(2));
  rig.Finish(0, 1, Outcome::kFailed);                  // the TERM's doing
  rig.Finish(1, 2, Outcome::kSucceeded, seconds(59));  // made it
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].attempt, AttemptId{2});
  rig.GiveTask(1);  // the broker believes that it was lost; it did start here
  EXPECT_THAT(rig.Reports(), SizeIs(1));
  rig.Record(1);
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_EQ(rig.All<Exit>()[0].code, 0);
  EXPECT_THAT(rig.Sent<Goodbye>(), SizeIs(1));
}

TEST(Leaving, WithoutABrokerAnEmptyWorkerLeavesAtOnce) {
  Rig rig;
  rig.Do(StopAsked{StopKind::kDrain});
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_EQ(rig.All<Exit>()[0].code, 0);
}

TEST(Leaving, WithoutABrokerUnrecordedReportsAreWaitedForAndThenMissed) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Do(Disconnected{"x"});
  rig.Do(StopAsked{StopKind::kDrain});
  rig.Finish(0, 1);
  rig.Pass(seconds(60));
  EXPECT_THAT(rig.All<Exit>(), IsEmpty());
  rig.Pass(seconds(11));
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_EQ(rig.All<Exit>()[0].code, 75);
  EXPECT_THAT(rig.All<Exit>()[0].reason, HasSubstr("1 reports were not recorded"));
}

TEST(Leaving, ASecondSignalKillsSaysGoodbyeAndLeavesWhenTheSlotsAreGone) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1), Rig::Task(2), Rig::Task(3)}));
  rig.Do(StopAsked{StopKind::kDrain});
  rig.Clear();
  rig.Do(StopAsked{StopKind::kNow});
  EXPECT_THAT(rig.All<Kill>(), SizeIs(2));
  EXPECT_THAT(rig.Sent<Goodbye>(), SizeIs(1));
  rig.Do(SlotDied{.slot = 0, .exit_code = 0, .signal = SIGKILL});
  EXPECT_THAT(rig.All<Exit>(), IsEmpty());
  rig.Do(SlotDied{.slot = 1, .exit_code = 0, .signal = SIGKILL});
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_EQ(rig.All<Exit>()[0].code, 130);
  EXPECT_THAT(rig.Reports(), IsEmpty());
}

TEST(Leaving, SlotsThatWillNotDieDoNotHoldAnExitForLong) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Do(StopAsked{StopKind::kNow});
  rig.Pass(milliseconds(1999));
  EXPECT_THAT(rig.All<Exit>(), IsEmpty());
  rig.Pass(milliseconds(1));
  EXPECT_THAT(rig.All<Exit>(), SizeIs(1));
}

TEST(Leaving, AfterTheExitNothingHappensAnyMore) {
  Rig rig;
  rig.Do(StopAsked{StopKind::kNow});
  rig.Clear();
  rig.Do(Connected{});
  rig.Do(StopAsked{StopKind::kNow});
  rig.Pass(minutes(30));
  EXPECT_THAT(rig.All<Exit>(), IsEmpty());
  EXPECT_THAT(rig.All<Send>(), IsEmpty());
}

TEST(Leaving, A05_ARefusedWorkerStopsItsChildrenFirst) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Do(Connected{});
  rig.Say(Refused{.code = RefusalCode::kVersion, .reason = "broker speaks 2 to 3", .retryable = false});
  EXPECT_THAT(rig.All<Terminate>(), SizeIs(1));
  EXPECT_THAT(rig.All<Exit>(), IsEmpty());
  rig.Pass(seconds(5));
  EXPECT_THAT(rig.All<Kill>(), SizeIs(1));
  rig.Do(SlotDied{.slot = 0, .exit_code = 0, .signal = SIGKILL});
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_EQ(rig.All<Exit>()[0].code, 76);
}

}  // namespace
}  // namespace millrace::agent
