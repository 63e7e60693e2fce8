// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "millrace/base/status.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Restore {
  static constexpr std::string_view kName = "restore";
  absl::Status Run() const { return absl::OkStatus(); }
};
enum class Mode { kFast, kThorough };
struct Build {
  static constexpr std::string_view kName = "build";
  std::string configuration = "Release";
  int jobs = 1;
  Mode mode = Mode::kFast;
  std::vector<std::string> flags{};
  Requirements requirements() const { return {.tools = {"cmake"}, .cpus = jobs}; }
  Policy policy() const { return {.retries = 2}; }
  absl::StatusOr<int> Run(From<Restore>) const { return 1; }
};
struct Check {
  static constexpr std::string_view kName = "check";
  int shard = 0;
  std::string of = "Release";
  bool Takes(const Build& build) const { return build.configuration == of; }
  void Run(From<Build>) const {}
};
struct Report {
  static constexpr std::string_view kName = "report";
  void Run(FromAll<Build>, FromAll<Check>, Maybe<Restore>) const {}
};
struct Ping;
struct Pong {
  static constexpr std::string_view kName = "pong";
  int n = 0;
  void Run(FromAll<Ping>) const;
};
struct Ping {
  static constexpr std::string_view kName = "ping";
  static constexpr std::string_view kVersion = "7";
  bool Takes(const Pong& pong) const { return pong.n > 0; }
  void Run(FromAll<Pong>) const {}
};
inline void Pong::Run(FromAll<Ping>) const {}

std::vector<std::string> Names(const JobSpec& job) {
  std::vector<std::string> names;
  for (const TaskSpec& task : job.tasks) names.push_back(task.name);
  return names;
}
std::string WhyNot(const Pipeline& pipeline) {
  const auto job = pipeline.ToJob();
  if (job.ok()) return "it is fine";
  EXPECT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument);
  return TextOf(job.status());
}

TEST(PipelineTest, A23_InstancesAreNamedByTheFieldsThatDiffer) {
  Pipeline pipeline{Restore{}};
  pipeline.Add(Build{})
      .Add(Build{.configuration = "Debug"})
      .Add(Build{.configuration = "Debug", .jobs = 4, .mode = Mode::kThorough})
      .Add(Build{.configuration = "with space"})
      .Add(Build{.flags = {"-O2", "-g"}})
      .Add(Build{.configuration = ""});
  EXPECT_THAT(
      Names(pipeline.ToJob().value()),
      ElementsAre("restore", "build", "build[configuration=Debug]", "build[configuration=Debug,jobs=4,mode=thorough]",
                  "build[configuration=\"with space\"]", "build[flags=[\"-O2\",\"-g\"]]", "build[configuration=\"\"]"));
}

TEST(PipelineTest, LongValuesAreShortenedAndStayApart) {
  Pipeline pipeline{Restore{}};
  pipeline.Add(Build{.configuration = std::string(500, 'x') + "a"});
  pipeline.Add(Build{.configuration = std::string(500, 'x') + "b"});
  const auto names = Names(pipeline.ToJob().value());
  EXPECT_LT(names[1].size(), 80U);
  EXPECT_NE(names[1], names[2]);
}

TEST(PipelineTest, BindsParametersToInstances) {
  const Pipeline pipeline{Restore{}, Build{}, Build{.configuration = "Debug"}, Check{.of = "Debug"}, Report{}};
  const JobSpec job = pipeline.ToJob().value();
  EXPECT_TRUE(job.tasks[0].needs.empty());
  EXPECT_THAT(job.tasks[1].needs, ElementsAre(Dependency{0, DependencyKind::kRequired, 0}));
  EXPECT_THAT(job.tasks[3].needs, ElementsAre(Dependency{2, DependencyKind::kRequired, 0})) << "Takes() narrowed it";
  EXPECT_THAT(job.tasks[4].needs,
              ElementsAre(Dependency{1, DependencyKind::kRequired, 0}, Dependency{2, DependencyKind::kRequired, 0},
                          Dependency{3, DependencyKind::kRequired, 1}, Dependency{0, DependencyKind::kOptional, 2}));
}

TEST(PipelineTest, WhatTasksShareStandsOnce) {
  Pipeline pipeline{Restore{}};
  for (int shard = 0; shard < 50; ++shard) pipeline.Add(Build{.flags = {std::to_string(shard)}});
  pipeline.Add(Build{.jobs = 8}).Add(Ping{}).Add(Pong{.n = 0});
  // Ping takes Pongs with n > 0 only; there must be one.
  EXPECT_THAT(WhyNot(pipeline), HasSubstr("its Takes() leaves none of the 1 there are (pong)"));

  Pipeline shared{Restore{}};
  for (int shard = 0; shard < 50; ++shard) shared.Add(Build{.flags = {std::to_string(shard)}});
  shared.Add(Build{.jobs = 8});
  const JobSpec job = shared.ToJob().value();
  EXPECT_EQ(job.modules.size(), 2U);
  EXPECT_EQ(job.requirements.size(), 3U);
  EXPECT_EQ(job.policies.size(), 2U);
  EXPECT_EQ(job.tasks[51].requirements, 2U);
  EXPECT_EQ(job.requirements[2].cpus, 8);
  EXPECT_EQ(job.policies[job.tasks[1].policy].retries, 2);
  EXPECT_EQ(DecodeValue<Build>(job.tasks[51].inputs)->jobs, 8);
  EXPECT_NE(job.modules[0].fingerprint, 0U);
  EXPECT_NE(job.modules[0].fingerprint, job.modules[1].fingerprint);
  EXPECT_EQ(job.modules[0].version.size(), 16U) << "without kVersion it is the program's build";
}

TEST(PipelineTest, NameFailModeAndEnvironmentArriveInTheJob) {
  const JobSpec job = Pipeline{Restore{}}.Named("ci").KeepGoing().Env("CC", "gcc").ToJob().value();
  EXPECT_EQ(job.name, "ci");
  EXPECT_EQ(job.fail_mode, FailMode::kKeepGoing);
  EXPECT_EQ(job.tasks[0].env.at("CC"), "gcc");
}

TEST(PipelineTest, A14_EqualInstancesAreRefused) {
  Pipeline pipeline{Restore{}};
  pipeline.Add(Build{.jobs = 2}).Add(Build{.jobs = 2});
  EXPECT_THAT(WhyNot(pipeline), HasSubstr("two equal instances 'build[jobs=2]'"));
}

TEST(PipelineTest, A14_AMissingModuleIsNamedWithWhoTakesIt) {
  Pipeline pipeline;
  pipeline.Add(Build{});
  EXPECT_EQ(WhyNot(pipeline.Named("ci")), "'build' takes From<restore>, and the pipeline 'ci' has no module 'restore'");
}

struct Rebuild {
  static constexpr std::string_view kName = "bild";
  void Run() const {}
};
TEST(PipelineTest, A14_AMissingModuleIsNamedWithTheNearestThereIs) {
  Pipeline pipeline;
  pipeline.Add(Check{}).Add(Rebuild{});
  EXPECT_THAT(WhyNot(pipeline), HasSubstr("no module 'build'; did you mean 'bild'?"));
}

TEST(PipelineTest, A14_SeveralWhereOneIsTakenAreListed) {
  Pipeline pipeline{Restore{}, Build{}};
  pipeline.Add(Build{.jobs = 2}).Add(Check{});
  EXPECT_THAT(WhyNot(pipeline),
              HasSubstr("'check' takes one 'build' (From<build>), and there are 2 (build, build[jobs=2])"));
}

TEST(PipelineTest, A14_ACircleIsRefusedWithItsWholePath) {
  Pipeline pipeline;
  pipeline.Add(Restore{}).Add(Pong{.n = 1}).Add(Ping{});
  EXPECT_EQ(WhyNot(pipeline), "these modules wait for each other: pong[n=1] -> ping -> pong[n=1]");
}

TEST(PipelineTest, AnEmptyPipelineIsRefused) {
  EXPECT_EQ(WhyNot(Pipeline()), "the pipeline 'pipeline' has no modules");
}

struct Eager {
  static constexpr std::string_view kName = "eager";
  int retries = 0;
  int expected_hours = 0;
  Policy policy() const { return {.retries = retries, .expected = std::chrono::hours(expected_hours)}; }
  void Run() const {}
};
TEST(PipelineTest, PoliciesOutOfRangeAreRefusedWithValueAndRange) {
  EXPECT_EQ(WhyNot(Pipeline{Eager{.retries = -2}}),
            "'eager[retries=-2]': policy().retries is -2; it must be 0 or more");
  EXPECT_EQ(
      WhyNot(Pipeline{Eager{.expected_hours = 721}}),
      "'eager[expected_hours=721]': policy().expected is 721h00m; it must be 0 for not known, or at most 720h00m");
  EXPECT_TRUE(Pipeline{Eager{.expected_hours = 720}}.ToJob().ok());
}

struct OtherEager {
  static constexpr std::string_view kName = "eager";
  void Run() const {}
};
TEST(PipelineTest, A14_TwoTypesOfOneNameAreRefused) {
  Pipeline pipeline;
  pipeline.Add(Eager{}).Add(OtherEager{});
  const auto job = pipeline.ToJob();
  EXPECT_EQ(job.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(TextOf(job.status()), HasSubstr("'eager'"));
}

TEST(PipelineTest, AVersionOfItsOwnIsKept) {
  Pipeline pipeline;
  pipeline.Add(Ping{}).Add(Pong{.n = 1});
  EXPECT_EQ(pipeline.registry().Find("ping").value()->version, "7");
}

TEST(PipelineTest, ALongChainIsNoTroubleForTheCheck) {
  Pipeline pipeline{Restore{}};
  for (int i = 0; i < 20000; ++i) pipeline.Add(Eager{.retries = i});
  EXPECT_EQ(pipeline.ToJob()->tasks.size(), 20001U);
}

}  // namespace
}  // namespace millrace
