// SPDX-License-Identifier: Apache-2.0
// What travels: values there and back, compressed where it helps, once to each worker; and matrices, which are data.
#include "millrace/wire/lz4.h"
#include "millrace/yaml/pipeline.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/raw_worker.h"

namespace millrace::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_P(Conformance, A33_ArgumentsSurviveByteForByte) {
  Cluster cluster(Options(), TestModules());
  Echo given{.shape = ShapeOf(5000), .path = "build/out put", .duration = std::chrono::nanoseconds(-1)};
  const JobSpec job = Pipeline{given}.ToJob().value();
  const Ran ran = cluster.Run(job);
  ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  EXPECT_EQ(cluster.Result(ran.id, job.tasks[0].name).view(),
            wire::Encode(Echo::Given{given.shape, given.path, given.duration}));
}

TEST_P(Conformance, A33_PathsAreRelativeToTheWorkDirectory) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{Leave{}, Find{}});
  ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  EXPECT_EQ(*wire::Decode<std::string>(cluster.Result(ran.id, "find")), "left.txt here /etc/hosts");
}

TEST_P(Conformance, A33_ASubmissionLargerThanAMessageArrives) {
  Cluster cluster(Options(), TestModules());
  Pipeline pipeline;
  for (std::int64_t i = 0; i < 5; ++i) pipeline.Add(Echo{.shape = ShapeOf((900 << 10) + i)});
  const JobSpec job = pipeline.ToJob().value();
  ASSERT_GT(job.tasks.size() * job.tasks[0].inputs.size(), std::size_t{4} << 20);
  const Ran ran = cluster.Run(job);
  ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  for (std::int64_t i = 0; i < 5; ++i) {
    const auto back = wire::Decode<Echo::Given>(cluster.Result(ran.id, job.tasks[static_cast<std::size_t>(i)].name));
    ASSERT_TRUE(back.ok()) << TextOf(back.status());
    EXPECT_EQ(back->shape, ShapeOf((900 << 10) + i));
  }
}

TEST_P(Conformance, A34_PayloadsAreCompressedWhereThatHelps) {
  for (const bool on : {true, false}) {
    ClusterOptions options = Options();
    options.brain.compression = on;
    Cluster cluster(options, TestModules());
    Shape blank;
    blank.text = std::string(100'000, ' ');
    Shape tiny;
    tiny.text = std::string(500, ' ');
    const JobSpec job = Pipeline{Echo{.shape = blank}, Echo{.shape = tiny}}.ToJob().value();
    const Ran ran = cluster.Run(job);
    ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
    const Bytes large = cluster.Ask(QueryKind::kResult, ran.id, job.tasks[0].name).result.bytes;
    const Bytes small = cluster.Ask(QueryKind::kResult, ran.id, job.tasks[1].name).result.bytes;
    EXPECT_EQ(large.size() < 10'000, on) << large.size();
    EXPECT_GT(small.size(), 500u);  // not worth it below 1 KiB
    const auto raw = wire::UnpackPayload(large, 1 << 20);
    ASSERT_TRUE(raw.ok()) << TextOf(raw.status());
    EXPECT_EQ(wire::Decode<Echo::Given>(*raw)->shape, blank);
  }
}

TEST_P(Conformance, A35_AResultGoesToAWorkerOnceAndIsForgottenAfterTheLastDependant) {
  ClusterOptions options = Options();
  options.workers = 0;
  Cluster cluster(options, TestModules());
  Offer offer;
  offer.modules = TestModules().Offered();
  RawWorker worker(cluster.Connect(), "raw", offer);
  worker.Attach();
  const RunId run = cluster
                        .Submit(StepsJob({{.name = "source"}, {.name = "a"}, {.name = "b"}, {.name = "c"}},
                                         {{"a", "source"}, {"b", "source"}, {"c", "source"}}))
                        .run;
  const std::string made("\0what it made", 13);
  std::vector<std::string> data;
  std::vector<std::string> ended;
  while (ended.size() < 4) {
    const auto assign = worker.Take<Assign>();
    for (const Datum& datum : assign.data) {
      data.push_back(datum.name);
      EXPECT_EQ(datum.result.bytes.view(), made);
    }
    for (const Assignment& task : assign.tasks) {
      EXPECT_FALSE(worker.Has<Forget>());  // somebody still needs it
      ended.push_back(task.name);
      worker.Send(worker.Success(task.attempt, task.name == "source" ? Payload{Bytes(made), {}, 13} : Payload{}));
    }
  }
  EXPECT_THAT(data, ElementsAre("source"));
  EXPECT_THAT(worker.Take<Forget>().data, ElementsAre(TaskRef{run, 0}));
  EXPECT_EQ(cluster.Follow(run).run.state, RunState::kSucceeded);
}

TEST_P(Conformance, A23_MatrixInstancesHaveResultsOfTheirOwnAndAreJoined) {
  Cluster cluster(Options(), TestModules());
  const auto job = yaml::ParsePipeline(R"(
name: matrix
modules:
  produce:
    matrix:
      bytes: [0, 16, 5000]
      kind: [a, b]
    module: produce
    with:
      bytes: ${matrix.bytes}
  consume: {needs: [produce], module: consume}
)",
                                       "matrix.yaml");
  ASSERT_TRUE(job.ok()) << TextOf(job.status());
  const Ran ran = cluster.Run(*job);
  ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  ASSERT_EQ(ran.tasks.size(), 7u);
  for (const std::int64_t bytes : {0, 16, 5000}) {
    for (const char* kind : {"a", "b"}) {
      const std::string name = absl::StrFormat("produce[bytes=%d,kind=%s]", bytes, kind);
      EXPECT_EQ(ran.task(name).outcome, Outcome::kSucceeded);
      EXPECT_EQ(*wire::Decode<Shape>(cluster.Result(ran.id, name)), ShapeOf(bytes)) << name;
    }
  }
  EXPECT_EQ(*wire::Decode<std::int64_t>(cluster.Result(ran.id, "consume")), 6);
}

TEST_P(Conformance, A45_ModulesAndTheirCommandsDoNotInheritSettings) {
  const char* const settings[] = {"MILLRACE_TEST_SECRET", "ORCHESTRATOR_URL", "WORKER_ID", "FOREIGN_TEST_VARIABLE"};
  for (const char* name : settings) setenv(name, "nobody's business", 1);
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{Surroundings{}}.Env("MINE", "yes"));
  for (const char* name : settings) unsetenv(name);
  ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  const auto names = *wire::Decode<Surroundings::Names>(cluster.Result(ran.id, "surroundings"));
  EXPECT_THAT(names.of_commands, ::testing::IsSupersetOf({"PATH", "MINE", "MILLRACE_TASK"}));
  for (const std::string name : settings) {
    EXPECT_THAT(names.of_commands, ::testing::Not(::testing::Contains(name)));
    EXPECT_THAT(names.own, ::testing::Not(::testing::Contains(name)));
  }
}

}  // namespace
}  // namespace millrace::testing
