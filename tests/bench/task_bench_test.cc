// SPDX-License-Identifier: Apache-2.0
#include "bench/cases/task_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::bench {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(TaskBenchTest, TheFirstStepNeedsNothing) {
  for (const std::string& pattern : PatternNames()) EXPECT_THAT(NeedsOf({pattern, 8, 4}, 0, 0), IsEmpty()) << pattern;
}

TEST(TaskBenchTest, TrivialNeedsNothingEver) { EXPECT_THAT(NeedsOf({"trivial", 8, 4}, 3, 5), IsEmpty()); }

TEST(TaskBenchTest, AStencilNeedsItselfAndItsNeighbours) {
  const TaskGraph graph{"stencil_1d", 8, 4};
  EXPECT_THAT(NeedsOf(graph, 1, 0), ElementsAre(0, 1));
  EXPECT_THAT(NeedsOf(graph, 1, 5), ElementsAre(4, 5, 6));
  EXPECT_THAT(NeedsOf(graph, 1, 7), ElementsAre(6, 7));
}

TEST(TaskBenchTest, ButterfliesDoubleTheirStrideAndBeginAgain) {
  const TaskGraph graph{"fft", 8, 5};
  EXPECT_THAT(NeedsOf(graph, 1, 3), ElementsAre(2, 3, 4));
  EXPECT_THAT(NeedsOf(graph, 2, 3), ElementsAre(1, 3, 5));
  EXPECT_THAT(NeedsOf(graph, 3, 3), ElementsAre(3, 7));
  EXPECT_THAT(NeedsOf(graph, 4, 3), ElementsAre(2, 3, 4));
}

TEST(TaskBenchTest, ATreeDoublesUntilItIsWide) {
  const TaskGraph graph{"tree", 4, 5};
  EXPECT_EQ(WidthOfStep(graph, 0), 1);
  EXPECT_EQ(WidthOfStep(graph, 1), 2);
  EXPECT_EQ(WidthOfStep(graph, 2), 4);
  EXPECT_EQ(WidthOfStep(graph, 3), 4);
  EXPECT_THAT(NeedsOf(graph, 2, 3), ElementsAre(1));
  EXPECT_THAT(NeedsOf(graph, 3, 3), ElementsAre(1));
}

TEST(TaskBenchTest, RandomNeedsAreNearAndAlwaysTheSame) {
  const TaskGraph graph{"random_nearest", 100, 9};
  std::size_t edges = 0;
  for (std::int64_t step = 1; step < graph.steps; ++step) {
    for (std::int64_t point = 0; point < graph.width; ++point) {
      const std::vector<std::int64_t> needs = NeedsOf(graph, step, point);
      EXPECT_THAT(needs, testing::Contains(point));
      EXPECT_THAT(needs, testing::Each(testing::AllOf(testing::Ge(point - 2), testing::Le(point + 2))));
      EXPECT_EQ(needs, NeedsOf(graph, step, point));
      edges += needs.size();
    }
  }
  // Itself, and a quarter of four others: about two for each.
  EXPECT_GT(edges, 1400u);
  EXPECT_LT(edges, 1800u);
  EXPECT_NE(NeedsOf(graph, 1, 50), NeedsOf(graph, 1, 51));
}

TEST(TaskBenchTest, AJobNeedsTasksOfTheStepBefore) {
  const JobSpec job = JobOfGraph({"stencil_1d", 3, 3}, 5);
  ASSERT_EQ(job.tasks.size(), 9u);
  EXPECT_EQ(job.tasks[7].name, "s2p1");
  EXPECT_THAT(job.tasks[7].needs, ElementsAre(Dependency{3}, Dependency{4}, Dependency{5}));
  EXPECT_THAT(job.tasks[2].needs, IsEmpty());
  EXPECT_EQ(JobOfGraph({"tree", 4, 4}, 5).tasks.size(), 11u);
}

}  // namespace
}  // namespace millrace::bench
