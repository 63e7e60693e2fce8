// SPDX-License-Identifier: Apache-2.0
// What modules took before foretells what they take: the right samples, the right quantiles, and how often it came
// true.
#include "millrace/report/estimates.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/report/lanes.h"
#include "sample.h"

namespace millrace::report {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// One run of `test[n=1]` and `build`, which took so many milliseconds, one behind the other.
RunReport RunOf(int test, int build, const std::string& version = "1", RunState state = RunState::kSucceeded) {
  Sample sample;
  sample.run.view.state = state;
  sample.Add("build", {}, {{"w1", 0, 0, build}}).view.execution = milliseconds(build);
  sample.Add("test[n=1]", {0}, {{"w1", build, build, build + test}}).view.execution = milliseconds(test);
  RunReport report = sample.Report();
  for (ReportTask& task : report.tasks) task.version = version;
  return report;
}

TEST(EstimatesTest, AQuantileIsTheValueThatSoManyDoNotExceed) {
  std::vector<Duration> ten;
  for (int i = 1; i <= 10; ++i) ten.emplace_back(i);
  EXPECT_EQ(QuantileOf(ten, 0.5), Duration(5));
  EXPECT_EQ(QuantileOf(ten, 0.9), Duration(9));
  EXPECT_EQ(QuantileOf(ten, 1), Duration(10));
  EXPECT_EQ(QuantileOf({Duration(7)}, 0.5), Duration(7));
  EXPECT_EQ(QuantileOf({Duration(7)}, 0), Duration(7));
}

TEST(EstimatesTest, OnlyWhatSucceededInARunThatDidCounts) {
  Estimates estimates;
  estimates.Add(RunOf(10, 20, "1", RunState::kFailed));
  estimates.Add(RunOf(10, 20, "1", RunState::kCancelled));
  EXPECT_EQ(estimates.runs(), 0u);
  EXPECT_EQ(estimates.Of("build", "1"), std::nullopt);
  RunReport mixed = RunOf(10, 20);
  mixed.tasks[0].past.view.outcome = Outcome::kCached;
  estimates.Add(mixed);
  EXPECT_EQ(estimates.Of("build", "1"), std::nullopt) << "the cache takes no time";
  EXPECT_EQ(estimates.Of("test[n=1]", "1"), (Estimate{1, milliseconds(10), milliseconds(10)}));
}

TEST(EstimatesTest, ItsOwnTimesThenItsTemplateThenOtherVersions) {
  Estimates estimates;
  for (const int took : {10, 20, 90}) estimates.Add(RunOf(took, 5));
  EXPECT_EQ(estimates.Of("test[n=1]", "1"), (Estimate{3, milliseconds(20), milliseconds(90)}));
  EXPECT_EQ(estimates.Of("test[n=7]", "1"), (Estimate{3, milliseconds(20), milliseconds(90)})) << "one of its template";
  estimates.Add(RunOf(1000, 5, "2"));
  EXPECT_EQ(estimates.Of("test[n=1]", "2"), (Estimate{1, milliseconds(1000), milliseconds(1000)}));
  EXPECT_EQ(estimates.Of("test[n=1]", "3")->runs, 4u) << "a version that has never run takes what all others took";
  EXPECT_EQ(estimates.Of("test[n=1]", std::nullopt)->runs, 4u);
  EXPECT_EQ(estimates.Of("deploy", "1"), std::nullopt);
  EXPECT_EQ(estimates.MedianOf("test[n=1]"), milliseconds(20));
  EXPECT_EQ(estimates.MedianOf("test[n=7]"), std::nullopt) << "a difference is to the task itself";
}

TEST(EstimatesTest, RowsAreByTemplateAndVersion) {
  Estimates estimates;
  estimates.Add(RunOf(10, 20, "1"));
  estimates.Add(RunOf(30, 40, "2"));
  std::vector<std::string> rows;
  for (const Estimates::Row& row : estimates.Rows()) rows.push_back(row.group + "@" + row.version);
  EXPECT_THAT(rows, ElementsAre("build@1", "build@2", "test@1", "test@2"));
}

TEST(EstimatesTest, WhatPassesBetweenTwoTasksOfASlotIsMeasuredWhereTheNextOneWasWaiting) {
  Sample sample;
  sample.Add("a", {}, {{"w1", 0, 0, 100}});
  sample.Add("b", {}, {{"w1", 0, 104, 200}});  // it was there when the first one ended
  sample.Add("c", {}, {{"w1", 0, 206, 300}});
  sample.Add("d", {}, {{"w1", 900, 901, 950}});  // nobody had work for that long
  EXPECT_EQ(HandoverOf(sample.Report()), milliseconds(5));
  EXPECT_EQ(HandoverOf(Sample().Report()), Duration::zero());
}

Pending For(int ms, std::vector<std::uint32_t> needs = {}, bool running = false) {
  return {milliseconds(ms), std::move(needs), running};
}

TEST(TimeLeftTest, SlotsAndPathsBoundIt) {
  EXPECT_EQ(TimeLeft({}, 1), Duration::zero());
  EXPECT_EQ(TimeLeft({For(10), For(10), For(10)}, 1), milliseconds(30));
  EXPECT_EQ(TimeLeft({For(10), For(10), For(10)}, 2), milliseconds(20));
  EXPECT_EQ(TimeLeft({For(10), For(10, {0}), For(10, {1})}, 8), milliseconds(30));
  EXPECT_EQ(TimeLeft({For(10), For(10), For(30)}, 2), milliseconds(30)) << "the longest path goes first";
}

TEST(TimeLeftTest, WhatRunsHasItsSlotAndWhatTakesNoTimeHoldsNobodyUp) {
  EXPECT_EQ(TimeLeft({For(50), For(10, {}, true)}, 1), milliseconds(60)) << "it is not pushed out";
  EXPECT_EQ(TimeLeft({For(10, {}, true), For(10, {}, true)}, 1), milliseconds(10)) << "they do run";
  EXPECT_EQ(TimeLeft({For(10), For(0, {0}), For(10, {1})}, 1), milliseconds(20));
  EXPECT_EQ(TimeLeft({For(10, {1}), For(10, {0})}, 1), Duration::zero()) << "a circle is not waited for";
}

TEST(HitRateTest, EachRunIsForeseenFromThoseBeforeIt) {
  EXPECT_EQ(HitRateOf({}).runs, 0u);
  EXPECT_EQ(HitRateOf({RunOf(10, 10)}).runs, 0u) << "nothing was known before";
  const HitRate same = HitRateOf({RunOf(10, 10), RunOf(10, 10), RunOf(10, 10)});
  EXPECT_EQ(same.runs, 2u);
  EXPECT_EQ(same.within_p50, 2u);
  EXPECT_EQ(same.within_p90, 2u);
  // The third takes more than its median and no more than the longest before.
  const HitRate third = HitRateOf({RunOf(10, 10), RunOf(90, 10), RunOf(50, 10)});
  EXPECT_EQ(third.runs, 2u);
  EXPECT_EQ(third.within_p50, 0u);
  EXPECT_EQ(third.within_p90, 1u);
  const HitRate failed = HitRateOf({RunOf(10, 10), RunOf(10, 10, "1", RunState::kFailed)});
  EXPECT_EQ(failed.runs, 0u);
}

TEST(HitRateTest, ARunWithANewModuleCouldNotBeForeseen) {
  RunReport strange = RunOf(10, 10);
  strange.tasks[1].past.view.name = strange.tasks[1].group = "deploy";
  EXPECT_EQ(HitRateOf({RunOf(10, 10), strange}).runs, 0u);
}

}  // namespace
}  // namespace millrace::report
