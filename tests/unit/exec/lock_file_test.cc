// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/lock_file.h"

#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

TEST(LockFile, A46_TheSecondHolderIsRefusedAndToldOfTheFirst) {
  const TemporaryDirectory directory;
  std::optional<LockFile> first = LockFile::Acquire(directory / "lock").value();
  const absl::Status refused = LockFile::Acquire(directory / "lock").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr((directory / "lock").string()));
  EXPECT_THAT(std::string(refused.message()),
              testing::HasSubstr("process " + std::to_string(getpid()) + " (exec_test)"));
  first.reset();
  EXPECT_TRUE(LockFile::Acquire(directory / "lock").ok());
}

TEST(LockFile, ChildrenDoNotHoldIt) {
  const TemporaryDirectory directory;
  std::optional<LockFile> first = LockFile::Acquire(directory / "lock").value();
  const absl::StatusOr<CommandOutcome> outcome = RunCommand(TestShell(DaemonCommand(directory / "pid")), {});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const Witness daemon = AwaitWitness(directory / "pid");
  first.reset();
  EXPECT_TRUE(LockFile::Acquire(directory / "lock").ok());
  EXPECT_TRUE(daemon.Alive());
  kill(daemon.pid, SIGKILL);
}

TEST(LockFile, SaysWhyItCannotBeMade) {
  EXPECT_THAT(std::string(LockFile::Acquire("/nonexistent/lock").status().message()),
              testing::HasSubstr("/nonexistent/lock"));
}

}  // namespace
}  // namespace millrace::exec
