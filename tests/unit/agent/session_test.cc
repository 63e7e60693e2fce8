// SPDX-License-Identifier: Apache-2.0
// How a worker comes under a broker, stays under it, and comes back with what it holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/unit/agent/rig.h"

namespace millrace::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

Held HeldAs(std::uint64_t attempt, HeldState state) { return {.attempt = AttemptId{attempt}, .state = state}; }

TEST(Session, HelloComesFirstAndIsRepeatedUntilItIsAnswered) {
  Rig rig;
  rig.Do(Connected{});
  ASSERT_THAT(rig.Sent<Hello>(), SizeIs(1));
  const Hello hello = rig.Sent<Hello>()[0];
  EXPECT_EQ(hello.name, "w1");
  EXPECT_EQ(hello.incarnation, Incarnation{7});
  EXPECT_EQ(hello.offer.cpus, 2);
  EXPECT_EQ(hello.first_report, 1u);
  rig.Pass(seconds(4));
  EXPECT_THAT(rig.Sent<Hello>(), SizeIs(3));
  rig.Greet(rig.Terms());
  rig.Clear();
  rig.PassAlive(seconds(60));
  EXPECT_THAT(rig.Sent<Hello>(), IsEmpty());
}

TEST(Session, A06_AWorkerThatWasAwayComesBackWithWhatItHolds) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1), Rig::Task(2), Rig::Task(3), Rig::Task(4)}));
  rig.Do(Disconnected{"reset by peer"});
  EXPECT_TRUE(rig.Noted("reset by peer"));
  rig.Clear();
  rig.Finish(0, 1);  // made while away
  EXPECT_THAT(rig.Sent<Report>(), IsEmpty());
  EXPECT_THAT(rig.Started(), ElementsAre(3)) << "work goes on";
  rig.Pass(seconds(1));
  EXPECT_THAT(rig.All<Reconnect>(), Not(IsEmpty()));
  rig.Clear();
  rig.Do(Connected{});
  ASSERT_THAT(rig.Sent<Hello>(), SizeIs(1));
  EXPECT_THAT(rig.Sent<Hello>()[0].held, ElementsAre(HeldAs(1, HeldState::kFinished), HeldAs(3, HeldState::kRunning),
                                                     HeldAs(2, HeldState::kRunning), HeldAs(4, HeldState::kQueued)));
  EXPECT_THAT(rig.Sent<Report>(), IsEmpty()) << "not before the broker knows who speaks";
  Welcome welcome = rig.Terms();
  for (const std::uint64_t attempt : {1, 2, 3, 4}) welcome.keep.push_back(AttemptId{attempt});
  rig.Greet(welcome);
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].attempt, AttemptId{1});
  EXPECT_THAT(rig.All<Terminate>(), IsEmpty());
  // The session is the same, and so is the count of its orders.
  rig.GiveTask(5);
  rig.Finish(1, 2);
  rig.Finish(0, 3);
  EXPECT_THAT(rig.Started(), ElementsAre(4, 5));
}

TEST(Session, A09_ANewBrokerAdoptsWhatItKeepsAndTheRestIsStopped) {
  Rig rig;
  rig.Attach(1, 1);
  rig.Give(rig.Work({Rig::Task(1), Rig::Task(2), Rig::Task(3), Rig::Task(4)}));
  rig.Do(Disconnected{"gone"});
  rig.Finish(0, 1);
  rig.Do(Connected{});
  rig.Clear();
  Welcome welcome = rig.Terms(1, 2);
  welcome.keep = {AttemptId{3}};
  welcome.drop = {AttemptId{1}, AttemptId{2}, AttemptId{4}};
  rig.Greet(welcome);
  ASSERT_THAT(rig.All<Terminate>(), SizeIs(1));
  EXPECT_EQ(rig.All<Terminate>()[0].attempt, AttemptId{2});
  // Report 1 keeps its number but carries nothing: nobody wants it.
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].kind, ReportKind::kReturned);
  rig.Record(1);
  rig.Clear();
  rig.Pass(seconds(5));
  EXPECT_THAT(rig.All<Kill>(), SizeIs(1));
  rig.Do(SlotDied{.slot = 1, .exit_code = 0, .signal = SIGKILL});
  EXPECT_THAT(rig.Reports(), IsEmpty()) << "no report of what is not ours";
  rig.GiveTask(9);  // the new session's first order
  rig.Finish(0, 3);
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Sent<Report>().back().first_number, 2u);
  EXPECT_EQ(rig.Sent<Report>().back().orders_through, 1u);
}

TEST(Session, AnAttemptTheNewSessionDoesNotMentionIsNotOurs) {
  Rig rig;
  rig.Attach(1);
  rig.Do(Connected{});  // the hello leaves...
  rig.GiveTask(1);      // ...and crosses an order of the session that is already lost
  rig.Clear();
  rig.Greet(rig.Terms(2));
  EXPECT_THAT(rig.All<Terminate>(), SizeIs(1));
}

TEST(Session, OrdersAreTakenInOrderOnceAndFromOurSessionOnly) {
  Rig rig;
  rig.Attach();
  Assign first = rig.Work({Rig::Task(1, 0)}), second = rig.Work({Rig::Task(2, 0)}), third = rig.Work({Rig::Task(3, 0)});
  first.number = 1, second.number = 2, third.number = 3;
  first.session = second.session = third.session = rig.session();
  rig.Say(second);
  EXPECT_THAT(rig.Started(), IsEmpty());
  ASSERT_THAT(rig.Sent<Report>(), SizeIs(1)) << "the gap is told at once";
  EXPECT_THAT(rig.Sent<Report>()[0].reports, IsEmpty());
  EXPECT_EQ(rig.Sent<Report>()[0].orders_through, 0u);
  rig.Say(third);
  EXPECT_THAT(rig.Sent<Report>(), SizeIs(1)) << "but not for every order behind it";
  Assign foreign = first;
  foreign.session = SessionId{99};
  rig.Say(foreign);
  EXPECT_THAT(rig.Started(), IsEmpty());
  for (const Assign& order : {first, second, third, second, first}) rig.Say(order);
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2, 3));
  rig.Pass(milliseconds(49));
  EXPECT_THAT(rig.Sent<Report>(), SizeIs(1));
}

TEST(Session, ADuplicateOfAHeldAttemptIsIgnored) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1, 2), Rig::Task(2)}));
  rig.Give(rig.Work({Rig::Task(1, 2), Rig::Task(2), Rig::Task(3)}));
  rig.Finish(0, 1);
  rig.Give(rig.Work({Rig::Task(1)}));  // reported, not yet recorded
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2, 3));
}

TEST(Session, LateWelcomesOfOlderSessionsAreIgnored) {
  Rig rig;
  rig.Attach(5, 2);
  rig.GiveTask(1);
  rig.Say(rig.Terms(9, 1));
  rig.Say(rig.Terms(4, 2));
  EXPECT_THAT(rig.All<Terminate>(), IsEmpty());
  rig.GiveTask(2);
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2));
}

TEST(Session, A49_ADuplicateIdIsRefusedAndEndsTheNewcomer) {
  const std::pair<RefusalCode, int> cases[] = {{RefusalCode::kDuplicateWorker, 78},
                                               {RefusalCode::kVersion, 76},
                                               {RefusalCode::kNotAllowed, 77},
                                               {RefusalCode::kMalformed, 70}};
  for (const auto& [refusal, code] : cases) {
    Rig rig;
    rig.Do(Connected{});
    rig.Say(Refused{.code = refusal, .reason = "worker id 'w1' is held by host-b", .retryable = false});
    ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
    EXPECT_EQ(rig.All<Exit>()[0].code, code);
    EXPECT_THAT(rig.All<Exit>()[0].reason, HasSubstr("held by host-b"));
    EXPECT_EQ(rig.agent().NextWake(), kNever);
  }
}

TEST(Session, A47_AProtocolWeDoNotSpeakEndsTheWorkerWithBothVersions) {
  Rig rig;
  rig.Do(Connected{});
  Welcome welcome = rig.Terms();
  welcome.protocol = kProtocolNewest + 1;
  rig.Greet(welcome);
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_EQ(rig.All<Exit>()[0].code, 76);
  EXPECT_THAT(rig.All<Exit>()[0].reason, HasSubstr("protocol 2; this worker speaks 1 to 1"));
}

TEST(Session, ALateRefusalDoesNotEndAnAttachedWorker) {
  Rig rig;
  rig.Attach();
  rig.Say(Refused{.code = RefusalCode::kDuplicateWorker, .reason = "late", .retryable = false});
  EXPECT_THAT(rig.All<Exit>(), IsEmpty());
}

TEST(Session, AnUnknownSessionMeansHelloAgainButNotAStormOfThem) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Pass(seconds(3));
  rig.Clear();
  for (int i = 0; i < 5; ++i) {
    rig.Say(Refused{.code = RefusalCode::kUnknownSession, .reason = "who?", .retryable = true});
  }
  EXPECT_THAT(rig.Sent<Hello>(), SizeIs(1));
  rig.Clear();
  rig.Greet(rig.Terms(2));
  rig.Say(Refused{.code = RefusalCode::kUnknownSession, .reason = "who?", .retryable = true});
  EXPECT_THAT(rig.Sent<Hello>(), IsEmpty());
  rig.Pass(seconds(2));
  EXPECT_THAT(rig.Sent<Hello>(), SizeIs(1));
}

TEST(Session, ABrokerThatShutsDownIsDialledAgainWhileWorkGoesOn) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Say(Refused{.code = RefusalCode::kShuttingDown, .reason = "restart", .retryable = true});
  EXPECT_THAT(rig.All<Exit>(), IsEmpty());
  rig.Pass(seconds(30));
  EXPECT_THAT(rig.All<Reconnect>(), Not(IsEmpty()));
  EXPECT_THAT(rig.All<Terminate>(), IsEmpty());
}

TEST(Session, A06_WhatAHelloHasSaidIsUnrecordedIsSaidAgainToANewSession) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Finish(0, 1);
  rig.Pass(seconds(3));
  rig.Say(Refused{.code = RefusalCode::kUnknownSession, .reason = "x", .retryable = true});
  ASSERT_THAT(rig.Sent<Hello>(), Not(IsEmpty()));
  EXPECT_EQ(rig.Sent<Hello>().back().first_report, 1u);
  rig.Record(1);  // by the old session, and long on its way
  rig.Clear();
  Welcome welcome = rig.Terms(2);
  welcome.drop.push_back({1});
  rig.Greet(welcome);
  rig.Pass(seconds(1));
  ASSERT_THAT(rig.Sent<Report>(), Not(IsEmpty()));
  EXPECT_EQ(rig.Sent<Report>().front().first_number, 1u);
}

TEST(Session, A05_DiallingBacksOffAndEndsAfterABound) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1)}, std::chrono::hours(2)));
  rig.Clear();
  Instant last = rig.now();
  std::vector<Duration> waits;
  for (int tries = 0; tries < 10; ++tries) {
    rig.Do(Disconnected{"refused"});
    while (rig.All<Reconnect>().empty()) rig.Pass(milliseconds(1));
    waits.push_back(rig.now() - last);
    last = rig.now();
    rig.Clear();
  }
  EXPECT_LT(waits[0], milliseconds(310));
  EXPECT_GT(waits[9], seconds(4));
  EXPECT_LT(waits[9], seconds(16));
  rig.Clear();
  rig.Pass(minutes(10));
  ASSERT_THAT(rig.All<Terminate>(), SizeIs(1)) << "its children are stopped";
  rig.Do(SlotDied{.slot = 0, .exit_code = 0, .signal = SIGTERM});
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_EQ(rig.All<Exit>()[0].code, 75);
  EXPECT_THAT(rig.All<Exit>()[0].reason, HasSubstr("nothing heard of a broker for 10m00s"));
}

TEST(Session, G_AnIdleWorkerDoesNotHangForEverAfterItsMasterDied) {
  Rig rig;
  rig.Attach();
  rig.Pass(minutes(9));
  EXPECT_THAT(rig.All<Exit>(), IsEmpty());
  rig.Pass(minutes(2));
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_EQ(rig.All<Exit>()[0].code, 75);
}

TEST(Session, G_AWorkerThatReconnectsTakesWorkAgain) {
  Rig rig;
  rig.Attach();
  for (std::uint32_t round = 2; round < 6; ++round) {
    rig.Do(Disconnected{"x"});
    rig.Pass(seconds(3));
    rig.Attach(round);
    rig.GiveTask(round);
    EXPECT_THAT(rig.Started(), ElementsAre(round));
    rig.Finish(0, round);
    EXPECT_THAT(rig.Reports(), SizeIs(1));
    rig.Record(round - 1);
  }
}

}  // namespace
}  // namespace millrace::agent
