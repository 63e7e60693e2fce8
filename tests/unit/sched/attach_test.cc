// SPDX-License-Identifier: Apache-2.0
// How workers come, go and come again, and what nobody may do in another's name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Hello HelloOf(const std::string& name, std::uint64_t incarnation = 5) {
  Hello hello;
  hello.name = name;
  hello.incarnation = {incarnation};
  hello.host = "host";
  hello.version = "other";
  hello.offer.modules.push_back({.name = "work", .fingerprint = 0});
  return hello;
}

TEST(AttachTest, A47_VersionsThatDoNotOverlapAreRefusedWithBoth) {
  Rig rig;
  Hello hello = HelloOf("w1");
  hello.oldest = 7;
  hello.newest = 9;
  rig.Say(PeerId{1}, hello);
  const Refused refused = rig.Last<Refused>(PeerId{1}).value();
  EXPECT_EQ(refused.code, RefusalCode::kVersion);
  EXPECT_THAT(refused.reason, HasSubstr("1 to 1"));
  EXPECT_THAT(refused.reason, HasSubstr("7 to 9"));
  EXPECT_THAT(refused.reason, HasSubstr("other"));
  EXPECT_FALSE(refused.retryable);
}

TEST(AttachTest, A48_AbsurdHellosAreRefused) {
  const auto refused = [](const Hello& hello) {
    Rig rig;
    rig.Say(PeerId{1}, hello);
    const auto answer = rig.Last<Refused>(PeerId{1});
    return answer && answer->code == RefusalCode::kMalformed && rig.scheduler->Workers(rig.now).empty();
  };
  EXPECT_TRUE(refused(HelloOf("")));
  EXPECT_TRUE(refused(HelloOf(std::string(256, 'x'))));
  EXPECT_TRUE(refused(HelloOf("two words")));
  EXPECT_TRUE(refused(HelloOf("w1", 0)));
  Hello hello = HelloOf("w1");
  hello.offer.cpus = 0;
  EXPECT_TRUE(refused(hello));
  hello.offer.cpus = 5000;
  EXPECT_TRUE(refused(hello));
  hello = HelloOf("w1");
  hello.offer.tags.resize(10'001, "t");
  EXPECT_TRUE(refused(hello));
  EXPECT_FALSE(refused(HelloOf("w1")));
}

TEST(AttachTest, A46_RolesAreKept) {
  Rig rig;
  rig.Join("w1");
  const PeerId worker = rig.workers["w1"].peer;
  rig.Say(worker, Query{.request = 1, .kind = QueryKind::kBroker, .run = {}, .task = {}});
  EXPECT_EQ(rig.Last<Refused>(worker)->code, RefusalCode::kNotAllowed);
  Hello client = HelloOf("");
  client.role = Role::kClient;
  rig.Say(rig.client, client);
  EXPECT_TRUE(rig.Last<Welcome>(rig.client).has_value());
  rig.Say(
      rig.client,
      Report{
          .session = rig.workers["w1"].session, .orders_through = 0, .first_number = 0, .reports = {}, .started = {}});
  EXPECT_EQ(rig.Last<Refused>(rig.client)->code, RefusalCode::kNotAllowed);
  EXPECT_EQ(rig.scheduler->Broker(rig.now).protocol_errors, 2u);
}

TEST(AttachTest, A07_NobodySpeaksForAnothersSession) {
  Rig rig;
  rig.Join("w1");
  rig.Join("w2");
  rig.Submit(Job().Task("a").spec);
  AttemptReport report;
  report.attempt = rig.AttemptOf("w1", "a");
  report.outcome = Outcome::kSucceeded;
  // w2 in its own name about w1's attempt: dropped and told so.
  rig.Report_("w2", report);
  EXPECT_THAT(rig.Last<Recorded>(rig.workers["w2"].peer)->dropped, ElementsAre(report.attempt));
  // w2 in w1's name.
  rig.Say(rig.workers["w2"].peer, Report{.session = rig.workers["w1"].session,
                                         .orders_through = 0,
                                         .first_number = 1,
                                         .reports = {report},
                                         .started = {}});
  EXPECT_EQ(rig.Task("a").state, TaskState::kAssigned);
  EXPECT_EQ(rig.scheduler->Broker(rig.now).outcomes_dropped, 1u);
  EXPECT_EQ(rig.scheduler->Broker(rig.now).protocol_errors, 1u);
}

// Seed 2598 of the simulator: a second hello, said because the first was not answered at once, comes when the order
// that followed the answer has been taken already.
TEST(AttachTest, A07_AHelloThatWasLongOnItsWayTakesNothingAway) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  const Policy once{.idempotent = false};
  rig.Submit(Job().Task("a").Task("b", "", once).spec);
  const Rig::Worker worker = rig.workers["w1"];
  Hello late = HelloOf("w1", worker.incarnation.value);
  late.offer.cpus = 2;
  rig.Say(worker.peer,
          Beat{.session = worker.session, .incarnation = worker.incarnation, .number = 1, .orders_through = 1});
  const AttemptId attempt = rig.AttemptOf("w1", "a");
  const std::size_t before = rig.journal.size();
  rig.Say(worker.peer, late);
  EXPECT_EQ(rig.journal.size(), before) << "the one that is not idempotent was given up";
  EXPECT_EQ(rig.Task("b").state, TaskState::kAssigned);
  EXPECT_EQ(rig.AttemptOf("w1", "a"), attempt) << "assigned again";
  late.session = worker.session;
  late.orders_through = 1;
  rig.Say(worker.peer, late);
  EXPECT_EQ(rig.Task("b").outcome, Outcome::kLost) << "one that knows of the order and not of the attempt";
}

TEST(AttachTest, A07_ReportsAreTakenInOrderAndOnce) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("a").Task("b").spec);
  const PeerId peer = rig.workers["w1"].peer;
  AttemptReport a;
  a.attempt = rig.AttemptOf("w1", "a");
  a.outcome = Outcome::kSucceeded;
  AttemptReport b = a;
  b.attempt = rig.AttemptOf("w1", "b");
  Report report{
      .session = rig.workers["w1"].session, .orders_through = 1, .first_number = 2, .reports = {b}, .started = {}};
  rig.Say(peer, report);
  EXPECT_EQ(rig.Last<Recorded>(peer)->through, 0u) << "number 1 is missing";
  report.first_number = 1;
  report.reports = {a, b};
  rig.Say(peer, report);
  EXPECT_EQ(rig.Last<Recorded>(peer)->through, 2u);
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
  const std::size_t records = rig.journal.size();
  rig.Say(peer, report);
  EXPECT_EQ(rig.Last<Recorded>(peer)->through, 2u);
  EXPECT_EQ(rig.journal.size(), records) << "doubled";
}

TEST(AttachTest, A06_AReturningWorkerGetsAgainWhatItNeverGot) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("a").Task("b", "a").spec);
  rig.Ack("w1");
  rig.Succeed("w1", "a", "data");  // b goes out, and is lost
  const AttemptId attempt = rig.AttemptOf("w1", "b");
  rig.Disconnect_("w1");
  rig.Clear();
  rig.Join("w1", {.cpus = 2, .first_report = 2});
  const std::vector<Assign> assigns = rig.Sent<Assign>(rig.workers["w1"].peer);
  ASSERT_EQ(assigns.size(), 1u);
  EXPECT_EQ(assigns[0].number, 2u);
  EXPECT_EQ(assigns[0].tasks.at(0).attempt, attempt);
  EXPECT_EQ(assigns[0].data.at(0).result.bytes.view(), "data");
}

// The session was made by a hello that knew less.
TEST(AttachTest, A06_WhatAnotherSessionHasRecordedIsNotWaitedFor) {
  Rig rig;
  rig.Join("w1", {.cpus = 1});
  rig.Submit(Job().Task("a").spec);
  rig.Ack("w1");
  AttemptReport report;
  report.attempt = rig.AttemptOf("w1", "a");
  report.outcome = Outcome::kSucceeded;
  const Held held{.attempt = report.attempt, .state = HeldState::kFinished};
  rig.Join("w1", {.cpus = 1, .held = {held}, .first_report = 7}).reports = 6;
  rig.Report_("w1", report);
  EXPECT_EQ(rig.Last<Recorded>(rig.workers.at("w1").peer)->through, 7u);
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
  // A late one, which knows less again, takes nothing back.
  rig.Join("w1", {.cpus = 1, .first_report = 2});
  rig.Submit(Job().Task("b").spec);
  rig.Succeed("w1", "b");
  EXPECT_EQ(rig.Last<Recorded>(rig.workers.at("w1").peer)->through, 8u);
}

TEST(AttachTest, A06_AnAttemptThatTheWorkerForgotIsOrderedAgain) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("a").Task("b", "a").spec);
  rig.Succeed("w1", "a", "data");
  rig.Ack("w1");
  const AttemptId attempt = rig.AttemptOf("w1", "b");
  rig.Clear();
  rig.Join("w1", {.cpus = 2, .first_report = 2});  // does not hold b, though it took the order
  const std::vector<Assign> assigns = rig.Sent<Assign>(rig.workers["w1"].peer);
  ASSERT_EQ(assigns.size(), 1u);
  EXPECT_EQ(assigns[0].number, 3u) << "a fresh order";
  EXPECT_EQ(assigns[0].tasks.at(0).attempt, attempt);
  EXPECT_EQ(assigns[0].data.size(), 1u) << "and all it needs";
  EXPECT_EQ(rig.All<Disconnect>().size(), 1u) << "the old connection is of no use any more";
}

TEST(AttachTest, A10_ALostWorkersAttemptsAreDroppedAndItsCrashForgiven) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  const AttemptId attempt = rig.AttemptOf("w1", "a");
  rig.Ack("w1");
  rig.Advance(seconds(31));
  EXPECT_THAT(rig.Notes(), HasSubstr("its tasks: a"));
  EXPECT_EQ(rig.scheduler->Workers(rig.now).at(0).state, WorkerState::kLost);
  EXPECT_THAT(rig.Last<Refused>(rig.workers["w1"].peer)->reason, HasSubstr("silent"));
  rig.Clear();
  rig.Join("w1", {.held = {{.attempt = attempt, .state = HeldState::kRunning}}});
  EXPECT_THAT(rig.Last<Welcome>(rig.workers["w1"].peer)->drop, ElementsAre(attempt));
  EXPECT_EQ(std::count_if(rig.journal.begin(), rig.journal.end(),
                          [](const Record& record) { return std::holds_alternative<CrashForgiven>(record); }),
            1);
}

TEST(AttachTest, A09_AttemptsOfAnEarlierBrokerAreAdoptedOrRunAgain) {
  Rig rig;
  rig.Join("w1", {.cpus = 3});
  rig.Submit(Job().Task("held").Task("forgotten").Task("done").spec);
  rig.Succeed("w1", "done");
  const AttemptId held = rig.AttemptOf("w1", "held");
  rig.Restart();
  EXPECT_EQ(rig.Task("done").outcome, Outcome::kSucceeded);
  EXPECT_EQ(rig.Task("held").state, TaskState::kAssigned);
  rig.Clear();
  rig.Join("w1", {.cpus = 3, .held = {{.attempt = held, .state = HeldState::kRunning}}, .first_report = 2});
  EXPECT_THAT(rig.Last<Welcome>(rig.workers["w1"].peer)->keep, ElementsAre(held));
  EXPECT_EQ(rig.Assigned("w1").size(), 1u);
  EXPECT_EQ(EpochOf(rig.AttemptOf("w1", "forgotten").value), 2u);
  AttemptReport report;
  report.attempt = held;
  report.outcome = Outcome::kSucceeded;
  rig.Report_("w1", report);
  rig.Succeed("w1", "forgotten");
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
}

TEST(AttachTest, A09_UnclaimedAttemptsRunAgainAfterALease) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  rig.Restart();
  rig.Join("w2");
  rig.AdvanceBeating(seconds(29));
  EXPECT_THAT(rig.Assigned("w2"), IsEmpty());
  rig.AdvanceBeating(seconds(2));
  EXPECT_TRUE(rig.AttemptOf("w2", "a").valid());
}

TEST(AttachTest, A09_ACascadeThatWasHalfWrittenIsFinishedAtRestart) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("bad").Task("child", "bad").Task("other").spec);
  rig.Fail("w1", "bad");
  // The crash came right after the failure: nothing that followed from it was written.
  const auto ended = std::find_if(rig.journal.begin(), rig.journal.end(),
                                  [](const Record& record) { return std::holds_alternative<TaskEnded>(record); });
  rig.journal.erase(ended + 1, rig.journal.end());
  rig.Restart();
  EXPECT_EQ(rig.Task("child").outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(rig.Run().root_cause, "bad: exit code 1");
  rig.AdvanceBeating(seconds(31));
  EXPECT_EQ(rig.Run().state, RunState::kFailed) << "what was assigned and never claimed is cancelled, not run";
}

TEST(AttachTest, A28_GoodbyeGivesBackUncharged) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  rig.Say(rig.workers["w1"].peer, Goodbye{.session = rig.workers["w1"].session, .reason = "done"});
  EXPECT_EQ(rig.scheduler->Workers(rig.now).size(), 0u);
  rig.Join("w2");
  EXPECT_TRUE(rig.AttemptOf("w2", "a").valid());
  const auto& ended = std::get<AttemptEnded>(rig.journal[2]);
  EXPECT_FALSE(ended.charged || ended.crashed || ended.suspect);
}

TEST(AttachTest, A28_ADrainingWorkerTakesNothingNew) {
  Rig rig;
  rig.Join("w1", {.cpus = 4, .draining = true});
  rig.Join("w2", {.cpus = 1});
  rig.Submit(Job().Task("a").Task("b").spec);
  EXPECT_THAT(rig.Assigned("w1"), IsEmpty());
  EXPECT_EQ(rig.scheduler->Workers(rig.now).at(0).state, WorkerState::kDraining);
}

}  // namespace
}  // namespace millrace::sched
