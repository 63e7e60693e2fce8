// SPDX-License-Identifier: Apache-2.0
// That the end of a connection is noticed on both sides, and that who comes back is someone new.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "support.h"

extern char** environ;

namespace millrace::net {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAreArray;

TEST(DisconnectTest, AClosedPeerIsGoneOnceAfterItsLastMessage) {
  const auto router = MustBind(Loopback(), {.probe = Text("are you there?")});
  auto leaving = MustConnect(router->endpoint());
  const auto staying = MustConnect(router->endpoint());
  const PeerId left = Meet(*router, *leaving);
  const PeerId stayed = Meet(*router, *staying);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(SendEventually(*leaving, Text("last words")));
  leaving->Close(std::chrono::seconds(10));
  EXPECT_EQ(leaving->native(), nullptr);

  Poller poller;
  std::vector<Received> received;
  std::vector<PeerId> gone;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (gone.empty() && std::chrono::steady_clock::now() < deadline) {
    std::vector<PollItem> items{{.socket = router->native()}, {.fd = router->wake_fd()}};
    ASSERT_TRUE(poller.Wait(items, deadline).ok());
    router->Receive(1, received);
    gone = router->TakeGone();
  }
  EXPECT_THAT(gone, ElementsAre(left));
  EXPECT_EQ(received.size(), 20U);
  EXPECT_EQ(router->Send(left, Text("x")), SendResult::kGone);
  EXPECT_EQ(router->Send(stayed, Text("x")), SendResult::kSent);
  EXPECT_TRUE(router->TakeGone().empty());
  EXPECT_EQ(router->peers(), 1U);
}

TEST(DisconnectTest, A01_AKilledPeerIsNoticedAtOnce) {
  const std::string path = std::filesystem::temp_directory_path() / ("millrace_kill_" + std::to_string(getpid()));
  for (const Endpoint& endpoint : {Loopback(), *ParseEndpoint("ipc://" + path)}) {
    const auto router = MustBind(endpoint);
    std::string program = MILLRACE_NET_PEER;
    std::string address = router->endpoint().ToString();
    char* arguments[] = {program.data(), address.data(), nullptr};
    pid_t child = 0;
    ASSERT_EQ(posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ), 0);
    std::vector<Received> received;
    const bool met = ReceiveEventually(*router, 1, received);
    EXPECT_TRUE(router->TakeGone().empty());
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_TRUE(met);
    const auto killed = std::chrono::steady_clock::now();
    EXPECT_THAT(WaitForGone(*router), ElementsAre(received.front().peer));
    EXPECT_LT(std::chrono::steady_clock::now() - killed, std::chrono::seconds(5));
  }
}

// "A routing id goes dead after a DEALER restarts."
TEST(DisconnectTest, G_APeerThatReconnectsIsANewOneAndReachable) {
  const auto router = MustBind(Loopback());
  const auto dealer = MustConnect(router->endpoint());
  PeerId before = Meet(*router, *dealer);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(dealer->Reset().ok());
    const PeerId now = Meet(*router, *dealer);
    EXPECT_GT(now, before);
    EXPECT_TRUE(Eventually([&] { return router->Send(before, Text("to the old one")) == SendResult::kGone; }));
    ASSERT_EQ(router->Send(now, Text("to the new one")), SendResult::kSent);
    std::vector<Bytes> received;
    ASSERT_TRUE(ReceiveEventually(*dealer, 1, received));
    // Probes of the new connection may come in between, when it got the old one's descriptor.
    ASSERT_TRUE(Eventually([&] { return dealer->Receive(10, received), received.back().view() == "to the new one"; }));
    before = now;
  }
}

TEST(DisconnectTest, WhoLeavesBeforeTheHelloIsReadIsNoticedAsWell) {
  const auto router = MustBind(Loopback());
  for (int i = 0; i < 20; ++i) {
    auto dealer = MustConnect(router->endpoint());
    ASSERT_TRUE(SendEventually(*dealer, Text("hello and goodbye")));
    dealer->Close(std::chrono::seconds(10));
    // The news of the end is taken before the message, or after it, as it comes.
    if (i % 2 == 0) {
      Poller poller;
      std::vector<PollItem> items{{.fd = router->wake_fd()}};
      ASSERT_EQ(*poller.Wait(items, std::chrono::steady_clock::now() + kPatience), 1);
      ASSERT_TRUE(router->TakeGone().empty());
    }
    std::vector<Received> received;
    ASSERT_TRUE(ReceiveEventually(*router, 1, received));
    EXPECT_THAT(WaitForGone(*router), ElementsAre(received.front().peer));
  }
  EXPECT_EQ(router->peers(), 0U);
}

TEST(DisconnectTest, ManyPeersThatLeaveAtOnceAreAllNamedOnce) {
  const auto router = MustBind(Loopback());
  std::vector<std::unique_ptr<Dealer>> dealers;
  std::vector<PeerId> met;
  for (int i = 0; i < 50; ++i) {
    dealers.push_back(MustConnect(router->endpoint()));
    met.push_back(Meet(*router, *dealers.back()));
  }
  dealers.clear();
  std::vector<PeerId> gone;
  ASSERT_TRUE(Eventually([&] {
    for (const PeerId peer : router->TakeGone()) gone.push_back(peer);
    return gone.size() >= met.size();
  }));
  EXPECT_THAT(gone, UnorderedElementsAreArray(met));
}

TEST(DisconnectTest, ADealerTellsOfItsConnection) {
  auto router = MustBind(Loopback());
  const Endpoint endpoint = router->endpoint();
  const auto dealer = MustConnect(endpoint);
  const int wake = dealer->wake_fd();
  Poller poller;
  const auto next = [&]() -> ConnectionEvent::Kind {
    std::vector<PollItem> items{{.fd = dealer->wake_fd()}};
    EXPECT_EQ(*poller.Wait(items, std::chrono::steady_clock::now() + kPatience), 1);
    const auto events = dealer->TakeConnectionEvents();
    EXPECT_EQ(events.size(), 1U);
    return events.empty() ? ConnectionEvent::Kind::kHandshakeFailed : events.front().kind;
  };
  EXPECT_EQ(next(), ConnectionEvent::Kind::kConnected);
  router.reset();
  EXPECT_EQ(next(), ConnectionEvent::Kind::kDisconnected);
  // Nothing is queued for a broker that is not there.
  ASSERT_TRUE(Eventually([&] { return dealer->Send(Text("x")) == SendResult::kStalled; }));
  router = MustBind(endpoint);
  ASSERT_TRUE(dealer->Reset().ok());
  EXPECT_EQ(dealer->wake_fd(), wake);
  EXPECT_EQ(next(), ConnectionEvent::Kind::kConnected);
  EXPECT_TRUE(Meet(*router, *dealer).valid());
}

}  // namespace
}  // namespace millrace::net
