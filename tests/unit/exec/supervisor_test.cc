// SPDX-License-Identifier: Apache-2.0
// Nothing that a module starts outlives what it was started for.
#include "millrace/exec/supervisor.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "gtest/gtest.h"
#include "millrace/exec/leftovers.h"
#include "millrace/exec/slot_process.h"
#include "millrace/exec/spawn.h"
#include "millrace/exec/tree.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

using std::chrono::milliseconds;

// Three ways to hide: an ordinary child that ignores TERM, one with a session of its own, and a daemon.
class SupervisorTest : public testing::Test {
 protected:
  std::string TreeScript() const {
    const auto stubborn = [&](const char* name) {
      return "sh -c 'trap \"\" TERM; echo $$ > " + (directory_ / name).string() + "; while :; do sleep 1000; done'";
    };
    return stubborn("child") + " & setsid " + stubborn("session") + " & " + DaemonCommand(directory_ / "daemon") +
           "; wait";
  }
  void AwaitTree() {
    for (const char* name : {"child", "session", "daemon"}) tree_.push_back(AwaitWitness(directory_ / name));
  }
  bool TreeGone() const {
    for (const Witness& process : tree_) {
      if (process.Alive()) return false;
    }
    return true;
  }
  void StartTree(TestSlot* slot) {
    ASSERT_EQ(slot->Ask("start " + TreeScript()), "started");
    AwaitTree();
    ASSERT_FALSE(TreeGone());
  }
  // A process that owns a slot with such a tree, as a worker does.
  Child StartOwner() {
    SpawnRequest request;
    request.program = "/proc/self/exe";
    request.argv = {"exec_test", "--test-owner", TreeScript()};
    request.env = ChildEnvironment({});
    Child owner = Spawn(request).value();
    AwaitTree();
    return owner;
  }

  TemporaryDirectory directory_;
  std::vector<Witness> tree_;
};

TEST_F(SupervisorTest, A01_KillMinusNineOfTheOwnerLeavesNoDescendant) {
  const Child owner = StartOwner();
  for (const pid_t pid : Descendants(owner.pid))
    tree_.push_back({pid, ReadProcess(pid).value_or(ProcessInfo{}).start_time});
  ASSERT_GE(tree_.size(), 3u + 5u);  // supervisor, host, shells
  ASSERT_EQ(kill(owner.pid, SIGKILL), 0);
  waitpid(owner.pid, nullptr, 0);
  EXPECT_TRUE(Eventually([&] { return TreeGone(); }));
}

TEST_F(SupervisorTest, A05_AnOwnerThatEndsTakesItsTreeAlong) {
  TestSlot slot;
  StartTree(&slot);
  const Witness supervisor{slot.slot().supervisor_pid(), ReadProcess(slot.slot().supervisor_pid())->start_time};
  slot.Drop();
  EXPECT_TRUE(TreeGone());
  EXPECT_FALSE(supervisor.Alive());
}

TEST_F(SupervisorTest, AHostThatCrashesLeavesNothingBehind) {
  TestSlot slot;
  StartTree(&slot);
  ASSERT_TRUE(slot.slot().Send("abort").ok());
  ASSERT_TRUE(slot.Await<TreeEmpty>());
  EXPECT_TRUE(TreeGone());
}

TEST_F(SupervisorTest, A18_WhatIgnoresTermIsKilledAfterTheGrace) {
  TestSlot slot;
  StartTree(&slot);
  const auto start = std::chrono::steady_clock::now();
  slot.slot().TerminateTree(milliseconds(300));
  ASSERT_TRUE(slot.Await<HostExited>());
  EXPECT_EQ(slot.Find<HostExited>()->status.signal, SIGTERM);
  ASSERT_TRUE(slot.Await<TreeEmpty>());
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(300));
  EXPECT_TRUE(TreeGone());
}

TEST_F(SupervisorTest, A18_ATreeHasTheGraceToCleanUpAlsoWhenItsHostIsGone) {
  TestSlot slot;
  const std::string file = (directory_ / "pid").string(), cleaned = (directory_ / "cleaned").string();
  ASSERT_EQ(slot.Ask("start trap 'sleep 0.2; echo yes > " + cleaned + "; exit' TERM; echo $$ > " + file +
                     "; while :; do sleep 0.01; done"),
            "started");
  AwaitWitness(file);
  slot.slot().TerminateTree(std::chrono::seconds(100));
  ASSERT_TRUE(slot.Await<TreeEmpty>());
  EXPECT_EQ(ReadFile(cleaned), "yes\n");
}

TEST_F(SupervisorTest, A20_KillEndsAnEndlessLoopAndEverythingElse) {
  TestSlot slot;
  StartTree(&slot);
  ASSERT_TRUE(slot.slot().Send("spin").ok());
  slot.slot().KillTree();
  ASSERT_TRUE(slot.Await<TreeEmpty>());
  EXPECT_EQ(slot.Find<HostExited>()->status.signal, SIGKILL);
  EXPECT_TRUE(TreeGone());
  ASSERT_TRUE(slot.slot().RestartHost().ok());
  EXPECT_EQ(slot.Ask("echo x"), "x");
}

TEST_F(SupervisorTest, SweepSparesTheHost) {
  TestSlot slot;
  StartTree(&slot);
  const std::string pid = slot.Ask("pid");
  slot.slot().SweepTree();
  ASSERT_TRUE(slot.Await<TreeSwept>());
  EXPECT_TRUE(TreeGone());
  EXPECT_EQ(slot.Ask("pid"), pid);
  EXPECT_EQ(slot.Find<HostExited>(), nullptr);
}

// Each generation lives only as long as it takes to start the next, in a session of its own.
TEST_F(SupervisorTest, CatchesAProcessThatKeepsReplacingItself) {
  TestSlot slot;
  const std::string script = (directory_ / "hop.sh").string(), trace = (directory_ / "trace").string();
  ASSERT_EQ(slot.Ask("run printf 'echo x >> " + trace + "\\nsetsid sh " + script + " &\\n' > " + script), "");
  ASSERT_EQ(slot.Ask("start sh " + script), "started");
  ASSERT_TRUE(Eventually([&] { return ReadFile(trace).size() > 20; }));
  slot.slot().KillTree();
  ASSERT_TRUE(slot.Await<TreeEmpty>());
  EXPECT_EQ(Descendants(slot.slot().supervisor_pid()).size(), 0u);
}

// Each starts two more, 255 in all. Killed in the middle of it, and again when all are there.
TEST_F(SupervisorTest, A20_AForkBombIsGoneAtOnce) {
  const std::string bomb = "b() { [ $1 -gt 0 ] && { b $(($1-1)) & b $(($1-1)) & }; trap '' TERM; echo x >> " +
                           (directory_ / "count").string() + "; while :; do sleep 1000; done; }; b 7";
  const auto count = [&] { return ReadFile(directory_ / "count").size() / 2; };
  TestSlot slot;
  for (const std::size_t enough : {40u, 255u}) {
    std::filesystem::remove(directory_ / "count");
    ASSERT_EQ(slot.Ask("start " + bomb), "started");
    ASSERT_TRUE(Eventually([&] { return count() >= enough; }));
    slot.events.clear();
    slot.slot().KillTree();
    ASSERT_TRUE(slot.Await<TreeEmpty>());
    EXPECT_TRUE(Descendants(slot.slot().supervisor_pid()).empty());
    ASSERT_TRUE(slot.slot().RestartHost().ok());
  }
}

TEST_F(SupervisorTest, A45_AKilledSupervisorIsNoticedAndItsTreeCleanedUp) {
  TestSlot slot;
  StartTree(&slot);
  const Witness host{slot.slot().host_pid(), ReadProcess(slot.slot().host_pid())->start_time};
  ASSERT_EQ(kill(slot.slot().supervisor_pid(), SIGKILL), 0);
  ASSERT_TRUE(slot.Await<SupervisorLost>());
  EXPECT_EQ(slot.Find<SupervisorLost>()->status.signal, SIGKILL);
  EXPECT_TRUE(Eventually([&] { return TreeGone() && !host.Alive(); }));
  EXPECT_EQ(slot.slot().control_fd(), -1);
  EXPECT_EQ(slot.slot().RestartHost().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SupervisorTest, TheNextStartCleansUpAfterOwnerAndSupervisorDiedAtOnce) {
  const Child owner = StartOwner();
  std::vector<pid_t> supervisors = Descendants(owner.pid);
  ASSERT_FALSE(supervisors.empty());
  kill(supervisors.front(), SIGSTOP);  // so that it cannot do its work before it is killed, too
  kill(owner.pid, SIGKILL);
  waitpid(owner.pid, nullptr, 0);
  kill(supervisors.front(), SIGKILL);
  EXPECT_FALSE(TreeGone());
  EXPECT_GE(KillLeftovers(), 3);
  EXPECT_TRUE(Eventually([&] { return TreeGone(); }));
}

TEST_F(SupervisorTest, IgnoresWhatATerminalSendsToEverybody) {
  TestSlot slot;
  EXPECT_EQ(slot.Ask("echo x"), "x");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) kill(slot.slot().supervisor_pid(), signal);
  EXPECT_EQ(slot.Ask("echo y"), "y");
  // The host blocks signals for the moment in which it starts the command that looks: the command may be quicker.
  EXPECT_TRUE(Eventually([&] { return slot.Ask("run " + SignalMasksCommand("$PPID")) == kNoSignalMasks; }));
}

}  // namespace
}  // namespace millrace::exec
