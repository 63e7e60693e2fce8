// SPDX-License-Identifier: Apache-2.0
// Why it took so long: the parts of a task's time add up to its end, the critical path is the one that was, and who is
// much slower than its siblings is named.
#include "millrace/report/why.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sample.h"

namespace millrace::report {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::vector<std::string> PathOf(const RunReport& report) {
  std::vector<std::string> names;
  for (const PathStep& step : report.path) names.push_back(report.tasks[step.task].past.view.name);
  return names;
}

TEST(WhyTest, TheTimeOfATaskIsSplitWithoutAGap) {
  Sample sample;
  sample.Add("first", {}, {{"w1", 10, 20, 100}});
  sample.Add("second", {0}, {{"w1", 150, 160, 200, Outcome::kFailed}, {"w2", 400, 430, 1000}});
  const RunReport report = sample.Report();
  const TimeSplit expected{.dependencies = milliseconds(100),
                           .queue = milliseconds(50),
                           .earlier_tries = milliseconds(250),
                           .handover = milliseconds(30),
                           .execution = milliseconds(570)};
  EXPECT_EQ(report.tasks[1].split, expected);
  for (const ReportTask& task : report.tasks) EXPECT_EQ(task.split.Sum(), task.past.view.ended);
}

TEST(WhyTest, WhatNeverRanHasOnlyWaitedAndTheCacheAnswersFromTheQueue) {
  const RunReport report = OfEachKind().Report();
  EXPECT_EQ(report.tasks[6].split, TimeSplit{.dependencies = milliseconds(500)});
  const TimeSplit cached{.dependencies = milliseconds(100), .queue = milliseconds(30)};
  EXPECT_EQ(report.tasks[2].split, cached);
  for (const ReportTask& task : report.tasks) EXPECT_EQ(task.split.Sum(), task.past.view.ended);
}

TEST(WhyTest, WhatWasGivenUpBetweenTwoTriesHasNotExecutedUntilThen) {
  Sample sample;
  PastTask& task = sample.Add("a", {}, {{"w1", 10, 20, 100, Outcome::kFailed}});
  task.view.outcome = Outcome::kCancelled;
  task.view.ended = milliseconds(900);
  const TimeSplit split = sample.Report().tasks[0].split;
  EXPECT_EQ(split.execution, milliseconds(80));
  EXPECT_EQ(split.earlier_tries, milliseconds(800));
  EXPECT_EQ(split.Sum(), milliseconds(900));
}

// Clocks of two lives of a broker, and rows of an older Millrace.
TEST(WhyTest, TimesThatMakeNoSenseAreNeverLessThanNothing) {
  Sample sample;
  sample.Add("backwards", {}, {{"w1", 500, 300, 100}});
  PastTask& old = sample.Add("old", {}, {{"w1", 0, 0, 70}});
  old.view.ready = old.attempts[0].assigned = old.attempts[0].started = Duration(-1);
  const RunReport report = sample.Report();
  for (const ReportTask& task : report.tasks) {
    EXPECT_EQ(task.split.Sum(), task.past.view.ended);
    for (const Duration part : {task.split.dependencies, task.split.queue, task.split.handover, task.split.execution}) {
      EXPECT_GE(part, Duration::zero());
    }
  }
  EXPECT_EQ(report.tasks[1].split, TimeSplit{.execution = milliseconds(70)});
}

TEST(WhyTest, A42_TheCriticalPathIsTheChainThatWas) {
  Sample sample;
  sample.Add("start", {}, {{"w1", 10, 20, 100}});
  sample.Add("short", {0}, {{"w1", 110, 120, 200}});
  sample.Add("long", {0}, {{"w2", 400, 410, 900}});
  sample.Add("end", {1, 2}, {{"w1", 910, 920, 1000}});
  sample.Add("aside", {}, {{"w2", 0, 10, 950}});
  const RunReport report = sample.Report();
  EXPECT_THAT(PathOf(report), ElementsAre("start", "long", "end"));
  Duration at{};
  for (const PathStep& step : report.path) {
    EXPECT_EQ(step.from, at);
    at = step.to;
    EXPECT_EQ(step.split.Sum(), step.to - step.from);
  }
  EXPECT_EQ(at, milliseconds(1000));
  EXPECT_EQ(report.path_split.Sum(), milliseconds(1000));
  EXPECT_EQ(report.path_split.queue, milliseconds(10 + 300 + 10));
  EXPECT_TRUE(report.tasks[2].on_path);
  EXPECT_FALSE(report.tasks[1].on_path);
  EXPECT_THAT(report.why, Contains(HasSubstr("3 tasks")));
  EXPECT_THAT(report.why, Contains(HasSubstr("The longest of them: long, 800ms")));
}

TEST(WhyTest, ADamagedFileWithACircleOrAStrangeNeedEndsThePath) {
  Sample sample;
  sample.Add("a", {}, {{"w1", 0, 0, 100}});
  sample.Add("b", {0}, {{"w1", 100, 100, 200}});
  sample.links[0]->needs = {{1}, {77}};
  const RunReport report = sample.Report();
  EXPECT_THAT(report.path, SizeIs(2));
  EXPECT_THAT(report.tasks[0].links.needs, SizeIs(1));
}

TEST(WhyTest, ARunOfAnOlderMillraceSaysThatItsNeedsAreNotKnown) {
  Sample sample;
  sample.Add("a", {}, {{"w1", 0, 0, 100}});
  EXPECT_THAT(sample.Report().why, Not(Contains(HasSubstr("older Millrace"))));
  sample.links.clear();
  EXPECT_THAT(sample.Report().why, Contains(HasSubstr("older Millrace")));
}

TEST(WhyTest, NothingThatHasRunIsNoPath) {
  Sample sample;
  sample.Add("a", {}, {}, Outcome::kSkipped, 10);
  const RunReport report = sample.Report();
  EXPECT_THAT(report.path, IsEmpty());
  EXPECT_THAT(report.why, Contains(HasSubstr("No task")));
}

TEST(WhyTest, WhoTakesTwiceTheMedianOfItsTemplateIsAStraggler) {
  Sample sample;
  for (int i = 0; i < 4; ++i) sample.Add("test[n=" + std::to_string(i) + "]", {}, {{"w1", 0, 0, 400 + i}});
  sample.Add("test[n=slow]", {}, {{"w2", 0, 0, 2000}});
  sample.Add("test[n=bit]", {}, {{"w2", 0, 0, 700}});
  sample.Add("other", {}, {{"w2", 0, 0, 9000}});
  for (int i = 0; i < 4; ++i) sample.Add("tiny[n=" + std::to_string(i) + "]", {}, {{"w1", 0, 0, i == 3 ? 90 : 1}});
  const RunReport report = sample.Report();
  ASSERT_THAT(report.stragglers, SizeIs(1)) << "neither 1.7 times, nor without siblings, nor by what is noise";
  EXPECT_EQ(report.stragglers[0].task, 4u);
  EXPECT_EQ(report.stragglers[0].execution, milliseconds(2000));
  EXPECT_EQ(report.stragglers[0].median, milliseconds(402));
  EXPECT_EQ(report.stragglers[0].siblings, 5u);
  EXPECT_THAT(report.why, Contains(HasSubstr("test[n=slow] executed for 2")));
}

TEST(WhyTest, TheCacheSaysWhy) {
  Sample sample = OfEachKind();
  sample.links[0]->cacheable = true;
  const RunReport report = sample.Report();
  EXPECT_EQ(report.tasks[0].cache, CacheUse::kMiss);
  EXPECT_THAT(ReasonText(report.tasks[0]), HasSubstr("had no result"));
  EXPECT_EQ(report.tasks[2].cache, CacheUse::kHit);
  EXPECT_THAT(ReasonText(report.tasks[2]), HasSubstr("was in the cache"));
  EXPECT_EQ(report.tasks[1].cache, CacheUse::kNone);
  EXPECT_EQ(ReasonText(report.tasks[1]), "");
}

}  // namespace
}  // namespace millrace::report
