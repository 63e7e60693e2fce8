// SPDX-License-Identifier: Apache-2.0
// A limit of memory holds for all processes of an attempt together, and for nothing else.
#include "millrace/exec/memory.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "gtest/gtest.h"
#include "millrace/exec/slot_process.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kMebi = 1 << 20;
// Sanitizers take memory of their own for every byte.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::int64_t kScale = 4;
#else
constexpr std::int64_t kScale = 1;
#endif
constexpr std::int64_t kLimit = 64 * kScale * kMebi;

TEST(Memory, LooksMoreOftenTheLessIsFree) {
  EXPECT_EQ(MemoryWatch::PauseAfter(0, Duration::zero()), MemoryWatch::kShortestPause);
  EXPECT_EQ(MemoryWatch::PauseAfter(-kMebi, Duration::zero()), MemoryWatch::kShortestPause);
  EXPECT_EQ(MemoryWatch::PauseAfter(MemoryWatch::kFastestGrowth / 8, Duration::zero()), milliseconds(125));
  EXPECT_EQ(MemoryWatch::PauseAfter(MemoryWatch::kFastestGrowth, Duration::zero()), MemoryWatch::kLongestPause);
  // However many processes there are, looking at them takes a tenth of the time.
  EXPECT_EQ(MemoryWatch::PauseAfter(0, milliseconds(40)), milliseconds(400));
}

TEST(Memory, SharedPagesCountOnce) {
  constexpr std::size_t kBytes = 48 * kMebi;
  void* const shared = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  std::memset(shared, 1, kBytes);
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    volatile char seen = 0;
    for (std::size_t i = 0; i < kBytes; i += 4096) seen = static_cast<const char*>(shared)[i];
    const char byte = seen;
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  const std::vector<pid_t> both = {getpid(), child};
  const std::int64_t bound = MemoryOf(both, INT64_MAX), exact = MemoryOf(both, 0);
  EXPECT_GT(bound, 2 * 48 * kMebi);
  EXPECT_GT(exact, 48 * kMebi);
  EXPECT_LT(exact, bound - 40 * kMebi);
  EXPECT_LE(ProportionalBytes(child), ResidentBytes(child));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(ResidentBytes(child), 0);
  EXPECT_EQ(ProportionalBytes(child), 0);
  munmap(shared, kBytes);
  close(ready[0]);
  close(ready[1]);
}

TEST(MemoryLimit, AHostThatGrowsIsKilledWithItsTreeAndTheReasonIsTold) {
  const TemporaryDirectory directory;
  TestSlot slot;
  ASSERT_EQ(slot.Ask("start " + DaemonCommand(directory / "daemon")), "started");
  const Witness daemon = AwaitWitness(directory / "daemon");
  slot.slot().LimitMemory(kLimit);
  ASSERT_TRUE(slot.slot().Send("eat 512").ok());
  ASSERT_TRUE(slot.slot().Send("spin").ok());  // it would not end by itself
  ASSERT_TRUE(slot.Await<TreeEmpty>());
  ASSERT_NE(slot.Find<OutOfMemory>(), nullptr);
  EXPECT_GT(slot.Find<OutOfMemory>()->used, kLimit);
  EXPECT_EQ(slot.Find<HostExited>()->status.signal, SIGKILL);
  EXPECT_FALSE(daemon.Alive());
  // The reason is known before the end is told.
  EXPECT_TRUE(std::holds_alternative<OutOfMemory>(slot.events.at(slot.events.size() - 3)));
  // The next host has no limit, unless it is given one.
  ASSERT_TRUE(slot.slot().RestartHost().ok());
  slot.events.clear();
  EXPECT_EQ(slot.Ask("eat 96"), "ate");
  EXPECT_EQ(slot.Find<OutOfMemory>(), nullptr);
}

TEST(MemoryLimit, ProcessesCountTogetherWhereverTheyHide) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a hog under this sanitizer takes several times what it was told to";
#endif
  const TemporaryDirectory directory;
  TestSlot slot;
  slot.slot().LimitMemory(kLimit);
  const int each = static_cast<int>(kLimit / kMebi) * 5 / 8;
  ASSERT_EQ(slot.Ask("start " + HogCommand(each, directory / "first")), "started");
  const Witness first = AwaitWitness(directory / "first");
  EXPECT_EQ(slot.Find<OutOfMemory>(), nullptr);
  ASSERT_EQ(slot.Ask("start setsid " + HogCommand(each, directory / "second") + " &"), "started");
  ASSERT_TRUE(slot.Await<TreeEmpty>());
  ASSERT_NE(slot.Find<OutOfMemory>(), nullptr);
  EXPECT_GT(slot.Find<OutOfMemory>()->used, kLimit);
  EXPECT_FALSE(first.Alive());
}

TEST(MemoryLimit, WhatStaysBelowAndWhatWasThereBeforeIsNotTouched) {
  TestSlot slot;
  const std::string host = slot.Ask("pid");
  EXPECT_EQ(slot.Ask("eat 100"), "ate");
  slot.slot().LimitMemory(kLimit);
  EXPECT_EQ(slot.Ask("eat 24"), "ate");
  // Several looks later.
  EXPECT_EQ(slot.Ask("run sleep 0.6"), "");
  EXPECT_EQ(slot.Ask("pid"), host);
  EXPECT_EQ(slot.Find<OutOfMemory>(), nullptr);
}

TEST(MemoryLimit, EndsWithTheAttempt) {
  TestSlot slot;
  slot.slot().LimitMemory(kLimit);
  EXPECT_EQ(slot.Ask("eat 8"), "ate");
  slot.slot().SweepTree();
  ASSERT_TRUE(slot.Await<TreeSwept>());
  EXPECT_EQ(slot.Ask("eat 128"), "ate");
  EXPECT_EQ(slot.Ask("run sleep 0.3"), "");
  EXPECT_EQ(slot.Find<HostExited>(), nullptr);
  // And begins anew with the next.
  slot.slot().LimitMemory(kLimit);
  ASSERT_TRUE(slot.slot().Send("eat 400").ok());
  ASSERT_TRUE(slot.Await<OutOfMemory>());
}

// An idle supervisor, with or without a host, waits and does nothing else; a limit wakes it a few times a second.
TEST(MemoryLimit, NothingTurnsWithoutALimit) {
  TestSlot slot;
  const auto wakes = [&] {
    const std::string status = ReadFile("/proc/" + std::to_string(slot.slot().supervisor_pid()) + "/status");
    return std::atoi(status.substr(status.find("\nvoluntary_ctxt_switches:") + 25).c_str());
  };
  EXPECT_EQ(slot.Ask("run sleep 0.2"), "");  // its start is over
  const int before = wakes();
  EXPECT_EQ(slot.Ask("run sleep 1"), "");
  EXPECT_LE(wakes() - before, 1);
  slot.slot().LimitMemory(1024 * kMebi);
  EXPECT_EQ(slot.Ask("run sleep 1"), "");
  EXPECT_LE(wakes() - before, 60);
}

}  // namespace
}  // namespace millrace::exec
