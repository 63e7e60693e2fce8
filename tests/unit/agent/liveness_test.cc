// SPDX-License-Identifier: Apache-2.0
// Heartbeats, silence, and the pauses of the worker itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/rig.h"

namespace millrace::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(Liveness, BeatsStartWithinOneIntervalAndCarryTheWatermarks) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1), Rig::Task(2, 2)}));
  rig.PassAlive(seconds(21));
  const std::vector<Beat> beats = rig.Published<Beat>();
  ASSERT_GE(beats.size(), 4u);
  ASSERT_LE(beats.size(), 5u);
  for (std::size_t i = 1; i < beats.size(); ++i) EXPECT_GT(beats[i].number, beats[i - 1].number);
  EXPECT_EQ(beats.back().session, rig.session());
  EXPECT_EQ(beats.back().orders_through, 1u);
  EXPECT_EQ(beats.back().running, 1u);
  EXPECT_EQ(beats.back().queued, 1u);
}

TEST(Liveness, A50_AnIdleWorkerSaysNothingButHeartbeats) {
  Rig rig;
  rig.Attach();
  rig.PassAlive(minutes(10));
  EXPECT_LE(rig.Published<Beat>().size(), 121u);
  EXPECT_LE(rig.All<Send>().size(), 60u);
  EXPECT_EQ(rig.Sent<Beat>().size() + rig.Sent<Ping>().size(), rig.All<Send>().size());
  EXPECT_GE(rig.Sent<Ping>().size(), 10u) << "the control channel is proved as well";
}

TEST(Liveness, A12_WithoutBeaconsTheBeatsTakeTheControlChannelToo) {
  Rig rig;
  rig.Attach();
  for (int second = 0; second < 30; ++second) {
    rig.Pass(seconds(1));
    rig.Say(Pong{.nonce = 1});  // the control channel works
  }
  EXPECT_TRUE(rig.Noted("no heartbeat of the broker"));
  EXPECT_GE(rig.Sent<Beat>().size(), 3u);
  EXPECT_GE(rig.Published<Beat>().size(), 5u);
  rig.Clear();
  rig.HearBeacon();
  EXPECT_TRUE(rig.Noted("is back"));
}

TEST(Liveness, WithoutAHeartbeatPlaneBeatsAreControlMessages) {
  Rig rig;
  rig.Do(Connected{});
  Welcome welcome = rig.Terms();
  welcome.planes = {};
  rig.Greet(welcome);
  rig.Pass(seconds(9));
  EXPECT_THAT(rig.All<Publish>(), IsEmpty());
  EXPECT_THAT(rig.Sent<Beat>(), Not(IsEmpty()));
}

TEST(Liveness, PingsAreAnsweredAtOnce) {
  Rig rig;
  rig.Attach();
  rig.Say(Ping{.nonce = 77});
  ASSERT_THAT(rig.Sent<Pong>(), SizeIs(1));
  EXPECT_EQ(rig.Sent<Pong>()[0].nonce, 77u);
}

TEST(Liveness, OrdersOnTheHeartbeatChannelHaveNoAuthority) {
  Rig rig;
  rig.Attach();
  Assign assign = rig.Work({Rig::Task(1)});
  assign.session = rig.session();
  assign.number = 1;
  rig.Do(Heard{.message = assign, .on_heartbeat_channel = true});
  rig.Do(Heard{.message = Refused{.code = RefusalCode::kNotAllowed, .reason = "", .retryable = false},
               .on_heartbeat_channel = true});
  EXPECT_THAT(rig.Started(), IsEmpty());
  EXPECT_THAT(rig.All<Exit>(), IsEmpty());
}

TEST(Liveness, SilenceIsAskedAboutThenFencedThenDialledAgain) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1, 2), Rig::Task(2)}));
  rig.Pass(seconds(10));
  EXPECT_THAT(rig.Sent<Ping>(), SizeIs(1));
  EXPECT_THAT(rig.Sent<Hello>(), IsEmpty());
  rig.Pass(seconds(10));
  EXPECT_THAT(rig.Sent<Hello>(), SizeIs(1));
  rig.Clear();
  rig.Finish(0, 1);
  EXPECT_THAT(rig.Started(), IsEmpty()) << "nothing new while the broker may be gone";
  EXPECT_THAT(rig.Reports(), IsEmpty());
  EXPECT_THAT(rig.All<Reconnect>(), IsEmpty());
  rig.Pass(seconds(10));
  EXPECT_THAT(rig.All<Reconnect>(), SizeIs(1));
  rig.Do(Connected{});
  Welcome welcome = rig.Terms();
  welcome.keep = {AttemptId{1}, AttemptId{2}};
  rig.Greet(welcome);
  EXPECT_THAT(rig.Started(), ElementsAre(2));
  EXPECT_THAT(rig.Reports(), SizeIs(1));
}

TEST(Liveness, AfterSilenceABeaconAloneDoesNotLiftTheFence) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1, 2), Rig::Task(2)}));
  rig.Pass(seconds(20));
  rig.HearBeacon();
  rig.Finish(0, 1);
  EXPECT_THAT(rig.Started(), ElementsAre(1));
  rig.Greet(rig.Terms());
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2));
}

TEST(Liveness, A09_ABeaconOfANewEpochMeansHelloAgain) {
  Rig rig;
  rig.Attach(1, 3);
  rig.Pass(seconds(3));
  rig.Clear();
  rig.HearBeacon(2);  // late
  EXPECT_THAT(rig.Sent<Hello>(), IsEmpty());
  rig.HearBeacon(4);
  EXPECT_THAT(rig.Sent<Hello>(), SizeIs(1));
}

TEST(Liveness, A10_AWorkerThatStoodStillAsksBeforeItSpeaks) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1), Rig::Task(2), Rig::Task(3)}, std::chrono::hours(1)));
  rig.PassAlive(seconds(7));
  rig.Clear();
  rig.Freeze(minutes(20));  // longer than the lease, longer than broker_lost_timeout
  rig.Finish(0, 1);
  ASSERT_THAT(rig.All<Send>(), SizeIs(1));
  EXPECT_THAT(rig.Sent<Hello>(), SizeIs(1));
  EXPECT_THAT(rig.All<Publish>(), IsEmpty());
  EXPECT_THAT(rig.Started(), IsEmpty());
  EXPECT_THAT(rig.All<Exit>(), IsEmpty()) << "the silence was its own";
  rig.Clear();
  Welcome welcome = rig.Terms(2);
  welcome.drop = {AttemptId{1}, AttemptId{2}, AttemptId{3}};
  rig.Greet(welcome);
  ASSERT_THAT(rig.All<Terminate>(), SizeIs(1)) << "the children of refused attempts are stopped";
  EXPECT_THAT(rig.Started(), IsEmpty());
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].kind, ReportKind::kReturned) << "without its content";
}

// The broker counts it no more; a difference would be cleared up by one hello after the other.
TEST(Liveness, ABeatDoesNotCountWhatTheBrokerHasDisowned) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.PassAlive(seconds(7));
  ASSERT_THAT(rig.Published<Beat>(), Not(IsEmpty()));
  EXPECT_EQ(rig.Published<Beat>().back().running, 1u);
  Welcome welcome = rig.Terms(2);
  welcome.drop = {AttemptId{1}};
  rig.Greet(welcome);
  rig.Clear();
  rig.PassAlive(seconds(7));
  ASSERT_THAT(rig.Published<Beat>(), Not(IsEmpty()));
  EXPECT_EQ(rig.Published<Beat>().back().running, 0u) << "though it has not ended yet";
}

TEST(Liveness, APauseWithinTheLeaseIsNothing) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Clear();
  rig.Freeze(seconds(15));
  rig.Finish(0, 1);
  EXPECT_THAT(rig.Sent<Hello>(), IsEmpty());
  EXPECT_THAT(rig.Reports(), SizeIs(1));
}

TEST(Liveness, ADeafControlChannelIsFoundOutThoughBeaconsCome) {
  Rig rig;
  rig.Attach();
  const auto pass_with_beacons = [&rig](int seconds_to_pass) {
    for (int second = 0; second < seconds_to_pass; ++second) {
      rig.Pass(seconds(1));
      rig.HearBeacon();
    }
  };
  pass_with_beacons(29);
  EXPECT_THAT(rig.Sent<Hello>(), IsEmpty());
  pass_with_beacons(1);
  EXPECT_THAT(rig.Sent<Hello>(), SizeIs(1));
  pass_with_beacons(31);
  EXPECT_THAT(rig.All<Reconnect>(), SizeIs(1));
}

}  // namespace
}  // namespace millrace::agent
