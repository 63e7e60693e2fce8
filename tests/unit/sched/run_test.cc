// SPDX-License-Identifier: Apache-2.0
// What becomes of a run: failures, skips, cancels, retries, the cache, the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(RunTest, ADiamondRunsOnOneWorker) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("a").Task("b", "a").Task("c", "a").Task("d", "b c").spec);
  EXPECT_EQ(rig.Assigned("w1").size(), 1u);
  rig.Succeed("w1", "a");
  EXPECT_EQ(rig.Assigned("w1").size(), 3u);
  rig.Succeed("w1", "b");
  EXPECT_FALSE(rig.Assigned("w1").contains("d"));
  rig.Succeed("w1", "c");
  rig.Succeed("w1", "d");
  const RunView run = rig.Run();
  EXPECT_EQ(run.state, RunState::kSucceeded);
  EXPECT_EQ(run.succeeded, 4u);
  EXPECT_EQ(run.waves, 3u);
  EXPECT_TRUE(std::holds_alternative<RunEnded>(rig.journal.back()));
}

TEST(RunTest, A31_ADependantStartsWhenItsOwnDependenciesAreDone) {
  Rig rig;
  rig.Join("w1", {.cpus = 4});
  rig.Submit(Job().Task("a").Task("b").Task("after-a", "a").spec);
  rig.Succeed("w1", "a");
  EXPECT_TRUE(rig.AttemptOf("w1", "after-a").valid()) << "b, of the same wave as a, has not ended";
}

TEST(RunTest, A03_A16_FailFastCancelsTheRest) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(
      Job().Task("bad").Task("busy").Task("child", "bad").Task("grandchild", "child").Task("later", "busy").spec);
  rig.Fail("w1", "bad");
  EXPECT_THAT(rig.Task("child").reason, HasSubstr("needs 'bad', which failed: exit code 1"));
  EXPECT_EQ(rig.Task("child").outcome, Outcome::kDependencyFailed);
  EXPECT_THAT(rig.Task("grandchild").reason, HasSubstr("did not run because 'bad' failed"));
  EXPECT_EQ(rig.Task("later").outcome, Outcome::kCancelled);
  EXPECT_EQ(rig.Task("later").reason, "run failed: bad: exit code 1");
  ASSERT_EQ(rig.Sent<Cancel>(rig.workers["w1"].peer).size(), 1u);
  EXPECT_THAT(rig.Sent<Cancel>(rig.workers["w1"].peer)[0].attempts, ElementsAre(rig.AttemptOf("w1", "busy")));
  EXPECT_EQ(rig.Run().state, RunState::kRunning);
  rig.End("w1", "busy", Outcome::kCancelled);
  const RunView run = rig.Run();
  EXPECT_EQ(run.state, RunState::kFailed);
  EXPECT_EQ(run.root_cause, "bad: exit code 1");
  EXPECT_EQ(run.failed, 1u);
  EXPECT_EQ(run.skipped, 2u);
  EXPECT_EQ(run.cancelled, 2u);
}

// Seed 14061 of the simulator: a failure with a try left and one that fails the run come in the same message.
TEST(RunTest, A03_AFailFastRunForgetsThePauseBeforeATryThatWillNotBe) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  const Policy never{.retry_on = RetryOn::kNever};
  rig.Submit(Job().Task("again").Task("last", "", never).spec);
  AttemptReport again;
  again.attempt = rig.AttemptOf("w1", "again");
  again.outcome = Outcome::kTimedOut;
  again.failure.transient = true;
  AttemptReport last;
  last.attempt = rig.AttemptOf("w1", "last");
  last.outcome = Outcome::kFailed;
  const Rig::Worker worker = rig.workers["w1"];
  rig.Say(worker.peer, Report{.session = worker.session,
                              .orders_through = worker.orders_through,
                              .first_number = 1,
                              .reports = {again, last},
                              .started = {}});
  EXPECT_EQ(rig.Task("again").outcome, Outcome::kCancelled);
  EXPECT_EQ(rig.Task("last").outcome, Outcome::kFailed);
}

TEST(RunTest, A03_ASuccessThatComesAfterTheCancelCounts) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("bad").Task("busy").spec);
  rig.Fail("w1", "bad");
  rig.Succeed("w1", "busy");
  EXPECT_EQ(rig.Task("busy").outcome, Outcome::kSucceeded);
  EXPECT_EQ(rig.Run().state, RunState::kFailed);
}

TEST(RunTest, A16_KeepGoingFinishesWhatIsIndependent) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job(FailMode::kKeepGoing).Task("bad").Task("good").Task("child", "bad").Task("after", "good").spec);
  rig.Fail("w1", "bad");
  rig.Succeed("w1", "good");
  rig.Succeed("w1", "after");
  EXPECT_EQ(rig.Task("child").outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(rig.Run().state, RunState::kFailed);
  EXPECT_EQ(rig.Run().succeeded, 2u);
}

TEST(RunTest, A16_AnIgnoredFailureIsSeenByDependantsAndLeavesTheRunGreen) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("flaky", "", {.ignore_failure = true}).Task("child", "flaky").spec);
  rig.Fail("w1", "flaky");
  EXPECT_TRUE(rig.Task("flaky").ignored);
  const Assign assign = rig.Last<Assign>(rig.workers["w1"].peer).value();
  ASSERT_EQ(assign.data.size(), 1u);
  EXPECT_EQ(assign.data[0].outcome, Outcome::kFailed);
  EXPECT_EQ(assign.data[0].failure.message, "exit code 1");
  rig.Succeed("w1", "child");
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
  EXPECT_EQ(rig.Run().ignored, 1u);
  EXPECT_EQ(rig.Run().failed, 0u);
}

TEST(RunTest, A15_SkipsCascadeThroughRequiredAndNotThroughOptional) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("a").Task("b", "a").Task("c", "b").Task("maybe", "a?").spec);
  Failure why;
  why.message = "not on main";
  rig.End("w1", "a", Outcome::kSkipped, why);
  EXPECT_EQ(rig.Task("a").reason, "not on main");
  EXPECT_EQ(rig.Task("b").outcome, Outcome::kSkipped);
  EXPECT_EQ(rig.Task("b").reason, "needs 'a', which was skipped: not on main");
  EXPECT_EQ(rig.Task("c").outcome, Outcome::kSkipped);
  EXPECT_THAT(rig.Task("c").reason, HasSubstr("because 'a' was skipped"));
  EXPECT_EQ(rig.Last<Assign>(rig.workers["w1"].peer)->data.at(0).outcome, Outcome::kSkipped);
  rig.Succeed("w1", "maybe");
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
}

TEST(RunTest, A17_TeardownRunsAfterAFailureAndNeverHidesIt) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("bad").Task("mid", "bad").Task("teardown", "mid", {.always_run = true}).spec);
  rig.Fail("w1", "bad");
  ASSERT_TRUE(rig.AttemptOf("w1", "teardown").valid());
  EXPECT_EQ(rig.Run().state, RunState::kRunning);
  rig.Fail("w1", "teardown");
  EXPECT_EQ(rig.Run().state, RunState::kFailed);
  EXPECT_EQ(rig.Run().root_cause, "bad: exit code 1");
}

TEST(RunTest, A17_TeardownRunsAfterACancel) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("a").Task("b", "a").Task("teardown", "a b", {.always_run = true}).spec);
  const Answer answer = rig.Tell(CommandKind::kCancelRun, "", "by hand");
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(rig.Run().state, RunState::kCancelling);
  EXPECT_FALSE(rig.AttemptOf("w1", "teardown").valid()) << "a has not ended";
  rig.End("w1", "a", Outcome::kCancelled);
  EXPECT_EQ(rig.Task("b").reason, "cancelled: by hand");
  rig.Succeed("w1", "teardown");
  EXPECT_EQ(rig.Run().state, RunState::kCancelled);
  EXPECT_EQ(rig.Tell(CommandKind::kCancelRun).code, 0) << "twice is fine";
}

TEST(RunTest, A20_CancelReachesAWorkerThatWasAway) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  const AttemptId attempt = rig.AttemptOf("w1", "a");
  rig.Ack("w1");
  rig.Disconnect_("w1");
  rig.Tell(CommandKind::kCancelRun);
  rig.Clear();
  rig.Join("w1", {.held = {{.attempt = attempt, .state = HeldState::kRunning}}});
  const std::vector<Cancel> cancels = rig.Sent<Cancel>(rig.workers["w1"].peer);
  ASSERT_EQ(cancels.size(), 1u);
  EXPECT_THAT(cancels[0].attempts, ElementsAre(attempt));
}

TEST(RunTest, A08_TransientFailuresBackOffAndThenFail) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  Duration last{};
  for (int attempt = 1; attempt <= 3; ++attempt) {
    rig.Fail("w1", "a", true);
    EXPECT_EQ(rig.Task("a").state, TaskState::kBackingOff);
    EXPECT_THAT(rig.Why("a"), HasSubstr("backs off"));
    const Instant from = rig.now;
    while (rig.Task("a").state == TaskState::kBackingOff) {
      rig.now = rig.scheduler->NextWake();
      rig.Say(rig.workers["w1"].peer, Ping{});
    }
    EXPECT_GT(rig.now - from, last) << "each pause is longer";
    last = rig.now - from;
    EXPECT_EQ(rig.Task("a").try_number, static_cast<std::uint32_t>(attempt + 1));
  }
  rig.Fail("w1", "a", true);
  EXPECT_EQ(rig.Task("a").outcome, Outcome::kFailed);
  EXPECT_EQ(rig.Task("a").failure.try_number, 4u);
  EXPECT_EQ(rig.Task("a").failure.worker, "w1");
  EXPECT_EQ(rig.Task("a").failure.host, "host-w1");
}

TEST(RunTest, A08_NotIdempotentIsNeverTriedAgain) {
  Rig rig;
  rig.Join("w1");
  rig.Join("w2");
  rig.Submit(Job(FailMode::kKeepGoing)
                 .Task("fails", "", {.retries = 5, .idempotent = false})
                 .Task("lost", "", {.idempotent = false})
                 .spec);
  rig.Fail("w1", "fails", true);
  EXPECT_EQ(rig.Task("fails").outcome, Outcome::kFailed);
  EXPECT_THAT(rig.Task("fails").reason, HasSubstr("not idempotent"));
  rig.Die("w2");
  EXPECT_EQ(rig.Task("lost").outcome, Outcome::kLost);
  EXPECT_THAT(rig.Task("lost").reason, HasSubstr("not idempotent"));
  EXPECT_EQ(rig.Run().state, RunState::kFailed);
}

TEST(RunTest, A08_NotIdempotentWaitsForItsRecordAndIsNotPrefetched) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a", "", {.idempotent = false}).Task("b", "", {.idempotent = false}).spec);
  EXPECT_EQ(rig.Assigned("w1").size(), 1u);
  std::size_t position = 0;
  for (std::size_t i = 0; i < rig.journal.size(); ++i) {
    if (std::holds_alternative<TaskAssigned>(rig.journal[i])) position = i + 1;
  }
  for (const Action& action : rig.actions) {
    const Send* send = std::get_if<Send>(&action.body);
    if (send == nullptr || !std::holds_alternative<Assign>(send->message)) continue;
    EXPECT_EQ(action.after, position);
  }
}

TEST(RunTest, A34_AResultOverTheLimitFailsTheTaskWithBothSizes) {
  Config config = TestConfig();
  config.max_payload = 10;
  Rig rig(config);
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  rig.Succeed("w1", "a", "eleven bytes");
  EXPECT_EQ(rig.Task("a").outcome, Outcome::kFailed);
  EXPECT_THAT(rig.Task("a").failure.message, HasSubstr("12 bytes; max_payload_size is 10"));
}

TEST(RunTest, A38_ACacheHitEndsTheTaskAndAMissIsRemembered) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("hit", "", {.cached = true}).Task("miss", "", {.cached = true}).spec);
  ASSERT_EQ(rig.All<Recall>().size(), 2u);
  EXPECT_THAT(rig.Assigned("w1"), IsEmpty());
  Digest key;
  key.value[0] = 9;
  rig.Step(
      Recalled{.task = {rig.run, 0}, .result = Payload{.bytes = Bytes("old"), .digest = {}, .size = 3}, .key = {}});
  rig.Step(Recalled{.task = {rig.run, 1}, .result = {}, .key = key});
  EXPECT_EQ(rig.Task("hit").outcome, Outcome::kCached);
  rig.Succeed("w1", "miss", "new");
  ASSERT_EQ(rig.All<Remember>().size(), 1u);
  EXPECT_EQ(rig.All<Remember>()[0].key, key);
  EXPECT_EQ(rig.All<Remember>()[0].result.bytes.view(), "new");
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
  EXPECT_EQ(rig.Ask(QueryKind::kResult, "hit").result.bytes.view(), "old");
}

// The rig checks after every step how many entries and timers there are. One task waits, so that its queue is never
// empty.
TEST(RunTest, WhatIsCancelledBehindATaskThatWaitsDoesNotPileUp) {
  Rig rig;
  rig.Submit(Job().Task("waits").spec);
  Job many;
  for (int i = 0; i < 100; ++i) many.Task("t" + std::to_string(i));
  for (int again = 0; again < 10; ++again) {
    rig.Submit(many.spec);
    rig.Tell(CommandKind::kCancelRun);
    EXPECT_EQ(rig.Run().state, RunState::kCancelled);
  }
  EXPECT_EQ(rig.scheduler->Broker(rig.now).tasks_ready, 1u);
}

TEST(RunTest, A38_ASilentCacheNeverHoldsATaskUp) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a", "", {.cached = true}).spec);
  rig.AdvanceBeating(seconds(4));
  EXPECT_FALSE(rig.AttemptOf("w1", "a").valid());
  EXPECT_THAT(rig.Why("a"), HasSubstr("cache"));
  rig.AdvanceBeating(seconds(2));
  EXPECT_TRUE(rig.AttemptOf("w1", "a").valid());
}

TEST(RunTest, A46_TheSameTokenGivesTheSameRun) {
  Rig rig;
  const Answer first = rig.Submit(Job().Task("a").spec, 77);
  const Answer again = rig.Submit(Job().Task("a").spec, 77);
  const Answer other = rig.Submit(Job().Task("a").spec, 78);
  EXPECT_EQ(first.run, again.run);
  EXPECT_NE(first.run, other.run);
}

TEST(RunTest, EndedRunsAreForgottenInTime) {
  Config config = TestConfig();
  config.runs_kept = 2;
  config.run_retention = minutes(10);
  Rig rig(config);
  rig.Join("w1");
  std::vector<RunId> runs;
  for (int i = 0; i < 3; ++i) {
    runs.push_back(rig.Submit(Job().Task("a").spec).run);
    rig.Succeed("w1", "a");
  }
  rig.run = runs[0];
  EXPECT_NE(rig.Ask(QueryKind::kRun).code, 0) << "over runs_kept";
  rig.run = runs[1];
  EXPECT_EQ(rig.Ask(QueryKind::kRun).code, 0);
  rig.AdvanceBeating(minutes(11));
  rig.run = runs[2];
  EXPECT_NE(rig.Ask(QueryKind::kRun).code, 0) << "over run_retention";
}

TEST(RunTest, A34_ASuccessThatIsTooLargeIsRecordedBehindThoseReportedBeforeIt) {
  Config config = TestConfig();
  config.max_payload = 100;
  Rig rig(config);
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job(FailMode::kKeepGoing).Task("good").Task("large").spec);
  const auto assigned = rig.Assigned("w1");
  Report report{
      .session = rig.workers.at("w1").session, .orders_through = 0, .first_number = 1, .reports = {}, .started = {}};
  for (const char* name : {"good", "large"}) {
    AttemptReport one;
    one.attempt = assigned.at(name).attempt;
    one.outcome = Outcome::kSucceeded;
    const std::string result(std::string_view(name) == "large" ? 101 : 1, 'r');
    one.result = {.bytes = Bytes::Copy(result), .digest = {}, .size = result.size()};
    report.reports.push_back(std::move(one));
  }
  rig.Say(rig.workers.at("w1").peer, report);
  std::vector<Outcome> ends;
  for (const Record& record : rig.journal) {
    if (const auto* end = std::get_if<TaskEnded>(&record)) ends.push_back(end->outcome);
  }
  EXPECT_EQ(ends, (std::vector<Outcome>{Outcome::kSucceeded, Outcome::kFailed}));
}

// One report of many attempts: successes of each run in a row are one record, and each end counts once.
TEST(RunTest, A07_AReportOfManyEndsIsTakenInItsOrderAndEachEndOnce) {
  Rig rig;
  rig.Join("w1", {.cpus = 8});
  Job first;
  for (const char* name : {"a", "b", "bad", "c"}) first.Task(name);
  first.spec.fail_mode = FailMode::kKeepGoing;
  rig.Submit(first.spec);
  const RunId first_run = rig.run;
  rig.Submit(Job().Task("x").Task("y", "x").spec);
  const auto assigned = rig.Assigned("w1");
  Report report{
      .session = rig.workers.at("w1").session, .orders_through = 0, .first_number = 1, .reports = {}, .started = {}};
  for (const char* name : {"a", "b", "a", "bad", "x", "c"}) {
    AttemptReport one;
    one.attempt = assigned.at(name).attempt;
    one.outcome = std::string_view(name) == "bad" ? Outcome::kFailed : Outcome::kSucceeded;
    one.result = {.bytes = Bytes::Copy(name), .digest = {}, .size = std::string_view(name).size()};
    one.execution = milliseconds(10);
    report.reports.push_back(std::move(one));
  }
  rig.Clear();
  const std::size_t before = rig.journal.size();
  rig.Say(rig.workers.at("w1").peer, report);
  std::string ended;
  for (std::size_t i = before; i < rig.journal.size(); ++i) {
    const auto* end = std::get_if<TaskEnded>(&rig.journal[i]);
    if (end != nullptr) ended += end->outcome == Outcome::kFailed ? "!" : end->result.bytes.str();
  }
  EXPECT_EQ(ended, "ab!xc");
  const auto recorded = rig.Last<Recorded>(rig.workers.at("w1").peer);
  ASSERT_TRUE(recorded);
  EXPECT_EQ(recorded->through, 6u);
  EXPECT_EQ(recorded->dropped, std::vector<AttemptId>{assigned.at("a").attempt}) << "it had ended in this very report";
  EXPECT_EQ(rig.scheduler->Broker(rig.now).tasks_completed, 5u);
  EXPECT_TRUE(rig.Assigned("w1").contains("y")) << "what needs one of them is ready in the same step";
  rig.run = first_run;
  EXPECT_EQ(rig.Run().succeeded, 3u);
  EXPECT_EQ(rig.Run().failed, 1u);
}

}  // namespace
}  // namespace millrace::sched
