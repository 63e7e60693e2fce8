// SPDX-License-Identifier: Apache-2.0
// Errors carry a code that says who must act, and a message that grows on the way up.
#include "millrace/base/status.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>

#include "absl/strings/cord.h"

namespace millrace {
namespace {

TEST(StatusTest, ConstructorsFormatStandardStrings) {
  const absl::Status status = InvalidArgument("slots is %d, at most %d (%s)", 300, 256, std::string_view("--slots"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TextOf(status), "slots is 300, at most 256 (--slots)");
  EXPECT_EQ(NotFound("%s", "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FailedPrecondition("%s", "x").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Unavailable("%s", "x").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ResourceExhausted("%s", "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Internal("%s", "x").code(), absl::StatusCode::kInternal);
}

TEST(StatusTest, EveryCodeHasSomeoneWhoMustAct) {
  EXPECT_EQ(WhoMustAct(absl::OkStatus()), Blame::kNobody);
  EXPECT_EQ(WhoMustAct(InvalidArgument("x")), Blame::kUser);
  EXPECT_EQ(WhoMustAct(absl::PermissionDeniedError("x")), Blame::kUser);
  EXPECT_EQ(WhoMustAct(Unavailable("x")), Blame::kEnvironment);
  EXPECT_EQ(WhoMustAct(absl::DataLossError("x")), Blame::kEnvironment);
  EXPECT_EQ(WhoMustAct(Internal("x")), Blame::kUs);
  EXPECT_EQ(WhoMustAct(absl::UnimplementedError("x")), Blame::kUs);
}

TEST(StatusTest, AnnotateKeepsTheCodeAndPutsContextInFront) {
  const absl::Status status = Annotate(NotFound("no module 'x'"), "pipeline.yaml:7");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(TextOf(status), "pipeline.yaml:7: no module 'x'");
  EXPECT_TRUE(Annotate(absl::OkStatus(), "anything").ok());

  absl::Status detailed = NotFound("gone");
  detailed.SetPayload("exit-code", absl::Cord("7"));
  EXPECT_EQ(Annotate(detailed, "step").GetPayload("exit-code"), absl::Cord("7"));
}

TEST(StatusTest, ErrnoBecomesACodeAndWords) {
  const absl::Status status = ErrnoStatus(ENOENT, "open /x");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(TextOf(status), "open /x: No such file or directory");
  EXPECT_EQ(ErrnoStatus(ENOSPC, "write").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(EACCES, "open").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(EADDRINUSE, "bind").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrnoStatus(EIO, "read").code(), absl::StatusCode::kUnavailable);
}

absl::StatusOr<std::unique_ptr<int>> Half(int number) {
  if (number % 2 != 0) return InvalidArgument("%d is odd", number);
  return std::make_unique<int>(number / 2);
}

absl::StatusOr<int> Quarter(int number) {
  MILLRACE_ASSIGN_OR_RETURN(const std::unique_ptr<int> half, Half(number));
  std::unique_ptr<int> quarter;
  MILLRACE_ASSIGN_OR_RETURN(quarter, Half(*half));
  return *quarter;
}

absl::Status Check(int number, int& reached) {
  MILLRACE_RETURN_IF_ERROR(Half(number).status());
  ++reached;
  return absl::OkStatus();
}

TEST(StatusTest, AssignOrReturnMovesTheValueOrHandsUpTheError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(TextOf(Quarter(7).status()), "7 is odd");
  EXPECT_EQ(TextOf(Quarter(6).status()), "3 is odd");
}

TEST(StatusTest, ReturnIfErrorStopsAtTheFirstError) {
  int reached = 0;
  EXPECT_TRUE(Check(2, reached).ok());
  EXPECT_FALSE(Check(1, reached).ok());
  EXPECT_EQ(reached, 1);
}

}  // namespace
}  // namespace millrace
