// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/tree.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "gtest/gtest.h"
#include "millrace/exec/spawn.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

bool Contains(const std::vector<pid_t>& pids, pid_t pid) {
  return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

// sh -> sh -> sleep, with the pid of the innermost in a file.
class TreeTest : public testing::Test {
 protected:
  TreeTest() {
    SpawnRequest request;
    request.program = "/bin/sh";
    request.argv = {"sh", "-c", "sh -c 'sleep 1000 & echo $! > " + (directory_ / "pid").string() + "; wait' & wait"};
    request.env = ChildEnvironment({});
    child_ = Spawn(request).value();
    innermost_ = AwaitWitness(directory_ / "pid");
  }
  ~TreeTest() override {
    kill(-child_.pid, SIGKILL);
    waitpid(child_.pid, nullptr, 0);
  }
  TemporaryDirectory directory_;
  Child child_;
  Witness innermost_;
};

TEST_F(TreeTest, ReadsAProcess) {
  const std::optional<ProcessInfo> self = ReadProcess(getpid());
  ASSERT_TRUE(self.has_value());
  EXPECT_EQ(self->parent, getppid());
  EXPECT_EQ(self->group, getpgrp());
  EXPECT_EQ(self->session, getsid(0));
  EXPECT_TRUE(self->alive());
  EXPECT_GT(self->start_time, 0u);
  EXPECT_LE(self->start_time, innermost_.start_time);
  EXPECT_EQ(ReadProcess(0x7fffffff), std::nullopt);
}

TEST_F(TreeTest, ListsDescendantsParentsFirst) {
  const std::vector<pid_t> below_us = Descendants(getpid());
  EXPECT_TRUE(Contains(below_us, child_.pid));
  EXPECT_TRUE(Contains(below_us, innermost_.pid));
  EXPECT_FALSE(Contains(below_us, getpid()));
  const std::vector<pid_t> below_child = Descendants(child_.pid);
  EXPECT_EQ(below_child.size(), 2u);
  EXPECT_EQ(below_child.back(), innermost_.pid);
}

TEST_F(TreeTest, SignalsAllButTheKept) {
  const pid_t middle = Descendants(child_.pid).front();
  EXPECT_EQ(KillDescendants(child_.pid, SIGSTOP, middle), 1);
  EXPECT_TRUE(Eventually([&] { return ReadProcess(innermost_.pid)->state == 'T'; }));
  EXPECT_NE(ReadProcess(middle)->state, 'T');
  EXPECT_EQ(KillDescendants(child_.pid, SIGKILL), 2);
  EXPECT_TRUE(Eventually([&] { return !innermost_.Alive(); }));
}

TEST_F(TreeTest, NeverSignalsAnotherProcessOfThatNumber) {
  EXPECT_FALSE(SignalProcess(innermost_.pid, innermost_.start_time + 1, SIGKILL));
  EXPECT_TRUE(innermost_.Alive());
  EXPECT_TRUE(SignalProcess(innermost_.pid, innermost_.start_time, SIGKILL));
  EXPECT_TRUE(Eventually([&] { return !innermost_.Alive(); }));
}

TEST_F(TreeTest, AProcessTreeRemembersWhatItHasSeen) {
  ProcessTree tree(child_.pid);
  EXPECT_FALSE(tree.Empty());
  kill(child_.pid, SIGKILL);  // its children are orphans now, and no longer below it
  EXPECT_TRUE(Eventually([&] { return !ReadProcess(child_.pid)->alive(); }));
  EXPECT_FALSE(tree.Empty());
  tree.Signal(SIGKILL);
  EXPECT_TRUE(Eventually([&] { return tree.Empty(); }));
  EXPECT_FALSE(innermost_.Alive());
}

}  // namespace
}  // namespace millrace::exec
