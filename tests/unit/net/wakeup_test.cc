// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/wakeup.h"

#include <fcntl.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "support.h"

namespace millrace::net {
namespace {

bool Readable(const Wakeup& wakeup) {
  pollfd item{wakeup.fd(), POLLIN, 0};
  return poll(&item, 1, 0) == 1;
}

TEST(WakeupTest, IsReadableFromASignalUntilItIsDrained) {
  Wakeup wakeup;
  EXPECT_FALSE(Readable(wakeup));
  wakeup.Drain();  // nothing there: returns at once
  for (int round = 0; round < 3; ++round) {
    wakeup.Signal();
    wakeup.Signal();
    EXPECT_TRUE(Readable(wakeup));
    EXPECT_TRUE(Readable(wakeup));
    wakeup.Drain();
    EXPECT_FALSE(Readable(wakeup));
  }
}

TEST(WakeupTest, ChildrenDoNotInheritIt) {
  const Wakeup wakeup;
  EXPECT_NE(fcntl(wakeup.fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(wakeup.fd(), F_GETFL) & O_NONBLOCK, 0);
}

// Drained before it is looked at what was signalled, none is lost, from however many threads.
TEST(WakeupTest, NoSignalIsLostBesideADrain) {
  constexpr int kThreads = 4;
  constexpr int kSignals = 5000;
  Wakeup wakeup;
  std::atomic<int> made = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kSignals; ++i) {
        ++made;
        wakeup.Signal();
      }
    });
  }
  int seen = 0;
  Poller poller;
  while (seen < kThreads * kSignals) {
    std::array<PollItem, 1> items = {PollItem{.fd = wakeup.fd()}};
    if (*poller.Wait(items, std::chrono::steady_clock::now() + kPatience) != 1) break;
    wakeup.Drain();
    seen = made;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen, kThreads * kSignals) << "a wake-up was lost";
}

}  // namespace
}  // namespace millrace::net
