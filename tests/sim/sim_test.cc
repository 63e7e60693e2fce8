// SPDX-License-Identifier: Apache-2.0
// The simulator's share in the test suite: some thousand schedules, and that the simulator itself can be trusted.
#include <gtest/gtest.h>

#include <string>

#include "simulate.h"

namespace millrace::sim {
namespace {

constexpr std::uint64_t kSchedules = 2500;

TEST(SimTest, A07_A08_A09_EveryScheduleKeepsWhatIsPromised) {
  int failures = 0;
  std::uint64_t leases = 0;
  for (std::uint64_t seed = 1; seed <= kSchedules && failures < 3; ++seed) {
    const Verdict verdict = PlaySeed(seed);
    leases += verdict.leases;
    if (verdict.problem.empty()) continue;
    ++failures;
    ADD_FAILURE() << Explain(seed, FaultSet::All(), verdict);
  }
  EXPECT_GE(leases, kSchedules / 20) << "too few leases end to say that they end in time";
}

TEST(SimTest, TheSameSeedIsTheSameSchedule) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Verdict once = PlaySeed(seed);
    const Verdict again = PlaySeed(seed);
    EXPECT_EQ(once.hash, again.hash) << "seed " << seed;
    EXPECT_EQ(once.deeds, again.deeds) << "seed " << seed;
    EXPECT_NE(once.hash, PlaySeed(seed + 1000).hash) << "seed " << seed;
  }
}

// A class that is switched off is the only thing that changes: else nobody could tell which ones are to blame.
TEST(SimTest, ClassesOfFaultsAreIndependent) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const Plan all = MakePlan(seed, FaultSet::All());
    FaultSet fewer = FaultSet::All();
    fewer.Remove(Fault::kLoss);
    const Plan some = MakePlan(seed, fewer);
    FaultSet rest = all.faults;
    rest.Remove(Fault::kLoss);
    EXPECT_EQ(some.faults.Text(), rest.Text()) << "seed " << seed;
    EXPECT_EQ(some.loss, 0);
    EXPECT_EQ(some.duplicate, all.duplicate);
    ASSERT_EQ(some.runs.size(), all.runs.size());
    for (std::size_t i = 0; i < all.runs.size(); ++i) EXPECT_TRUE(some.runs[i].job == all.runs[i].job);
  }
}

TEST(SimTest, EveryClassOfFaultsIsDrawn) {
  int seen[kFaults] = {};
  int economic = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    const Plan plan = MakePlan(seed, FaultSet::All());
    economic += plan.Economic() ? 1 : 0;
    for (int i = 0; i < kFaults; ++i) seen[i] += plan.faults.Has(static_cast<Fault>(i)) ? 1 : 0;
  }
  for (int i = 0; i < kFaults; ++i) EXPECT_GE(seen[i], 50) << NameOf(static_cast<Fault>(i));
  EXPECT_GE(economic, 100) << "the economy is checked too seldom";
}

TEST(SimTest, NamesOfFaultsAreReadBack) {
  FaultSet set;
  ASSERT_TRUE(FaultSet::Parse(FaultSet::All().Text(), set));
  EXPECT_EQ(set.Text(), FaultSet::All().Text());
  ASSERT_TRUE(FaultSet::Parse("none", set));
  EXPECT_TRUE(set.empty());
  EXPECT_FALSE(FaultSet::Parse("loss,rain", set));
}

}  // namespace
}  // namespace millrace::sim
