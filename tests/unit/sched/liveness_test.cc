// SPDX-License-Identifier: Apache-2.0
// Leases, heartbeats, retransmission, and our own sleep.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(LivenessTest, A01_AProvenDeathIsNoticedAtOnceAndNamesWorkerAndTasks) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("compile").spec);
  rig.Die("w1");
  EXPECT_THAT(rig.Notes(), HasSubstr("worker w1"));
  EXPECT_THAT(rig.Notes(), HasSubstr("its tasks: compile"));
  rig.Join("w2");
  EXPECT_TRUE(rig.AttemptOf("w2", "compile").valid());
}

TEST(LivenessTest, A06_AwayKeepsItsAttemptsForALeaseAndNoLonger) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  rig.Join("w2");
  rig.Disconnect_("w1");
  rig.AdvanceBeating(seconds(29));
  EXPECT_FALSE(rig.AttemptOf("w2", "a").valid());
  EXPECT_THAT(rig.Ask(QueryKind::kBroker).broker.at(0).warnings.at(0), HasSubstr("w1 has lost its connection"));
  rig.AdvanceBeating(seconds(2));
  EXPECT_TRUE(rig.AttemptOf("w2", "a").valid());
}

TEST(LivenessTest, BeatsKeepAWorkerAndOldOnesDoNot) {
  Rig rig;
  Rig::Worker& worker = rig.Join("w1");
  const Beat beat{.session = worker.session, .incarnation = worker.incarnation, .number = 1};
  rig.Advance(seconds(20));
  rig.Step(Heard{.peer = {}, .message = beat, .on_heartbeat_channel = true});
  rig.Say(worker.peer, Pong{.nonce = rig.Last<Ping>(worker.peer).value().nonce});
  rig.Advance(seconds(20));
  EXPECT_EQ(rig.scheduler->Workers(rig.now).at(0).state, WorkerState::kIdle);
  rig.Step(Heard{.peer = {}, .message = beat, .on_heartbeat_channel = true});
  rig.Advance(seconds(11));
  EXPECT_EQ(rig.scheduler->Workers(rig.now).at(0).state, WorkerState::kLost) << "the same beat again proves nothing";
  // "A late heartbeat of an expired worker crashes the broker": this one only asks for a hello.
  rig.Clear();
  rig.Step(Heard{.peer = {},
                 .message = Beat{.session = worker.session, .incarnation = worker.incarnation, .number = 2},
                 .on_heartbeat_channel = true});
  EXPECT_EQ(rig.Last<Refused>(worker.peer)->code, RefusalCode::kUnknownSession);
  EXPECT_TRUE(rig.Last<Refused>(worker.peer)->retryable);
}

TEST(LivenessTest, A12_ASilentHeartbeatChannelIsReportedAndIsNoLoss) {
  Config config = TestConfig();
  config.planes.heartbeat = "tcp://b:8081";
  Rig rig(config);
  rig.Join("w1");
  rig.AdvanceBeating(seconds(60));  // over the control channel
  EXPECT_TRUE(rig.scheduler->Workers(rig.now).at(0).heartbeat_degraded);
  EXPECT_THAT(rig.Notes(), HasSubstr("heartbeat channel of worker w1"));
  EXPECT_THAT(rig.scheduler->Broker(rig.now).warnings.at(0), HasSubstr("heartbeat channel"));
}

TEST(LivenessTest, ASilentWorkerIsPingedAndAPongKeepsIt) {
  Rig rig;
  const PeerId peer = rig.Join("w1").peer;
  for (int i = 0; i < 10; ++i) {
    rig.Clear();
    rig.Advance(seconds(11));
    const auto ping = rig.Last<Ping>(peer);
    ASSERT_TRUE(ping.has_value());
    rig.Say(peer, Pong{.nonce = ping->nonce});
  }
  EXPECT_EQ(rig.scheduler->Workers(rig.now).at(0).state, WorkerState::kIdle);
}

// Half-open: what it publishes arrives, and nothing of what is said on the control channel, one way or both.
TEST(LivenessTest, A01_BeatsAloneKeepNobodyBeyondALease) {
  Config config = TestConfig();
  config.planes.heartbeat = "tcp://b:8081";
  Rig rig(config);
  Rig::Worker& worker = rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  rig.Join("w2");
  Beat beat{.session = worker.session, .incarnation = worker.incarnation, .number = 0};
  const PeerId peer = worker.peer;
  worker.silent = true;
  for (int second = 1; second <= 49; ++second) {
    rig.AdvanceBeating(seconds(1));
    ++beat.number;
    rig.Step(Heard{.peer = {}, .message = beat, .on_heartbeat_channel = true});
  }
  EXPECT_FALSE(rig.AttemptOf("w2", "a").valid());
  EXPECT_FALSE(rig.Sent<Ping>(peer).empty()) << "it could have answered";
  rig.AdvanceBeating(seconds(2));
  EXPECT_TRUE(rig.AttemptOf("w2", "a").valid());
  EXPECT_THAT(rig.Notes(), HasSubstr("was silent for more than 30.0s, but for its heartbeats"));
}

// It has said nothing for a while on the control channel, since there was nothing to say, when all goes dark.
TEST(LivenessTest, A06_ASilenceOfLessThanALeaseIsNothingWheneverItBegins) {
  Config config = TestConfig();
  config.planes.heartbeat = "tcp://b:8081";
  Rig rig(config);
  const Rig::Worker worker = rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  Beat beat{.session = worker.session, .incarnation = worker.incarnation, .number = 0};
  for (int second = 1; second < 20; ++second) {
    rig.Advance(seconds(1));
    ++beat.number;
    rig.Step(Heard{.peer = {}, .message = beat, .on_heartbeat_channel = true});
  }
  rig.Advance(seconds(29));
  EXPECT_EQ(rig.scheduler->Workers(rig.now).at(0).state, WorkerState::kBusy);
  rig.Say(worker.peer, Pong{.nonce = rig.Last<Ping>(worker.peer).value().nonce});
  rig.Advance(seconds(29));
  EXPECT_EQ(rig.scheduler->Workers(rig.now).at(0).state, WorkerState::kBusy);
  rig.Advance(seconds(2));
  EXPECT_EQ(rig.scheduler->Workers(rig.now).at(0).state, WorkerState::kLost);
}

TEST(LivenessTest, A06_AWorkerThatHasForgottenAnAttemptIsAskedAndGetsItAgain) {
  Rig rig;
  Rig::Worker& worker = rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  rig.Ack("w1");
  const AttemptId attempt = rig.AttemptOf("w1", "a");
  const PeerId peer = worker.peer;
  rig.AdvanceBeating(seconds(5));
  EXPECT_TRUE(rig.Sent<Refused>(peer).empty()) << "what it says adds up";
  worker.holds = 0;
  rig.AdvanceBeating(seconds(1));
  EXPECT_TRUE(rig.Sent<Refused>(peer).empty()) << "once may be a matter of timing";
  rig.AdvanceBeating(seconds(1));
  ASSERT_EQ(rig.Sent<Refused>(peer).size(), 1u);
  EXPECT_TRUE(rig.Last<Refused>(peer)->retryable);
  EXPECT_THAT(rig.Notes(), HasSubstr("holds 0 attempts and should hold 1"));
  rig.Clear();
  rig.Join("w1");
  EXPECT_EQ(rig.AttemptOf("w1", "a"), attempt);
}

TEST(LivenessTest, OrdersOrReportsOnTheirWayAreNoDisagreement) {
  Rig rig;
  Rig::Worker& worker = rig.Join("w1");
  worker.holds = 0;
  rig.Submit(Job().Task("a").spec);
  rig.AdvanceBeating(seconds(10));  // it has not taken the order
  EXPECT_TRUE(rig.Sent<Refused>(worker.peer).empty());
  rig.Ack("w1");
  worker.reports = 1;  // made, and not here yet
  rig.AdvanceBeating(seconds(10));
  EXPECT_TRUE(rig.Sent<Refused>(worker.peer).empty());
}

TEST(LivenessTest, OurOwnSleepExtendsTheLeases) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  rig.now += minutes(3);  // without a single wake-up
  rig.Step(Tick{});
  EXPECT_THAT(rig.Notes(), HasSubstr("stalled"));
  EXPECT_EQ(rig.Task("a").state, TaskState::kAssigned);
  rig.Advance(seconds(31));
  EXPECT_NE(rig.Task("a").state, TaskState::kAssigned);
}

TEST(LivenessTest, WhenMostFallSilentAtOnceTheyGetAnotherInterval) {
  Rig rig;
  for (int i = 0; i < 6; ++i) rig.Join("w" + std::to_string(i));
  rig.Advance(seconds(31));
  EXPECT_EQ(rig.scheduler->Broker(rig.now).workers, 6u);
  EXPECT_THAT(rig.Notes(), HasSubstr("6 of 6 workers fell silent at once"));
  rig.AdvanceBeating(seconds(10));
  EXPECT_EQ(rig.scheduler->Broker(rig.now).workers, 6u) << "they were there after all";
  rig.Advance(seconds(70));
  EXPECT_EQ(rig.scheduler->Broker(rig.now).workers, 0u) << "but not for ever";
}

TEST(LivenessTest, OrdersComeAgainUntilTheyAreAcknowledged) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  const PeerId peer = rig.workers["w1"].peer;
  ASSERT_EQ(rig.Sent<Assign>(peer).size(), 1u);
  rig.AdvanceBeating(seconds(6));
  const std::vector<Assign> assigns = rig.Sent<Assign>(peer);
  ASSERT_EQ(assigns.size(), 2u);
  EXPECT_EQ(assigns[0], assigns[1]) << "same number, same content";
  rig.Ack("w1");
  rig.AdvanceBeating(seconds(20));
  EXPECT_EQ(rig.Sent<Assign>(peer).size(), 2u);
}

TEST(LivenessTest, LostWorkersAreForgottenInTime) {
  Rig rig;
  rig.Join("w1");
  rig.Die("w1");
  EXPECT_EQ(rig.scheduler->Workers(rig.now).size(), 1u);
  rig.Advance(seconds(61));
  EXPECT_EQ(rig.scheduler->Workers(rig.now).size(), 0u);
}

TEST(LivenessTest, A50_AnIdleBrokerOnlyBeats) {
  Rig rig;
  for (int i = 0; i < 20; ++i) rig.Join("w" + std::to_string(i));
  rig.AdvanceBeating(seconds(10));
  rig.Clear();
  rig.AdvanceBeating(seconds(60));
  for (const Action& action : rig.actions) {
    const Broadcast* broadcast = std::get_if<Broadcast>(&action.body);
    ASSERT_TRUE(broadcast != nullptr && std::holds_alternative<Beacon>(broadcast->message));
  }
  EXPECT_EQ(rig.actions.size(), 12u) << "one every five seconds";
}

TEST(LivenessTest, ManyWorkersBeatMoreSlowly) {
  Rig rig;
  for (int i = 0; i < 400; ++i) rig.Join("w" + std::to_string(i), {.incarnation = static_cast<std::uint64_t>(i) + 1});
  EXPECT_EQ(rig.Last<Welcome>(rig.workers["w0"].peer)->heartbeat_interval, seconds(5));
  EXPECT_EQ(rig.Last<Welcome>(rig.workers["w399"].peer)->heartbeat_interval, seconds(8));
}

TEST(LivenessTest, A49_AHolderThatReconnectsWhileItIsDoubtedKeepsItsName) {
  Rig rig;
  rig.Join("w1");
  Hello twin;
  twin.name = "w1";
  twin.incarnation = {77};
  rig.Say(PeerId{500}, twin);
  EXPECT_THAT(rig.Sent<Refused>(PeerId{500}), ::testing::IsEmpty()) << "the holder is asked first";
  rig.Join("w1");
  EXPECT_EQ(rig.Last<Refused>(PeerId{500})->code, RefusalCode::kDuplicateWorker);
  EXPECT_THAT(rig.Last<Refused>(PeerId{500})->reason, HasSubstr("host-w1"));
}

}  // namespace
}  // namespace millrace::sched
