// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/fail_point.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace millrace {
namespace {

TEST(FailPoint, IsANameAndWhichTime) {
  EXPECT_EQ(ParseFailPoint("journal.durable"), (FailPointSpec{.name = "journal.durable", .at = 1}));
  EXPECT_EQ(ParseFailPoint("journal.durable:12"), (FailPointSpec{.name = "journal.durable", .at = 12}));
  for (const char* wrong : {"", ":", ":3", "a:", "a:0", "a:-1", "a:3x", "a:99999999999999999999"}) {
    EXPECT_EQ(ParseFailPoint(wrong), std::nullopt) << wrong;
  }
}

TEST(FailPoint, IsPassedByWhenNobodyAsksForIt) { FailPoint("nothing"); }

// The children are this program anew, so that what was read of the environment before is forgotten.
class FailPointDeathTest : public testing::Test {
 protected:
  FailPointDeathTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

void PassTwiceWith(const char* value) {
  setenv("MILLRACE_FAIL_POINT", value, 1);
  FailPoint("here");
  FailPoint("there");
  std::fputs("once\n", stderr);
  FailPoint("here");
  std::fputs("twice\n", stderr);
  std::exit(3);
}

TEST_F(FailPointDeathTest, KillsTheProcessThereAndThen) {
  EXPECT_EXIT(PassTwiceWith("here"), testing::KilledBySignal(SIGKILL), "^$");
  EXPECT_EXIT(PassTwiceWith("here:2"), testing::KilledBySignal(SIGKILL), "^once\n$");
  EXPECT_EXIT(PassTwiceWith("here:3"), testing::ExitedWithCode(3), "twice");
  EXPECT_EXIT(PassTwiceWith("her"), testing::ExitedWithCode(3), "twice");
}

}  // namespace
}  // namespace millrace
