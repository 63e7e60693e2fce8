// SPDX-License-Identifier: Apache-2.0
// Groups of processes, where this machine lets us make some; else these tests say so and skip.
#include "millrace/exec/cgroup.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "gtest/gtest.h"
#include "millrace/exec/leftovers.h"
#include "millrace/exec/slot_process.h"
#include "millrace/exec/spawn.h"
#include "millrace/exec/tree.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

TEST(CgroupPath, IsFoundInEveryHierarchy) {
  const std::string mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
  EXPECT_EQ(FindCgroup("0::/user.slice/a.scope\n", mount), "/sys/fs/cgroup/user.slice/a.scope");
  EXPECT_EQ(FindCgroup("0::/\n", mount), "/sys/fs/cgroup/");
  // Beside version 1.
  const std::string hybrid =
      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
      "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
  EXPECT_EQ(FindCgroup("4:memory:/b\n0::/a\n", hybrid), "/sys/fs/cgroup/unified/a");
  EXPECT_EQ(FindCgroup("4:memory:/b\n", hybrid), "");
  // A part of it is mounted, as in containers without a namespace of their own.
  const std::string part = "41 31 0:38 /docker/c1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  EXPECT_EQ(FindCgroup("0::/docker/c1/x\n", part), "/sys/fs/cgroup/x");
  EXPECT_EQ(FindCgroup("0::/docker/c1\n", part), "/sys/fs/cgroup");
  EXPECT_EQ(FindCgroup("0::/docker/c12\n", part), "");
  // Out of sight, or not there.
  EXPECT_EQ(FindCgroup("0::/../other\n", mount), "");
  EXPECT_EQ(FindCgroup("", mount), "");
  EXPECT_EQ(FindCgroup("0::/\n", ""), "");
  EXPECT_EQ(FindCgroup("0::/\n", "30 23 rubbish -\n30 23 0:26 / /x rw -"), "");
}

TEST(CgroupPath, TheNameOfAGroupHoldsTheMarkOfItsSlot) {
  EXPECT_EQ(Cgroup::MarkOf("millrace-slot-1-2-3-4"), "1-2-3-4");
  EXPECT_EQ(Cgroup::MarkOf("millrace-worker"), "");
  EXPECT_EQ(Cgroup::MarkOf("user.slice"), "");
}

TEST(CgroupPath, NoGroupDoesNothing) {
  const Cgroup none = Cgroup::Make("", "1-2-3-4");
  EXPECT_FALSE(none.exists() || none.Add(getpid()) || none.Kill() || none.Remove() || none.LimitMemory(1));
  EXPECT_EQ(none.CountMemoryEvents().kills, 0);
  EXPECT_FALSE(Cgroup::Make("/nonexistent", "1-2-3-4").exists());
}

// What the memory controller is told and says, on plain files: few machines that build have one to give away.
TEST(CgroupFiles, TheLimitIsOnTopOfWhatIsHeld) {
  const TemporaryDirectory directory;
  const Cgroup cgroup(directory.path());
  EXPECT_FALSE(cgroup.LimitMemory(1000)) << "no controller";
  for (const char* name : {"memory.max", "memory.swap.max", "memory.oom.group"}) std::ofstream(directory / name) << "";
  std::ofstream(directory / "memory.stat") << "file 77\nanon 234\n";
  std::ofstream(directory / "memory.events") << "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 1\n";
  EXPECT_TRUE(cgroup.LimitMemory(1000));
  EXPECT_EQ(ReadFile(directory / "memory.max"), "1234");
  EXPECT_EQ(ReadFile(directory / "memory.swap.max").substr(0, 1), "0");
  EXPECT_EQ(ReadFile(directory / "memory.oom.group"), "1");
  EXPECT_EQ(cgroup.CountMemoryEvents().over_limit, 3);
  EXPECT_EQ(cgroup.CountMemoryEvents().kills, 2);
  std::filesystem::resize_file(directory / "memory.max", 0);
  EXPECT_TRUE(cgroup.LimitMemory(0));
  EXPECT_EQ(ReadFile(directory / "memory.max"), "max");
}

class SlotCgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    if (SlotCgroups().empty()) GTEST_SKIP() << "this process may make no cgroups";
  }
  void TearDown() override {
    if (hidden_.pid != 0 && hidden_.Alive()) kill(hidden_.pid, SIGKILL);
  }
  // The group that a process is in.
  static std::filesystem::path GroupOf(pid_t pid) {
    const std::string folder = "/proc/" + std::to_string(pid) + "/";
    return FindCgroup(ReadFile(folder + "cgroup"), ReadFile(folder + "mountinfo"));
  }
  // A process that hides from all but its group: a session of its own, and no mark.
  static std::string HiddenScript(const std::filesystem::path& pid_file) {
    return "env -i setsid sh -c 'echo $$ > " + pid_file.string() + "; exec sleep 1000' &";
  }
  TemporaryDirectory directory_;
  Witness hidden_;
};

TEST_F(SlotCgroupTest, HoldsTheHostAndAllBelowItButNotTheSupervisor) {
  TestSlot slot(kDefaultMaxFrame, -1, true);
  ASSERT_EQ(slot.Ask("start " + HiddenScript(directory_ / "hidden")), "started");
  hidden_ = AwaitWitness(directory_ / "hidden");
  const std::filesystem::path group = GroupOf(hidden_.pid);
  EXPECT_NE(Cgroup::MarkOf(group.filename().string()), "");
  ASSERT_TRUE(slot.Until([&] { return slot.slot().host_pid() != 0; }));
  EXPECT_EQ(GroupOf(slot.slot().host_pid()), group);
  EXPECT_NE(GroupOf(slot.slot().supervisor_pid()), group);
  EXPECT_EQ(GroupOf(slot.slot().supervisor_pid()), GroupOf(getpid()));
  // The next host, too.
  slot.slot().KillTree();
  ASSERT_TRUE(slot.Await<TreeEmpty>());
  EXPECT_FALSE(hidden_.Alive());
  ASSERT_TRUE(slot.slot().RestartHost().ok());
  EXPECT_EQ(slot.Ask("echo x"), "x");
  ASSERT_TRUE(slot.Until([&] { return slot.slot().host_pid() != 0; }));
  EXPECT_EQ(GroupOf(slot.slot().host_pid()), group);
  slot.Drop();
  EXPECT_FALSE(std::filesystem::exists(group));
}

TEST_F(SlotCgroupTest, WithoutItsSupervisorNothingCanHide) {
  TestSlot slot(kDefaultMaxFrame, -1, true);
  ASSERT_EQ(slot.Ask("start " + HiddenScript(directory_ / "hidden")), "started");
  hidden_ = AwaitWitness(directory_ / "hidden");
  const std::filesystem::path group = GroupOf(hidden_.pid);
  ASSERT_EQ(kill(slot.slot().supervisor_pid(), SIGKILL), 0);
  ASSERT_TRUE(slot.Await<SupervisorLost>());
  EXPECT_TRUE(Eventually([&] { return !hidden_.Alive(); }));
  EXPECT_FALSE(std::filesystem::exists(group));
}

TEST_F(SlotCgroupTest, TheNextStartEmptiesAndRemovesThoseOfDeadWorkers) {
  SpawnRequest request;
  request.program = "/proc/self/exe";
  request.argv = {"exec_test", "--test-owner", HiddenScript(directory_ / "hidden"), "cgroup"};
  request.env = ChildEnvironment({});
  const Child owner = Spawn(request).value();
  hidden_ = AwaitWitness(directory_ / "hidden");
  const std::filesystem::path group = GroupOf(hidden_.pid);
  const pid_t supervisor = Descendants(owner.pid).front();
  kill(supervisor, SIGSTOP);  // so that it cannot do its work before it is killed, too
  kill(owner.pid, SIGKILL);
  waitpid(owner.pid, nullptr, 0);
  kill(supervisor, SIGKILL);
  EXPECT_TRUE(hidden_.Alive());
  KillLeftovers();
  EXPECT_TRUE(Eventually([&] { return !hidden_.Alive(); }));
  EXPECT_FALSE(std::filesystem::exists(group));
}

TEST_F(SlotCgroupTest, IsRemovedWithTheGroupsBelowIt) {
  TestSlot slot(kDefaultMaxFrame, -1, true);
  ASSERT_TRUE(slot.Until([&] { return slot.slot().host_pid() != 0; }));
  const std::filesystem::path group = GroupOf(slot.slot().host_pid());
  ASSERT_TRUE(std::filesystem::create_directories(group / "of a module" / "deeper"));
  slot.Drop();
  EXPECT_FALSE(std::filesystem::exists(group));
}

}  // namespace
}  // namespace millrace::exec
