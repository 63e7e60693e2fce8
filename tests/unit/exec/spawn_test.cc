// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/spawn.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "gtest/gtest.h"
#include "millrace/exec/tree.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

int WaitForCode(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return ExitStatusOfWait(status).code;
}

TEST(Spawn, DescriptorsMayTradePlaces) {
  const TemporaryDirectory directory;
  const UniqueFd first(open((directory / "first").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  const UniqueFd second(open((directory / "second").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  SpawnRequest request;
  request.program = "/bin/sh";
  request.env = ChildEnvironment({});
  const std::string a = std::to_string(first.get()), b = std::to_string(second.get());
  // What is `first` here is `second` there, and the other way round.
  request.argv = {"sh", "-c", "echo to-first >&" + b + "; echo to-second >&" + a};
  request.descriptors = {{first.get(), second.get()}, {second.get(), first.get()}};
  const absl::StatusOr<Child> child = Spawn(request);
  ASSERT_TRUE(child.ok()) << child.status();
  EXPECT_EQ(WaitForCode(child->pid), 0);
  EXPECT_EQ(ReadFile(directory / "first"), "to-first\n");
  EXPECT_EQ(ReadFile(directory / "second"), "to-second\n");
}

TEST(Spawn, GivesAGroupOrASession) {
  for (const bool own_session : {false, true}) {
    SpawnRequest request;
    request.program = "/bin/sleep";
    request.argv = {"sleep", "1000"};
    request.own_session = own_session;
    const absl::StatusOr<Child> child = Spawn(request);
    ASSERT_TRUE(child.ok()) << child.status();
    const std::optional<ProcessInfo> info = ReadProcess(child->pid);
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->group, child->pid);
    EXPECT_EQ(info->session == child->pid, own_session);
    EXPECT_EQ(info->parent, getpid());
    kill(child->pid, SIGKILL);
    EXPECT_EQ(WaitForCode(child->pid), 128 + SIGKILL);
  }
}

}  // namespace
}  // namespace millrace::exec
