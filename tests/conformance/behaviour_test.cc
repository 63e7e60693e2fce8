// SPDX-License-Identifier: Apache-2.0
// What a pipeline means, standalone and distributed alike.
#include <fstream>
#include <iterator>

#include "tests/conformance/conformance.h"

namespace millrace::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Modes, Conformance, ::testing::Values(Mode::kStandalone, Mode::kDistributed),
                         [](const auto& mode) {
                           return mode.param == Mode::kStandalone ? "Standalone" : "Distributed";
                         });

TEST_P(Conformance, A33_A23_ResultsSurviveAndAreJoined) {
  Cluster cluster(Options(), TestModules());
  // The last one is over every inline limit: distributed, it rides on the bulk plane twice.
  const Ran ran = cluster.Run(Pipeline{Produce{}, Produce{.bytes = 0}, Produce{.bytes = 5 << 20}, Consume{}});
  ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  const auto same = wire::Decode<std::int64_t>(cluster.Result(ran.id, "consume"));
  ASSERT_TRUE(same.ok()) << TextOf(same.status());
  EXPECT_EQ(*same, 3);
}

TEST_P(Conformance, A33_InputsOfAnySizeArrive) {
  Cluster cluster(Options(), TestModules());
  const std::vector<std::uint8_t> noise = ShapeOf(3 << 20).bytes;
  const Ran ran = cluster.Run(Pipeline{Carry{}, Carry{.load = {1, 2, 3}}, Carry{.load = noise},
                                       Carry{.load = std::vector<std::uint8_t>(6 << 20, 7)}, Recount{}});
  ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  EXPECT_EQ(*wire::Decode<std::int64_t>(cluster.Result(ran.id, "recount")), 4);
}

TEST_P(Conformance, A48_AFailureWithALongStoryIsCutNotLost) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{End{.how = "epic"}});
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_NE(ran.tasks.at(0).failure.message.find("bytes left out"), std::string::npos);
  EXPECT_EQ(cluster.Run(Pipeline{End{}}).run.state, RunState::kSucceeded);  // the connection lives
}

TEST_P(Conformance, A34_AResultOverTheLimitFailsItsTaskAlone) {
  ClusterOptions options = Options();
  options.brain.max_payload = 1 << 20;
  Cluster cluster(options, TestModules());
  const Ran ran = cluster.Run(Pipeline{Produce{.bytes = 2 << 20}});
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  const std::string& message = ran.tasks.at(0).failure.message;
  EXPECT_NE(message.find("1048576"), std::string::npos) << message;  // the limit
  EXPECT_NE(message.find("20971"), std::string::npos) << message;    // 2 MiB and what is around them
  EXPECT_EQ(cluster.Run(Pipeline{Produce{}}).run.state, RunState::kSucceeded);
}

TEST_P(Conformance, A03_A04_A37_EveryWayToFailIsOneOutcomeWithItsReason) {
  Cluster cluster(Options(), TestModules());
  Pipeline pipeline{End{.how = "error"}, End{.how = "throw"}, End{.how = "exit"}, End{.how = "crash"}};
  const Ran ran = cluster.Run(std::move(pipeline).KeepGoing());
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_EQ(ran.run.failed, 4u);
  EXPECT_NE(ran.task("end[how=error]").failure.message.find("the sky is green"), std::string::npos);
  EXPECT_NE(ran.task("end[how=throw]").failure.message.find("thrown on purpose"), std::string::npos);
  EXPECT_NE(ran.task("end[how=throw]").failure.exception.find("runtime_error"), std::string::npos);
  EXPECT_EQ(ran.task("end[how=exit]").failure.exit_code, 3);
  EXPECT_EQ(ran.task("end[how=crash]").failure.signal, SIGKILL);
  for (const TaskView& task : ran.tasks) {
    EXPECT_FALSE(task.worker.empty());
    EXPECT_FALSE(task.host.empty());
  }
  EXPECT_EQ(cluster.Run(Pipeline{End{}}).run.state, RunState::kSucceeded);  // the workers are as good as before
}

TEST_P(Conformance, A08_ATransientFailureIsTriedAgain) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{End{.how = "second"}});
  EXPECT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  EXPECT_EQ(ran.tasks.at(0).try_number, 2u);
}

TEST_P(Conformance, A08_APlainFailureIsTriedAsOftenAsTheModuleSays) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{End{.how = "error", .tries = 2}});
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_EQ(ran.tasks.at(0).try_number, 3u);
}

TEST_P(Conformance, A16_AnIgnoredFailureLeavesTheRunGreenAndIsSeen) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{End{.how = "error", .ignored = true}, End{}, After{}});
  EXPECT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  EXPECT_EQ(ran.run.ignored, 1u);
  EXPECT_EQ(*wire::Decode<std::int64_t>(cluster.Result(ran.id, "after")), 1);
}

TEST_P(Conformance, A16_AFailureSparesItsDependants) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{End{.how = "error"}, After{}});
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_FALSE(IsGood(ran.task("after").outcome));
  EXPECT_NE(ran.run.root_cause.find("the sky is green"), std::string::npos);
}

TEST_P(Conformance, A17_TeardownRunsAfterAFailureAndHidesNothing) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{End{.how = "error"}, After{.always = true}});
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_EQ(ran.task("after[always=true]").outcome, Outcome::kSucceeded);
  EXPECT_NE(ran.run.root_cause.find("the sky is green"), std::string::npos);
}

TEST_P(Conformance, A15_ASkipCascadesWithItsReason) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{End{.how = "skip"}, After{}});
  EXPECT_EQ(ran.task("end[how=skip]").outcome, Outcome::kSkipped);
  EXPECT_EQ(ran.task("after").outcome, Outcome::kSkipped);
}

TEST_P(Conformance, A18_ATimeoutEndsTheAttemptAndItsProcesses) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{End{.how = "sleep", .tries = 0}});
  EXPECT_EQ(ran.tasks.at(0).outcome, Outcome::kTimedOut);
  std::ifstream file(cluster.scratch() / "pid");
  std::vector<pid_t> pids{std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
  ASSERT_GE(pids.size(), 2u);  // the shell and what it had started
  for (const pid_t pid : pids) {
    WaitFor(std::to_string(pid) + " to be gone", [&] { return kill(pid, 0) != 0; });
  }
}

TEST_P(Conformance, A38_ACachedResultIsNotMadeAgain) {
  ClusterOptions options = Options();
  options.cache = true;
  Cluster cluster(options, TestModules());
  auto job = Pipeline{Produce{.bytes = 1 << 20}}.ToJob();
  ASSERT_TRUE(job.ok());
  job->policies.at(0).cached = true;
  const Ran first = cluster.Run(*job);
  const Ran second = cluster.Run(*job);
  EXPECT_EQ(first.tasks.at(0).outcome, Outcome::kSucceeded);
  EXPECT_EQ(second.tasks.at(0).outcome, Outcome::kCached);
  EXPECT_EQ(cluster.Result(first.id, "produce[bytes=1048576]"), cluster.Result(second.id, "produce[bytes=1048576]"));
}

TEST_P(Conformance, A38_TheEnvironmentIsPartOfWhatAResultIsMadeOf) {
  ClusterOptions options = Options();
  options.cache = true;
  Cluster cluster(options, TestModules());
  auto job = Pipeline{Produce{}, Produce{.bytes = 1}}.ToJob();
  ASSERT_TRUE(job.ok());
  job->policies.at(0).cached = true;
  // Like two instances of a matrix: the same module and inputs, another variable.
  job->tasks[1].inputs = job->tasks[0].inputs;
  job->tasks[0].env["SHARD"] = "1";
  job->tasks[1].env["SHARD"] = "2";
  EXPECT_EQ(cluster.Run(*job).run.succeeded, 2u);
  EXPECT_EQ(cluster.Run(*job).run.cached, 2u);
  job->tasks[1].env["SHARD"] = "3";
  EXPECT_EQ(cluster.Run(*job).run.cached, 1u);
}

TEST_P(Conformance, A14_ACycleIsRefusedWithItsPath) {
  Cluster cluster(Options(), TestModules());
  auto job = Pipeline{Produce{}, Produce{.bytes = 1}}.ToJob();
  ASSERT_TRUE(job.ok());
  job->tasks[0].needs.push_back({1, DependencyKind::kRequired, -1});
  job->tasks[1].needs.push_back({0, DependencyKind::kRequired, -1});
  const auto submitted = cluster.client().Submit(*job);
  ASSERT_FALSE(submitted.ok());
  EXPECT_NE(TextOf(submitted.status()).find("produce -> "), std::string::npos) << TextOf(submitted.status());
}

TEST_P(Conformance, ModulesInThisProcessBehaveTheSame) {
  ClusterOptions options = Options();
  options.in_process = true;
  Cluster cluster(options, TestModules());
  EXPECT_EQ(cluster.Run(Pipeline{Produce{}, Consume{}}).run.state, RunState::kSucceeded);
  const Ran ran = cluster.Run(Pipeline{End{.how = "throw"}});
  EXPECT_NE(ran.tasks.at(0).failure.message.find("thrown on purpose"), std::string::npos);
}

}  // namespace
}  // namespace millrace::testing
