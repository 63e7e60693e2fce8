// SPDX-License-Identifier: Apache-2.0
// The timeline: what overlapped on a worker was in different slots, and what did not may share one.
#include "millrace/report/lanes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sample.h"

namespace millrace::report {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

std::vector<std::string> LanesOf(const RunReport& report) {
  std::vector<std::string> lanes;
  for (const Lane& lane : report.lanes) lanes.push_back(lane.worker + "/" + std::to_string(lane.slot));
  return lanes;
}

TEST(LanesTest, A42_EachWorkerHasALanePerSlotInWhichNothingOverlaps) {
  Sample sample;
  sample.Add("a", {}, {{"w2", 0, 10, 100}});
  sample.Add("b", {}, {{"w1", 0, 10, 100}});
  sample.Add("c", {}, {{"w1", 0, 50, 200}});
  sample.Add("d", {}, {{"w1", 0, 100, 300}});
  sample.Add("e", {}, {{"w1", 0, 60, 70}});
  const RunReport report = sample.Report();
  EXPECT_THAT(LanesOf(report), ElementsAre("w1/0", "w1/1", "w1/2", "w2/0"));
  ASSERT_THAT(report.bars, SizeIs(5));
  for (std::size_t i = 1; i < report.bars.size(); ++i) {
    const Bar& before = report.bars[i - 1];
    const Bar& bar = report.bars[i];
    EXPECT_TRUE(before.lane < bar.lane || (before.lane == bar.lane && before.to <= bar.from)) << i;
  }
}

TEST(LanesTest, WhatSeemsToOverlapByTheTimeOfAMessageIsOneBehindTheOther) {
  Sample sample;
  sample.Add("a", {}, {{"w1", 0, 10, 100}});
  sample.Add("b", {}, {{"w1", 0, 97, 200}});
  const RunReport report = sample.Report();
  EXPECT_THAT(LanesOf(report), ElementsAre("w1/0"));
  EXPECT_EQ(report.bars[1].from, milliseconds(100));
}

TEST(LanesTest, EveryTryIsDrawnUnlessItsTimesAreNotKnown) {
  Sample sample;
  PastTask& task = sample.Add("a", {}, {{"w1", 0, 10, 20, Outcome::kLost}, {"w2", 30, 40, 50}, {"w1", 0, 60, 70}});
  task.attempts[0].started = Duration(-1);
  EXPECT_THAT(sample.Report().bars, SizeIs(2));
}

}  // namespace
}  // namespace millrace::report
