// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/job_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kMax = 1000;

std::string Refusal(const JobSpec& job) {
  const absl::Status checked = CheckJob(Pack(job), kMax);
  if (!checked.ok()) return TextOf(checked);
  const auto graph = BuildGraph(Pack(job));
  return graph.ok() ? "" : TextOf(graph.status());
}

TEST(JobGraphTest, CountsWavesAndPaths) {
  const Job job = Job().Task("a").Task("b", "a").Task("c", "a b?").Task("d", "c").Task("e");
  ASSERT_EQ(Refusal(job.spec), "");
  const JobGraph graph = BuildGraph(Pack(job.spec)).value();
  EXPECT_THAT(graph.wave, ElementsAre(1, 2, 3, 4, 1));
  constexpr std::uint64_t kSecond = 1'000'000;
  EXPECT_THAT(graph.below, ElementsAre(4 * kSecond, 3 * kSecond, 2 * kSecond, kSecond, kSecond));
  EXPECT_EQ(graph.waves, 4u);
  ASSERT_EQ(graph.Dependants(1).size(), 1u);
  EXPECT_EQ(graph.Dependants(1)[0].target(), 2u);
  EXPECT_TRUE(graph.Dependants(1)[0].optional());
  EXPECT_FALSE(graph.Dependants(0)[0].optional());
}

TEST(JobGraphTest, AJobWithoutDependenciesNeedsNoColumns) {
  const Job job = Job().Task("a", "", {.expected = milliseconds(5)}).Task("b", "", {.expected = milliseconds(7)});
  const JobGraph graph = BuildGraph(Pack(job.spec)).value();
  EXPECT_EQ(graph.waves, 1u);
  EXPECT_EQ(graph.WaveOf(1), 1u);
  EXPECT_EQ(graph.BelowOf(0, 0), 5000u);
  EXPECT_EQ(graph.BelowOf(1, 1), 7000u);
  EXPECT_TRUE(graph.Dependants(1).empty());
  EXPECT_TRUE(graph.wave.empty() && graph.below.empty() && graph.first_edge.empty());
}

TEST(JobGraphTest, PathsAreAsLongAsTheirTasksAreExpectedToTake) {
  const Job job = Job()
                      .Task("a", "", {.expected = milliseconds(5)})
                      .Task("b", "a")  // not known: the mean of the others
                      .Task("c", "a", {.expected = milliseconds(10)})
                      .Task("d", "b c", {.expected = std::chrono::nanoseconds(1)})
                      .Task("e", "", {.expected = milliseconds(25)});
  ASSERT_EQ(Refusal(job.spec), "");
  EXPECT_THAT(BuildGraph(Pack(job.spec)).value().below, ElementsAre(15'001, 10'001, 10'001, 1, 25'000));
}

TEST(JobGraphTest, ThePathOfAsManyTasksAsThereMayBeIsStillANumber) {
  Job job;
  for (int i = 0; i < 20; ++i) {
    job.Task("t" + std::to_string(i), i == 0 ? "" : "t" + std::to_string(i - 1), {.expected = kLongestExpected});
  }
  const std::vector<std::uint64_t> below = BuildGraph(Pack(job.spec)).value().below;
  EXPECT_EQ(below[0], 20 * below[19]);
  EXPECT_LE(below[19], UINT64_MAX / kMaxTasks);
}

TEST(JobGraphTest, A14_ACycleIsNamedAsAWhole) {
  Job job = Job().Task("start").Task("a", "start").Task("b", "a").Task("c", "b").Task("end", "c");
  job.spec.tasks[1].needs.push_back({.task = 3});
  EXPECT_THAT(Refusal(job.spec), HasSubstr("a -> c -> b -> a"));
}

TEST(JobGraphTest, A14_SelfReferenceMissingAndDuplicateAreRefused) {
  Job self = Job().Task("a");
  self.spec.tasks[0].needs.push_back({.task = 0});
  EXPECT_THAT(Refusal(self.spec), HasSubstr("'a' needs itself"));
  Job missing = Job().Task("a");
  missing.spec.tasks[0].needs.push_back({.task = 5});
  EXPECT_THAT(Refusal(missing.spec), HasSubstr("needs task number 5, but there are only 1"));
  const Job twice = Job().Task("a").Task("a");
  EXPECT_THAT(Refusal(twice.spec), HasSubstr("both named 'a'"));
  EXPECT_THAT(Refusal(JobSpec{}), HasSubstr("has no tasks"));
}

TEST(JobGraphTest, A14_IndexesAndAmountsOutOfRangeAreRefused) {
  Job job = Job().Task("a");
  job.spec.tasks[0].module = 3;
  EXPECT_THAT(Refusal(job.spec), HasSubstr("names module 3 of 1"));
  job = Job().Task("a");
  job.spec.tasks[0].policy = 9;
  EXPECT_THAT(Refusal(job.spec), HasSubstr("names policy 9 of 1"));
  job = Job().Task("a");
  job.spec.tasks[0].requirements = 9;
  EXPECT_THAT(Refusal(job.spec), HasSubstr("names requirements 9 of 1"));
  job = Job().Task("a", "", {}, {.cpus = 5000});
  EXPECT_THAT(Refusal(job.spec), HasSubstr("requires 5000 cpus; allowed are 0 to 4096"));
  job = Job().Task("a", "", {}, {.tools = {"cmake>="}});
  EXPECT_THAT(Refusal(job.spec), HasSubstr("cmake>="));
  job = Job().Task("a", "", {.retries = -1});
  EXPECT_THAT(Refusal(job.spec), HasSubstr("retries = -1"));
  for (const std::int64_t limit : {std::int64_t{-1}, kLeastMemoryLimit - 1}) {
    job = Job().Task("a", "", {.memory_limit = limit});
    EXPECT_THAT(Refusal(job.spec), HasSubstr("memory_limit = " + std::to_string(limit)));
  }
  job = Job().Task("a", "", {.isolation = Isolation::kInProcess, .memory_limit = kLeastMemoryLimit});
  EXPECT_THAT(Refusal(job.spec), HasSubstr("in-process"));
  for (const Duration expected : {Duration(seconds(-1)), Duration(kLongestExpected + minutes(1))}) {
    job = Job().Task("a", "", {.expected = expected});
    EXPECT_THAT(Refusal(job.spec), HasSubstr("expected = " + FormatDuration(expected) + "; allowed are 0"));
  }
  EXPECT_EQ(Refusal(Job().Task("a", "", {.expected = kLongestExpected}).spec), "");
  job = Job().Task("a", "", {.secrets = {{"TOKEN", "../token"}}});
  EXPECT_THAT(Refusal(job.spec), HasSubstr("'../token' is no name of a secret; use 1 to 100 letters"));
  job = Job().Task("a", "", {.secrets = {{"TO=KEN", "token"}}});
  EXPECT_THAT(Refusal(job.spec), HasSubstr("the variable 'TO=KEN', which no environment can hold"));
  SecretNames secrets;
  for (std::size_t i = 0; i < kMaxSecrets; ++i) secrets["V" + std::to_string(i)] = std::string(kMaxSecretName, 'x');
  EXPECT_TRUE(CheckJob(Pack(Job().Task("a", "", {.secrets = secrets}).spec), kMax).ok());
  secrets["ONE_MORE"] = "x";
  EXPECT_THAT(Refusal(Job().Task("a", "", {.secrets = secrets}).spec), HasSubstr("65 secrets; at most 64 are allowed"));
  job = Job().Task("a");
  job.spec.tasks[0].inputs = Bytes(std::string(kMax + 1, 'x'));
  EXPECT_THAT(Refusal(job.spec), HasSubstr("1001 bytes; at most 1000"));
  job = Job().Task(std::string(kMaxName + 1, 'n'));
  EXPECT_THAT(Refusal(job.spec), HasSubstr("at most 1024"));
}

}  // namespace
}  // namespace millrace::sched
