// SPDX-License-Identifier: Apache-2.0
// Exit codes are an interface: scripts and service managers decide by these numbers.
#include "millrace/host/exit_code.h"

#include <set>

#include "gtest/gtest.h"

namespace millrace::host {
namespace {

TEST(ExitCodesTest, TheNumbersStay) {
  EXPECT_EQ(kSucceeded, 0);
  EXPECT_EQ(kRunFailed, 1);
  EXPECT_EQ(kUsage, 64);
  EXPECT_EQ(kBadInput, 65);
  EXPECT_EQ(kNoInput, 66);
  EXPECT_EQ(kUnreachable, 69);
  EXPECT_EQ(kOurFault, 70);
  EXPECT_EQ(kNoResources, 71);
  EXPECT_EQ(kDisk, 74);
  EXPECT_EQ(kTryAgain, 75);
  EXPECT_EQ(kVersions, 76);
  EXPECT_EQ(kNotAllowed, 77);
  EXPECT_EQ(kBadConfig, 78);
  EXPECT_EQ(kInterrupted, 130);
}

TEST(ExitCodesTest, EveryStatusLeadsToTheOneWhoMustAct) {
  const auto code = [](absl::StatusCode status) { return ExitCodeOf(absl::Status(status, "x")); };
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(code(absl::StatusCode::kInvalidArgument), 65);
  EXPECT_EQ(code(absl::StatusCode::kOutOfRange), 65);
  EXPECT_EQ(code(absl::StatusCode::kNotFound), 66);
  EXPECT_EQ(code(absl::StatusCode::kUnavailable), 69);
  EXPECT_EQ(code(absl::StatusCode::kDataLoss), 74);
  EXPECT_EQ(code(absl::StatusCode::kDeadlineExceeded), 75);
  EXPECT_EQ(code(absl::StatusCode::kResourceExhausted), 75);
  EXPECT_EQ(code(absl::StatusCode::kAborted), 75);
  EXPECT_EQ(code(absl::StatusCode::kPermissionDenied), 77);
  EXPECT_EQ(code(absl::StatusCode::kUnauthenticated), 77);
  EXPECT_EQ(code(absl::StatusCode::kFailedPrecondition), 78);
  EXPECT_EQ(code(absl::StatusCode::kAlreadyExists), 78);
  EXPECT_EQ(code(absl::StatusCode::kCancelled), 130);
  for (const auto ours : {absl::StatusCode::kInternal, absl::StatusCode::kUnimplemented, absl::StatusCode::kUnknown,
                          static_cast<absl::StatusCode>(99)}) {
    EXPECT_EQ(code(ours), 70) << static_cast<int>(ours);
  }
}

// A service manager starts again after 75 and not after 0 or 78: nothing else may look like these.
TEST(ExitCodesTest, NoErrorLooksLikeARunThatEnded) {
  for (int status = 1; status <= 20; ++status) {
    const int code = ExitCodeOf(absl::Status(static_cast<absl::StatusCode>(status), "x"));
    EXPECT_GE(code, 64) << status;
  }
}

}  // namespace
}  // namespace millrace::host
