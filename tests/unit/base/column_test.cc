// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/column.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <fstream>
#include <string>

namespace millrace {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ColumnTest, BeginsAsZerosAndKeepsWhatIsWritten) {
  ZeroColumn<std::uint32_t> column(3);
  EXPECT_THAT(column, ElementsAre(0u, 0u, 0u));
  column[1] = 7;
  ZeroColumn<std::uint32_t> moved = std::move(column);
  EXPECT_THAT(moved, ElementsAre(0u, 7u, 0u));
  EXPECT_THAT(column, IsEmpty());  // NOLINT(bugprone-use-after-move): that it is empty is the point
  moved = ZeroColumn<std::uint32_t>(1);
  EXPECT_THAT(moved, ElementsAre(0u));
  EXPECT_THAT(ZeroColumn<std::uint32_t>(0), IsEmpty());
}

TEST(ColumnTest, ANumberFromMinusOneBeginsThere) {
  ZeroColumn<FromMinusOne<std::uint32_t>> indexes(2);
  EXPECT_THAT(indexes, Each(UINT32_MAX));
  indexes[0] = 0;
  indexes[1] = 5;
  EXPECT_EQ(indexes[0], 0u);
  EXPECT_EQ(indexes[1], 5u);
  indexes[1] = UINT32_MAX;
  EXPECT_EQ(indexes[1], UINT32_MAX);
  ZeroColumn<FromMinusOne<Duration>> times(2);
  EXPECT_EQ(Duration(times[1]), Duration(-1));
  times[1] = std::chrono::seconds(3);
  EXPECT_EQ(Duration(times[1]), std::chrono::seconds(3));
  times[1] = Duration(-1);
  EXPECT_EQ(Duration(times[1]), Duration(-1));
}

std::size_t ResidentPages() {
  std::ifstream in("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  in >> size >> resident;
  return resident;
}

TEST(ColumnTest, WhatIsNotTouchedTakesNoMemory) {
#ifdef __GLIBC__
  mallopt(M_PERTURB, 0);  // MALLOC_PERTURB_, with which test runners find bugs, touches all that is given out
#endif
  constexpr std::size_t kRows = std::size_t{16} << 20;  // 128 MiB
  const std::size_t before = ResidentPages();
  if (before == 0) GTEST_SKIP() << "/proc/self/statm says nothing";
  ZeroColumn<std::uint64_t> column(kRows);
  column[kRows / 2] = 1;
  EXPECT_EQ(column[kRows / 2 + 1], 0u);
  EXPECT_LT(ResidentPages(), before + 8 * 1024) << "pages of 4 KiB";
}

}  // namespace
}  // namespace millrace
