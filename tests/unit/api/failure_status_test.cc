// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/failure_status.h"

#include <gtest/gtest.h>

#include "millrace/base/status.h"

namespace millrace {
namespace {

TEST(FailureStatusTest, ASkipIsKnownAlsoWhenAnnotated) {
  EXPECT_TRUE(IsSkip(Skip("nothing changed")));
  EXPECT_TRUE(IsSkip(Annotate(Skip("nothing changed"), "docs")));
  EXPECT_FALSE(IsSkip(absl::CancelledError("nothing changed")));
  EXPECT_FALSE(IsSkip(absl::OkStatus()));
}

TEST(FailureStatusTest, ACommandsEndSurvivesTheWayUp) {
  const Failure failure = FailureOf(Annotate(CommandFailed("make", 2, 0, "cc a.c\na.c:1: error\n"), "building"));
  EXPECT_EQ(failure.message, "building: 'make' ended with exit code 2: a.c:1: error");
  EXPECT_EQ(failure.exit_code, 2);
  EXPECT_EQ(failure.output, "cc a.c\na.c:1: error");
  EXPECT_FALSE(failure.transient);
}

TEST(FailureStatusTest, A08_ExitCode75SignalsAndUnavailableAreTransient) {
  EXPECT_TRUE(FailureOf(CommandFailed("fetch", 75, 0, "")).transient);
  EXPECT_TRUE(FailureOf(CommandFailed("fetch", 137, 9, "")).transient);
  EXPECT_EQ(FailureOf(CommandFailed("fetch", 137, 9, "")).signal, 9);
  EXPECT_TRUE(FailureOf(absl::UnavailableError("busy")).transient);
  EXPECT_TRUE(FailureOf(absl::DeadlineExceededError("slow")).transient);
  EXPECT_FALSE(FailureOf(absl::InternalError("bug")).transient);
}

TEST(FailureStatusTest, AFailureAlwaysHasWords) { EXPECT_EQ(FailureOf(absl::UnknownError("")).message, "UNKNOWN"); }

TEST(FailureStatusTest, LastLines) {
  EXPECT_EQ(LastLines(""), "");
  EXPECT_EQ(LastLines("\n\n"), "");
  EXPECT_EQ(LastLines("one"), "one");
  EXPECT_EQ(LastLines("one\ntwo\nthree\n", 2), "two\nthree");
  EXPECT_EQ(LastLines("one\ntwo\n", 5), "one\ntwo");
  EXPECT_EQ(LastLines("\na\n", 5), "\na");
  EXPECT_EQ(LastLines("one\ntwo\nthree", 3, 9), "two\nthree");
  EXPECT_EQ(LastLines("one\ntwo\nthree", 3, 8), "three");
  EXPECT_EQ(LastLines("one\n0123456789", 3, 4), "6789");
}

}  // namespace
}  // namespace millrace
