// SPDX-License-Identifier: Apache-2.0
// What the scheduler does not do all at once, and what it does once for many.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

Config TwoAtOnce() {
  Config config = TestConfig();
  config.roots_at_once = 2;
  return config;
}

Job Flat(int tasks) {
  Job job;
  for (int i = 0; i < tasks; ++i) job.Task("t" + std::to_string(i));
  return job;
}

TEST(LargeJobTest, IsLookedAtInPartsBetweenWhichOthersAreServed) {
  Rig rig(TwoAtOnce());
  rig.Join("w1", {.cpus = 16});
  EXPECT_TRUE(rig.Submit(Flat(7).spec).run.valid()) << "it is accepted by the first step";
  EXPECT_THAT(rig.Assigned("w1"), SizeIs(2));
  EXPECT_LE(rig.scheduler->NextWake(), rig.now) << "the rest is due at once";
  EXPECT_EQ(rig.Ask(QueryKind::kBroker).broker.size(), 1u);
  EXPECT_THAT(rig.Assigned("w1"), SizeIs(4)) << "whatever the event was, the step went on";
  rig.Step(Tick{});
  EXPECT_LE(rig.scheduler->NextWake(), rig.now);
  rig.Step(Tick{});
  EXPECT_THAT(rig.Assigned("w1"), SizeIs(7));
  EXPECT_GT(rig.scheduler->NextWake(), rig.now) << "nothing is left";
  for (int i = 0; i < 7; ++i) rig.Succeed("w1", "t" + std::to_string(i));
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
}

TEST(LargeJobTest, A20_MayBeCancelledBeforeAllOfItWasLookedAt) {
  Rig rig(TwoAtOnce());
  rig.Submit(Flat(9).spec);
  rig.Tell(CommandKind::kCancelRun);
  EXPECT_EQ(rig.Run().state, RunState::kCancelled);
  EXPECT_EQ(rig.Run().cancelled, 9u);
  EXPECT_GT(rig.scheduler->NextWake(), rig.now);
}

TEST(LargeJobTest, AJobThatWasPreparedElsewhereIsTheSameRun) {
  const Job job = Job().Task("a").Task("b", "a");
  Rig whole;
  whole.Submit(job.spec, 7);
  Rig apart;
  Heard heard{.peer = apart.client, .message = Submit{.request = 1, .token = 7, .job = {}, .job_digest = Digest{}}};
  apart.Step(heard);
  EXPECT_THAT(apart.Last<Answer>(apart.client)->message, HasSubstr("not on the bulk plane"));
  heard.prepared = std::make_shared<const PreparedJob>(PrepareJob(Pack(job.spec), 1000).value());
  apart.Step(heard);
  EXPECT_EQ(apart.Last<Answer>(apart.client)->run, whole.run);
  EXPECT_EQ(apart.journal, whole.journal);
}

TEST(LargeJobTest, WhatDependsOnTheFirstPartMayGoBeforeTheRest) {
  Rig rig(TwoAtOnce());
  rig.Join("w1");
  Job job = Job().Task("first").Task("second");
  for (int i = 0; i < 40; ++i) job.Task("n" + std::to_string(i), "first");
  rig.Submit(job.Task("last").spec);
  EXPECT_LE(rig.scheduler->NextWake(), rig.now) << "passing over tasks is not free either";
  rig.Succeed("w1", "first");
  rig.Advance(milliseconds(1));
  EXPECT_EQ(rig.Run().ready + rig.Run().running, 42u);
}

TEST(LargeJobTest, OneTimerIsEnoughForAllThatNobodyCanRunAndEachHasItsFullTime) {
  Rig rig(TwoAtOnce());
  const Duration timeout = rig.config.capability_timeout;
  rig.Submit(Flat(5).spec);
  const RunId first = rig.run;
  rig.Advance(timeout / 2);
  rig.Submit(Flat(5).spec);
  const RunId second = rig.run;
  const auto state_of = [&rig](RunId run) {
    rig.run = run;
    return rig.Run().state;
  };
  rig.Advance(timeout / 2 - milliseconds(1));
  EXPECT_EQ(state_of(first), RunState::kRunning);
  rig.Advance(milliseconds(1));
  EXPECT_EQ(state_of(first), RunState::kFailed);
  EXPECT_EQ(state_of(second), RunState::kRunning);
  rig.Advance(timeout / 2 - milliseconds(1));
  EXPECT_EQ(state_of(second), RunState::kRunning);
  rig.Advance(milliseconds(1));
  EXPECT_EQ(state_of(second), RunState::kFailed);
  EXPECT_THAT(rig.Run().root_cause, HasSubstr("no worker could run it"));
}

TEST(LargeJobTest, AWorkerThatComesAndGoesBeginsTheTimeAnew) {
  Rig rig;
  const Duration timeout = rig.config.capability_timeout;
  rig.Submit(Job().Task("a", "", {}, {.cpus = 2}).spec);
  rig.Advance(timeout - seconds(1));
  rig.Join("w1", {.cpus = 1});
  rig.Join("w2", {.cpus = 2, .draining = false});
  EXPECT_THAT(rig.Assigned("w2"), SizeIs(1));
  rig.Step(PeerGone{.peer = rig.workers["w2"].peer, .process_dead = true});
  rig.AdvanceBeating(timeout - seconds(1));
  EXPECT_EQ(rig.Run().state, RunState::kRunning);
  rig.AdvanceBeating(seconds(2));
  EXPECT_EQ(rig.Run().state, RunState::kFailed);
}

}  // namespace
}  // namespace millrace::sched
