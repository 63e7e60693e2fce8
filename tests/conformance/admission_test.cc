// SPDX-License-Identifier: Apache-2.0
// Who and what is let in, what is said about it, and what is refused: jobs, workers, reports.
#include "tests/conformance/conformance.h"
#include "tests/conformance/raw_worker.h"

namespace millrace::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_P(Conformance, A02_A27_AnImpossibleRequirementIsSaidWhileItWaitsAndFailsInTime) {
  Cluster waiting(Options(), TestModules());
  const JobSpec job = StepsJob({{.name = "needy", .tags = {"gpu"}}});
  const RunId run = waiting.Submit(job).run;
  EXPECT_THAT(waiting.Status().warnings, Contains(HasSubstr("no worker that could run")));
  EXPECT_THAT(waiting.RunOf(run).warnings, Contains(AllOf(HasSubstr("needy"), HasSubstr("no worker"))));
  EXPECT_THAT(waiting.Why(run, "needy"), AllOf(HasSubstr("gpu"), HasSubstr("w1 lacks tag gpu")));

  ClusterOptions options = Options();
  options.brain.capability_timeout = std::chrono::milliseconds(100);
  Cluster failing(options, TestModules());
  const Ran ran = failing.Run(job);
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_THAT(ran.run.root_cause, AllOf(HasSubstr("needy"), HasSubstr("gpu"), HasSubstr("w1 lacks tag gpu")));
}

TEST_P(Conformance, A07_OnlyTheOwnerOfAnAttemptReportsItAndOnce) {
  ClusterOptions options = Options();
  options.workers = 0;
  Cluster cluster(options, TestModules());
  Offer offer;
  offer.modules = TestModules().Offered();
  RawWorker owner(cluster.Connect(), "owner", offer);
  owner.Attach();
  const RunId run = cluster.Submit(StepsJob({{.name = "first"}, {.name = "second"}}, {{"second", "first"}})).run;
  const AttemptId first = owner.Take<Assign>().tasks.at(0).attempt;
  RawWorker thief(cluster.Connect(), "thief", {});
  thief.Attach();

  // Foreign: another worker under its own session, then under that of the owner.
  thief.Send(thief.Success(first, Payload{Bytes(std::string("\0stolen", 7)), {}, 7}));
  EXPECT_THAT(thief.Take<Recorded>().dropped, ElementsAre(first));
  EXPECT_EQ(cluster.Status().outcomes_dropped, 1u);
  Report forged = thief.Success(first);
  forged.session = owner.session();
  forged.first_number = 1;
  thief.Send(forged);
  WaitFor("the forgery to be counted", [&] { return cluster.Status().protocol_errors == 1; });
  EXPECT_FALSE(HasEnded(cluster.RunOf(run).state));

  // Its own; then the same again; then an attempt that has ended.
  const Report own = owner.Success(first);
  owner.Send(own);
  EXPECT_THAT(owner.Take<Recorded>().dropped, IsEmpty());
  owner.Send(own);
  owner.Take<Recorded>();
  EXPECT_EQ(cluster.Status().outcomes_dropped, 2u);
  owner.Send(owner.Success(first));
  EXPECT_THAT(owner.Take<Recorded>().dropped, ElementsAre(first));
  EXPECT_EQ(cluster.Status().outcomes_dropped, 3u);

  owner.Send(owner.Success(owner.Take<Assign>().tasks.at(0).attempt));
  const Ran ran = cluster.Follow(run);
  EXPECT_EQ(ran.run.state, RunState::kSucceeded);
  EXPECT_EQ(ran.run.succeeded, 2u);
  EXPECT_EQ(cluster.Status().tasks_completed, 2u);
  EXPECT_TRUE(cluster.Result(run, "first").empty());  // not what was stolen
}

TEST_P(Conformance, A12_FewerWorkersThanExpectedIsSaidEverywhere) {
  ClusterOptions options = Options();
  options.brain.expect_workers = 5;
  Cluster cluster(options, TestModules());
  const std::string said = std::to_string(cluster.workers()) + " of 5 expected workers";
  EXPECT_THAT(cluster.Status().warnings, Contains(HasSubstr(said)));
  const Ran ran = cluster.Run(Pipeline{Produce{}});
  EXPECT_EQ(ran.run.state, RunState::kSucceeded);
  EXPECT_THAT(ran.warnings, Contains(HasSubstr(said)));      // to who submits
  EXPECT_THAT(ran.run.warnings, Contains(HasSubstr(said)));  // in the summary
}

TEST_F(Distributed, A12_ASilentHeartbeatChannelIsSaidAndIsNoLoss) {
  ClusterOptions options = Options();
  options.workers = 1;
  Cluster cluster(options, TestModules());
  RawWorker mute(cluster.Connect(), "mute", {});
  mute.Attach();
  const auto warned = [&] {
    return Joined(cluster.Status().warnings).find("the heartbeat channel of worker mute is down") != std::string::npos;
  };
  WaitFor("the warning", [&] {
    mute.SendBeat();  // the control channel works
    return warned();
  });
  EXPECT_TRUE(cluster.WorkerNamed("mute").heartbeat_degraded);
  EXPECT_NE(cluster.WorkerNamed("mute").state, WorkerState::kLost);
  EXPECT_FALSE(cluster.WorkerNamed("w1").heartbeat_degraded);
  WaitFor("the end of the warning", [&] {
    mute.SendBeat(/*on_heartbeat_channel=*/true);
    return !warned();
  });
}

TEST_P(Conformance, A14_WhatIsWrongWithAJobIsNamedAndNothingStarts) {
  Cluster cluster(Options(), TestModules());
  const JobSpec good = StepsJob({{.name = "a"}, {.name = "b"}, {.name = "c"}}, {{"b", "a"}, {"c", "b"}});
  const auto refusal = [&](const JobSpec& job) {
    const auto submitted = cluster.client().Submit(job);
    return submitted.ok() ? std::string("accepted") : TextOf(submitted.status());
  };
  JobSpec cycle = good;
  cycle.tasks[0].needs.push_back({2, DependencyKind::kRequired, -1});
  EXPECT_THAT(refusal(cycle), HasSubstr("a -> c -> b -> a"));
  JobSpec self = good;
  self.tasks[1].needs.push_back({1, DependencyKind::kOptional, -1});
  EXPECT_THAT(refusal(self), HasSubstr("'b' needs itself"));
  JobSpec missing = good;
  missing.tasks[1].needs.push_back({7, DependencyKind::kRequired, -1});
  EXPECT_THAT(refusal(missing), AllOf(HasSubstr("'b'"), HasSubstr("7")));
  JobSpec doubled = good;
  doubled.tasks[2].name = "a";
  EXPECT_THAT(refusal(doubled), HasSubstr("both named 'a'"));
  EXPECT_THAT(cluster.Ask(QueryKind::kRuns).runs, IsEmpty());
  EXPECT_THAT(cluster.Begun(), IsEmpty());
}

TEST_P(Conformance, A44_WhyNamesWhatATaskWaitsFor) {
  ClusterOptions options = Options();
  options.workers = 1;
  options.slots = 1;
  options.brain.prefetch_limit = 0;
  Cluster cluster(options, TestModules());
  const RunId run =
      cluster
          .Submit(StepsJob({{.name = "held", .until = "go", .priority = 1}, {.name = "next"}, {.name = "last"}},
                           {{"last", "next"}}))
          .run;
  cluster.WaitForStep("held");
  EXPECT_THAT(cluster.Why(run, "held"), HasSubstr("worker w1"));
  EXPECT_THAT(cluster.Why(run, "next"), AllOf(HasSubstr("0 tasks are ahead"), HasSubstr("0 of them have room")));
  EXPECT_THAT(cluster.Why(run, "last"), HasSubstr("waits for 'next'"));
  cluster.Touch("go");
  EXPECT_EQ(cluster.Follow(run).run.state, RunState::kSucceeded);
}

TEST_P(Conformance, A47_VersionsThatDoNotOverlapAreRefusedWithBoth) {
  Cluster cluster(Options(), TestModules());
  RawWorker stranger(cluster.Connect(), "stranger", {});
  stranger.hello().oldest = 98;
  stranger.hello().newest = 99;
  const auto refused = stranger.Take<Refused>();
  EXPECT_EQ(refused.code, RefusalCode::kVersion);
  const std::string ours = absl::StrFormat("speaks protocol %d to %d", kProtocolOldest, kProtocolNewest);
  EXPECT_THAT(refused.reason, AllOf(HasSubstr(ours), HasSubstr("98 to 99")));
}

TEST_P(Conformance, A47_ATaskNeverGoesToAWorkerWhoseModuleDiffers) {
  Cluster cluster(Options(), TestModules());
  JobSpec job = Pipeline{Produce{}}.ToJob().value();
  const std::uint64_t right = job.modules.at(0).fingerprint;
  job.modules.at(0).fingerprint ^= 1;
  const auto [run, warnings] = cluster.Submit(job);
  EXPECT_THAT(warnings, Contains(AllOf(HasSubstr("w1 lacks module produce"), HasSubstr("other types"))));
  EXPECT_THAT(cluster.Why(run, "produce"), HasSubstr("other types"));
  EXPECT_EQ(cluster.TaskOf(run, "produce").state, TaskState::kReady);
  Offer offer;
  offer.modules = {{"produce", right ^ 1}};
  RawWorker same(cluster.Connect(), "same", offer);
  same.Attach();
  same.Send(same.Success(same.Take<Assign>().tasks.at(0).attempt));
  const Ran ran = cluster.Follow(run);
  EXPECT_EQ(ran.run.state, RunState::kSucceeded);
  EXPECT_EQ(ran.task("produce").worker, "same");
}

TEST_P(Conformance, A49_ADuplicateIdIsRefusedAndARestartedWorkerIsWelcome) {
  Cluster cluster(Options(), TestModules());
  const serve::Worker::End end = cluster.AddWorker({}, "w1").Wait();
  EXPECT_EQ(end.code, 78);
  EXPECT_THAT(end.reason, AllOf(HasSubstr("'w1'"), HasSubstr("alive")));
  EXPECT_EQ(cluster.Status().workers, static_cast<std::uint32_t>(cluster.workers()));
  cluster.StopWorker(0);
  WaitFor("w1 to be gone",
          [&] { return cluster.Status().workers == static_cast<std::uint32_t>(cluster.workers()) - 1; });
  cluster.AddWorker({}, "w1");
  cluster.WaitForWorkers(static_cast<std::size_t>(cluster.workers()));
  EXPECT_EQ(cluster.Run(Pipeline{Produce{}}).run.state, RunState::kSucceeded);
}

}  // namespace
}  // namespace millrace::testing
