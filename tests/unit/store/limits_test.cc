// SPDX-License-Identifier: Apache-2.0
// The limits of what is kept, where a test of the whole would need a million of something.
#include <gtest/gtest.h>

#include "millrace/store/chronicle.h"

namespace millrace::store {
namespace {

TEST(LimitsTest, TasksThatTheHistoryKeeps) {
  EXPECT_TRUE(KeepsTasks(1'000'000));
  EXPECT_FALSE(KeepsTasks(1'000'001));
}

}  // namespace
}  // namespace millrace::store
