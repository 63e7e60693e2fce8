// SPDX-License-Identifier: Apache-2.0
// The generator gives the published sequence, on every machine.
#include "millrace/base/random.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace {
namespace {

// The first numbers of splitmix64 for seed 1234567, as published with the reference code.
TEST(RandomTest, GivesThePublishedSequence) {
  Random random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317U);
  EXPECT_EQ(random.Next(), 3203168211198807973U);
  EXPECT_EQ(random.Next(), 9817491932198370423U);
  EXPECT_EQ(random.Next(), 4593380528125082431U);
  EXPECT_EQ(random.Next(), 16408922859458223821U);
}

TEST(RandomTest, BelowReachesEveryValueAndNoOther) {
  Random random(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.Below(7));
  EXPECT_EQ(seen, (std::set<std::uint64_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(random.Below(1), 0U);
}

TEST(RandomTest, UnitIsHalfOpenAndEven) {
  Random random(2);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double unit = random.Unit();
    ASSERT_GE(unit, 0.0);
    ASSERT_LT(unit, 1.0);
    sum += unit;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(RandomTest, EntropyDiffers) { EXPECT_NE(EntropyFromSystem(), EntropyFromSystem()); }

}  // namespace
}  // namespace millrace
