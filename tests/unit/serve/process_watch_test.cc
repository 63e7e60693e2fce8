// SPDX-License-Identifier: Apache-2.0
// Proof that a process has ended: never a false one, for a live worker would lose its attempts to it.
#include "millrace/serve/process_watch.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "gtest/gtest.h"

namespace millrace::serve {
namespace {

std::uint32_t OwnPid() { return static_cast<std::uint32_t>(getpid()); }

// A process of its own that waits to be killed.
class Child {
 public:
  explicit Child(const char* name = nullptr) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    pid_ = fork();
    if (pid_ == 0) {
      if (name != nullptr) prctl(PR_SET_NAME, name);
      if (write(ready[1], "x", 1) != 1) _exit(1);
      while (true) pause();
    }
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
  }
  ~Child() {
    if (pid_ == 0) return;
    Kill();
    Reap();
  }
  void Kill() const { kill(pid_, SIGKILL); }
  // Until it is a zombie.
  void AwaitEnd() const {
    siginfo_t info{};
    EXPECT_EQ(waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT), 0);
  }
  void Reap() {
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }

 private:
  pid_t pid_ = 0;
};

TEST(ProcessWatchTest, ALiveProcessHasNotEnded) {
  const WatchedProcess self = Watch(HostName(), OwnPid());
  EXPECT_EQ(self.pid, OwnPid());
  EXPECT_NE(self.start_ticks, 0u);
  EXPECT_FALSE(HasEnded(self));
}

TEST(ProcessWatchTest, A01_AKilledProcessHasEndedAsAZombieAndAfterwards) {
  Child child;
  const WatchedProcess watched = Watch(HostName(), child.pid());
  ASSERT_NE(watched.start_ticks, 0u);
  EXPECT_FALSE(HasEnded(watched));
  child.Kill();
  child.AwaitEnd();
  EXPECT_TRUE(HasEnded(watched));
  child.Reap();
  EXPECT_TRUE(HasEnded(watched));
}

TEST(ProcessWatchTest, APidOfAnotherHostSaysNothing) {
  const WatchedProcess elsewhere = Watch(HostName() + "-other", OwnPid());
  EXPECT_EQ(elsewhere.start_ticks, 0u);
  EXPECT_FALSE(HasEnded(elsewhere));
  EXPECT_FALSE(HasEnded(Watch("", OwnPid())));
}

TEST(ProcessWatchTest, APidThatIsNotThereIsNotWatched) {
  Child child;
  const std::uint32_t pid = child.pid();
  child.Kill();
  child.Reap();
  for (const std::uint32_t gone : {pid, 0u, 4'000'000'000u}) {
    EXPECT_EQ(Watch(HostName(), gone).start_ticks, 0u) << gone;
    EXPECT_FALSE(HasEnded(Watch(HostName(), gone))) << gone;
  }
}

// The pid is in use, but by a process that started at another time.
TEST(ProcessWatchTest, AReusedPidIsProofThatItsFirstHolderHasEnded) {
  WatchedProcess earlier = Watch(HostName(), OwnPid());
  --earlier.start_ticks;
  EXPECT_TRUE(HasEnded(earlier));
}

TEST(ProcessWatchTest, ANameThatLooksLikeTheRestOfTheLineMisleadsNobody) {
  for (const char* name : {"a) Z 1 4 4", "))))", " ", "(x"}) {
    Child child(name);
    const WatchedProcess watched = Watch(HostName(), child.pid());
    EXPECT_NE(watched.start_ticks, 0u) << name;
    EXPECT_FALSE(HasEnded(watched)) << name;
    child.Kill();
    child.AwaitEnd();
    EXPECT_TRUE(HasEnded(watched)) << name;
  }
}

// What /proc has of it goes between any two looks, also while it is read.
TEST(ProcessWatchTest, A01_OneThatVanishesUnderTheEyesOfItsWatcherHasEnded) {
  for (int round = 0; round < 300; ++round) {
    const pid_t pid = fork();
    if (pid == 0) {
      pause();
      _exit(0);
    }
    const WatchedProcess watched = Watch(HostName(), static_cast<std::uint32_t>(pid));
    std::atomic<bool> gone = false;
    std::jthread reaper([pid, &gone] {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
      gone = true;
    });
    while (!gone) Watch(HostName(), static_cast<std::uint32_t>(pid));
    EXPECT_TRUE(HasEnded(watched));
  }
}

}  // namespace
}  // namespace millrace::serve
