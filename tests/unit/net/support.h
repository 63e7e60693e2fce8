// SPDX-License-Identifier: Apache-2.0
// What the net tests share: the process's one context, waiting for a condition, and a pair that has met.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/net/dealer.h"
#include "millrace/net/poller.h"
#include "millrace/net/router.h"

namespace millrace::net {

inline SocketContext& TestContext() {
  static SocketContext context;
  return context;
}

inline constexpr auto kPatience = std::chrono::seconds(30);

// Asks until it holds; false after kPatience.
template <class Condition>
bool Eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

inline Endpoint Loopback() { return *MakeBindEndpoint("127.0.0.1", 0); }
inline Bytes Text(std::string_view text) { return Bytes::Copy(text); }

inline std::unique_ptr<Router> MustBind(const Endpoint& endpoint, RouterOptions options = {}) {
  auto router = Router::Bind(TestContext(), endpoint, std::move(options));
  EXPECT_TRUE(router.ok()) << router.status();
  return router.ok() ? *std::move(router) : nullptr;
}
inline std::unique_ptr<Dealer> MustConnect(const Endpoint& endpoint, DealerOptions options = {}) {
  auto dealer = Dealer::Connect(TestContext(), endpoint, std::move(options));
  EXPECT_TRUE(dealer.ok()) << dealer.status();
  return dealer.ok() ? *std::move(dealer) : nullptr;
}

inline bool SendEventually(Dealer& dealer, const Bytes& payload) {
  return Eventually([&] { return dealer.Send(payload) == SendResult::kSent; });
}
// Receives until there are `count` messages in all.
inline bool ReceiveEventually(Router& router, std::size_t count, std::vector<Received>& out) {
  return Eventually([&] { return router.Receive(1000, out), out.size() >= count; });
}
inline bool ReceiveEventually(Dealer& dealer, std::size_t count, std::vector<Bytes>& out) {
  return Eventually([&] { return dealer.Receive(1000, out), out.size() >= count; });
}
// The dealer says hello; who the router takes it for.
inline PeerId Meet(Router& router, Dealer& dealer) {
  std::vector<Received> received;
  EXPECT_TRUE(SendEventually(dealer, Text("hello")));
  EXPECT_TRUE(ReceiveEventually(router, 1, received));
  return received.empty() ? PeerId{} : received.front().peer;
}

// Sleeps in a poll until the router tells that peers have gone.
inline std::vector<PeerId> WaitForGone(Router& router) {
  Poller poller;
  std::vector<PeerId> gone;
  std::vector<Received> ignored;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (gone.empty() && std::chrono::steady_clock::now() < deadline) {
    std::vector<PollItem> items{{.socket = router.native()}, {.fd = router.wake_fd()}};
    EXPECT_TRUE(poller.Wait(items, deadline).ok());
    router.Receive(1000, ignored);
    gone = router.TakeGone();
  }
  return gone;
}

}  // namespace millrace::net
