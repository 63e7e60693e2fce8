// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/poller.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <thread>

#include "gmock/gmock.h"
#include "millrace/net/mailbox.h"
#include "support.h"

namespace millrace::net {
namespace {

using Clock = std::chrono::steady_clock;

TEST(PollerTest, WakesForADescriptorAndForASocket) {
  const auto router = MustBind(Loopback());
  const auto dealer = MustConnect(router->endpoint());
  Wakeup wakeup;
  Poller poller;
  std::array<PollItem, 2> items = {PollItem{.socket = router->native()}, PollItem{.fd = wakeup.fd()}};
  EXPECT_EQ(*poller.Wait(items, Clock::now()), 0);

  wakeup.Signal();
  EXPECT_EQ(*poller.Wait(items, Clock::time_point::max()), 1);
  EXPECT_FALSE(items[0].readable);
  EXPECT_TRUE(items[1].readable);
  wakeup.Drain();
  EXPECT_EQ(*poller.Wait(items, Clock::now()), 0);
  EXPECT_FALSE(items[1].readable);

  ASSERT_TRUE(SendEventually(*dealer, Text("one")));
  ASSERT_TRUE(SendEventually(*dealer, Text("two")));
  EXPECT_EQ(*poller.Wait(items, Clock::now() + kPatience), 1);
  EXPECT_TRUE(items[0].readable);
  // Level, not edge: what was left is reported again.
  std::vector<Received> received;
  ASSERT_EQ(router->Receive(1, received), 1U);
  EXPECT_EQ(*poller.Wait(items, Clock::now() + kPatience), 1);
  ASSERT_EQ(router->Receive(1, received), 1U);
  EXPECT_EQ(*poller.Wait(items, Clock::now()), 0);
}

TEST(PollerTest, WritingIsAskedForExplicitly) {
  const auto router = MustBind(Loopback());
  const auto dealer = MustConnect(router->endpoint());
  Poller poller;
  std::array<PollItem, 1> items = {PollItem{.socket = dealer->native(), .want_write = true}};
  EXPECT_EQ(*poller.Wait(items, Clock::now() + kPatience), 1);
  EXPECT_TRUE(items[0].writable);
  EXPECT_FALSE(items[0].readable);
  items[0].want_write = false;
  EXPECT_EQ(*poller.Wait(items, Clock::now()), 0);
}

TEST(PollerTest, ADeadlineIsNotMissedEarly) {
  Poller poller;
  Wakeup never;
  std::array<PollItem, 1> items = {PollItem{.fd = never.fd()}};
  for (const auto wait : {std::chrono::microseconds(300), std::chrono::microseconds(5700)}) {
    const auto deadline = Clock::now() + wait;
    EXPECT_EQ(*poller.Wait(items, deadline), 0);
    EXPECT_GE(Clock::now(), deadline);
  }
  EXPECT_EQ(*poller.Wait({}, Clock::now() + std::chrono::milliseconds(1)), 0);
}

TEST(PollerTest, AClosedPipeIsReadable) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  close(ends[1]);
  Poller poller;
  std::array<PollItem, 1> items = {PollItem{.fd = ends[0]}};
  EXPECT_EQ(*poller.Wait(items, Clock::now() + kPatience), 1);
  EXPECT_TRUE(items[0].readable);
  close(ends[0]);
}

TEST(PollerTest, ASignalDoesNotEndTheWait) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  Wakeup wakeup;
  const pthread_t waiting = pthread_self();
  std::thread other([&] {
    for (int i = 0; i < 20; ++i) {
      pthread_kill(waiting, SIGUSR1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    wakeup.Signal();
  });
  Poller poller;
  std::array<PollItem, 1> items = {PollItem{.fd = wakeup.fd()}};
  const auto ready = poller.Wait(items, Clock::now() + kPatience);
  other.join();
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(*ready, 1);
  sigaction(SIGUSR1, &before, nullptr);
}

TEST(MailboxTest, CarriesEverythingFromManyThreadsInTheOrderOfEach) {
  constexpr int kThreads = 4;
  constexpr int kItems = 5000;
  Mailbox<std::unique_ptr<std::pair<int, int>>> mailbox;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&mailbox, t] {
      for (int i = 0; i < kItems; ++i) mailbox.Push(std::make_unique<std::pair<int, int>>(t, i));
    });
  }
  Poller poller;
  std::vector<std::unique_ptr<std::pair<int, int>>> taken;
  while (taken.size() < static_cast<std::size_t>(kThreads * kItems)) {
    std::array<PollItem, 1> items = {PollItem{.fd = mailbox.fd()}};
    ASSERT_EQ(*poller.Wait(items, Clock::now() + kPatience), 1) << "a wake-up was lost after " << taken.size();
    mailbox.DrainInto(taken);
  }
  for (std::thread& thread : threads) thread.join();
  std::array<int, kThreads> next{};
  for (const auto& item : taken) EXPECT_EQ(item->second, next[static_cast<std::size_t>(item->first)]++);
}

TEST(MailboxTest, ALimitRefusesWithoutTaking) {
  Mailbox<std::string> mailbox;
  EXPECT_TRUE(mailbox.TryPush("a", 2));
  EXPECT_TRUE(mailbox.TryPush("b", 2));
  EXPECT_FALSE(mailbox.TryPush("c", 2));
  std::vector<std::string> taken = {"earlier"};
  EXPECT_EQ(mailbox.DrainInto(taken), 2U);
  EXPECT_THAT(taken, testing::ElementsAre("earlier", "a", "b"));
  EXPECT_TRUE(mailbox.TryPush("c", 2));
}

}  // namespace
}  // namespace millrace::net
