// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::zmqctl {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Duration At(int ms) { return std::chrono::milliseconds(ms); }

TEST(Recoveries, AreFromTheDeathOfAWorkerToTheNextTryOfWhatItHad) {
  const std::vector<Seen> seen = {
      {At(10), 1, TaskState::kAssigned, "w1", 1}, {At(12), 2, TaskState::kRunning, "w1", 1},
      {At(13), 3, TaskState::kRunning, "w2", 1},  {At(14), 4, TaskState::kEnded, "w1", 1},
      {At(120), 1, TaskState::kReady, "w1", 1},   {At(150), 1, TaskState::kAssigned, "w2", 2},
      {At(160), 3, TaskState::kEnded, "w2", 1},   {At(300), 2, TaskState::kEnded, "w2", 2}};
  const Recoveries recoveries = MeasureRecoveries(seen, std::vector<Death>{{At(100), "w1"}});
  EXPECT_THAT(recoveries.tasks, ElementsAre(At(50), At(200)));
  EXPECT_THAT(recoveries.broker, IsEmpty());
}

TEST(Recoveries, OfABrokerAreUntilAnythingHappens) {
  const std::vector<Seen> seen = {{At(10), 1, TaskState::kAssigned, "w1", 1}, {At(400), 1, TaskState::kEnded, "w1", 1}};
  const Recoveries recoveries = MeasureRecoveries(seen, std::vector<Death>{{At(100), ""}, {At(500), ""}});
  EXPECT_THAT(recoveries.broker, ElementsAre(At(300)));  // after the second one nothing did
  EXPECT_THAT(recoveries.tasks, IsEmpty());
}

TEST(Spreads, AreOfSortedTimes) {
  std::vector<Duration> times;
  for (int i = 100; i > 0; --i) times.push_back(At(i));
  const Spread spread = SpreadOf(times);
  EXPECT_EQ(spread.count, 100u);
  EXPECT_EQ(spread.median, At(50));
  EXPECT_EQ(spread.p99, At(99));
  EXPECT_EQ(spread.longest, At(100));
  EXPECT_EQ(SpreadOf({}).count, 0u);
  EXPECT_EQ(SpreadOf({At(7)}).p99, At(7));
  EXPECT_EQ(SpreadOf({At(1), At(2), At(3)}).median, At(2));
  EXPECT_EQ(SpreadOf({At(1), At(2), At(3)}).p99, At(3));
}

}  // namespace
}  // namespace millrace::zmqctl
