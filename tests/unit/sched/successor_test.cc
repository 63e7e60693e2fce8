// SPDX-License-Identifier: Apache-2.0
// What a worker's process had finished and could not tell any more, its next process has on its disk. The old session
// may be in any state when that one says hello.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Hello HelloOf(const std::string& name, std::uint64_t incarnation) {
  Hello hello;
  hello.name = name;
  hello.incarnation = {incarnation};
  hello.offer.os = "linux";
  hello.offer.cpus = 2;
  hello.offer.modules.push_back({.name = "work", .fingerprint = 0});
  return hello;
}

class SuccessorTest : public testing::Test {
 protected:
  SuccessorTest() {
    rig_.Join("w1", {.cpus = 2});
    rig_.Submit(Job(FailMode::kKeepGoing).Task("done").Task("running").spec);
    done_ = rig_.AttemptOf("w1", "done");
    running_ = rig_.AttemptOf("w1", "running");
    rig_.Ack("w1");
  }
  WorkerSpec Successor() const {
    return {.cpus = 2, .incarnation = 77, .held = {{.attempt = done_, .state = HeldState::kFinished}}};
  }
  AttemptReport Success() const {
    AttemptReport report;
    report.attempt = done_;
    report.outcome = Outcome::kSucceeded;
    report.result = {.bytes = Bytes("kept"), .digest = {}, .size = 4};
    return report;
  }
  // It is welcomed with what it holds, reports it, and only what ran is tried again.
  void Goes() {
    EXPECT_THAT(rig_.Last<Welcome>(rig_.workers["w1"].peer).value().keep, ElementsAre(done_));
    rig_.workers["w1"].reports = 0;
    rig_.Report_("w1", Success());
    EXPECT_EQ(rig_.Task("done").outcome, Outcome::kSucceeded);
    rig_.Succeed("w1", "running");
    EXPECT_EQ(rig_.Run().state, RunState::kSucceeded);
    for (const Record& record : rig_.journal) {
      const auto* ended = std::get_if<AttemptEnded>(&record);
      EXPECT_TRUE(ended == nullptr || ended->attempt == running_) << "the finished one was never lost";
    }
  }

  Rig rig_;
  AttemptId done_;
  AttemptId running_;
};

TEST_F(SuccessorTest, A09_AfterARestartOfTheBroker) {
  rig_.Restart();
  rig_.Clear();
  rig_.Join("w1", Successor());
  Goes();
}

TEST_F(SuccessorTest, A06_WhileTheOldSessionIsAway) {
  rig_.Disconnect_("w1");
  rig_.Clear();
  rig_.Join("w1", Successor());
  Goes();
}

TEST_F(SuccessorTest, A06_WhileTheOldSessionSeemsToLive) {
  rig_.Clear();
  rig_.Join("w1", Successor());
  EXPECT_FALSE(rig_.Last<Welcome>(rig_.workers["w1"].peer).has_value()) << "the holder is asked first";
  rig_.Advance(seconds(2));
  rig_.workers["w1"].session = rig_.Last<Welcome>(rig_.workers["w1"].peer).value().session;
  Goes();
}

TEST_F(SuccessorTest, A06_WhenTheDeathOfTheOldProcessIsProvenWhileItIsAsked) {
  const PeerId old = rig_.workers["w1"].peer;
  rig_.Clear();
  rig_.Join("w1", Successor());
  rig_.Step(PeerGone{.peer = old, .process_dead = true});
  rig_.workers["w1"].session = rig_.Last<Welcome>(rig_.workers["w1"].peer).value().session;
  Goes();
}

TEST_F(SuccessorTest, OnTheVeryConnectionOfTheOldOne) {
  const PeerId peer = rig_.workers["w1"].peer;
  rig_.Clear();
  Hello hello = HelloOf("w1", 77);
  hello.held = Successor().held;
  rig_.Say(peer, hello);
  rig_.workers["w1"].session = rig_.Last<Welcome>(peer).value().session;
  Goes();
}

// Its end was recorded when its process was found dead: it is over, and its task may run elsewhere by now.
TEST_F(SuccessorTest, A07_WhatWasGivenUpBeforeItsWorkerCameBackIsDropped) {
  rig_.Die("w1");
  rig_.Clear();
  rig_.Join("w1", Successor());
  EXPECT_THAT(rig_.Last<Welcome>(rig_.workers["w1"].peer).value().drop, ElementsAre(done_));
  EXPECT_TRUE(rig_.AttemptOf("w1", "done").valid());
  EXPECT_NE(rig_.AttemptOf("w1", "done"), done_);
  rig_.workers["w1"].reports = 0;
  rig_.Report_("w1", Success());
  EXPECT_THAT(rig_.Last<Recorded>(rig_.workers["w1"].peer).value().dropped, ElementsAre(done_));
  EXPECT_EQ(rig_.Task("done").state, TaskState::kAssigned);
}

TEST_F(SuccessorTest, WhatItOnlySaysToRunIsNotItsOwn) {
  rig_.Disconnect_("w1");
  rig_.Clear();
  WorkerSpec successor = Successor();
  successor.held[0].state = HeldState::kRunning;
  rig_.Join("w1", successor);
  EXPECT_THAT(rig_.Last<Welcome>(rig_.workers["w1"].peer).value().drop, ElementsAre(done_));
}

TEST_F(SuccessorTest, AnotherWorkerCannotClaimIt) {
  rig_.Disconnect_("w1");
  rig_.Clear();
  rig_.Join("w2", Successor());
  EXPECT_THAT(rig_.Last<Welcome>(rig_.workers["w2"].peer).value().drop, ElementsAre(done_));
  rig_.Report_("w2", Success());
  EXPECT_THAT(rig_.Last<Recorded>(rig_.workers["w2"].peer).value().dropped, ElementsAre(done_));
  EXPECT_EQ(rig_.Task("done").state, TaskState::kAssigned);
}

// What it was good for is no question any more once it is done.
TEST(Succession, ANewOfferDoesNotMatterForWhatHasEnded) {
  Rig rig;
  rig.Join("w1", {.cpus = 4, .tags = {"gpu"}});
  rig.Submit(Job().Task("a", "", {}, {.tags = {"gpu"}, .cpus = 4}).spec);
  const AttemptId attempt = rig.AttemptOf("w1", "a");
  rig.Disconnect_("w1");
  rig.Clear();
  rig.Join("w1", {.cpus = 1, .incarnation = 77, .held = {{.attempt = attempt, .state = HeldState::kFinished}}});
  EXPECT_THAT(rig.Last<Welcome>(rig.workers["w1"].peer).value().keep, ElementsAre(attempt));
  AttemptReport report;
  report.attempt = attempt;
  report.outcome = Outcome::kSucceeded;
  rig.workers["w1"].reports = 0;
  rig.Report_("w1", report);
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
}

TEST_F(SuccessorTest, ACancelThatItMissedDoesNotKeepItFromItsEnd) {
  rig_.Disconnect_("w1");
  rig_.Tell(CommandKind::kCancelRun);
  rig_.Clear();
  rig_.Join("w1", Successor());
  rig_.workers["w1"].reports = 0;
  rig_.Report_("w1", Success());
  EXPECT_EQ(rig_.Task("done").outcome, Outcome::kSucceeded);
  EXPECT_EQ(rig_.Task("running").outcome, Outcome::kCancelled);
  EXPECT_EQ(rig_.Run().state, RunState::kCancelled);
}

TEST(Succession, A07_ANotIdempotentTaskThatEndedIsNotLostWithItsWorker) {
  Rig rig;
  rig.Join("w1");
  Policy once;
  once.idempotent = false;
  rig.Submit(Job().Task("a", "", once).spec);
  const AttemptId attempt = rig.AttemptOf("w1", "a");
  rig.Disconnect_("w1");
  rig.Join("w1", {.incarnation = 77, .held = {{.attempt = attempt, .state = HeldState::kFinished}}});
  AttemptReport report;
  report.attempt = attempt;
  report.outcome = Outcome::kSucceeded;
  rig.workers["w1"].reports = 0;
  rig.Report_("w1", report);
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
}

TEST(Succession, A07_AttemptsOfAnotherBrokersDataOnlyLookLikeOurs) {
  Config config = TestConfig();
  config.identity = 4711;
  Rig rig(config);
  rig.Join("w1");
  EXPECT_EQ(rig.Last<Welcome>(rig.workers["w1"].peer).value().broker, 4711u);
  rig.Submit(Job().Task("a").spec);
  const AttemptId attempt = rig.AttemptOf("w1", "a");
  rig.Disconnect_("w1");
  Hello hello = HelloOf("w1", 77);
  hello.held = {{.attempt = attempt, .state = HeldState::kFinished}};
  hello.broker = 4712;
  rig.Say(PeerId{500}, hello);
  const Welcome welcome = rig.Last<Welcome>(PeerId{500}).value();
  EXPECT_THAT(welcome.keep, IsEmpty());
  EXPECT_THAT(welcome.drop, IsEmpty()) << "the worker knows by itself";
  AttemptReport report;
  report.attempt = attempt;
  report.outcome = Outcome::kSucceeded;
  rig.Say(
      PeerId{500},
      Report{.session = welcome.session, .orders_through = 0, .first_number = 1, .reports = {report}, .started = {}});
  EXPECT_THAT(rig.Last<Recorded>(PeerId{500}).value().dropped, ElementsAre(attempt));
}

}  // namespace
}  // namespace millrace::sched
