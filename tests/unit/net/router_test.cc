// SPDX-License-Identifier: Apache-2.0
// What a Router and a Dealer say to each other, and what a Router makes of those who do not keep to the rules.
#include "millrace/net/router.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <zmq.hpp>

#include "gmock/gmock.h"
#include "support.h"

namespace millrace::net {
namespace {

class RouterTransportTest : public testing::TestWithParam<const char*> {};

TEST_P(RouterTransportTest, CarriesMessagesBothWays) {
  const std::string path = std::filesystem::temp_directory_path() / ("millrace_net_" + std::to_string(getpid()));
  const std::string kind = GetParam();
  Endpoint endpoint = kind == "tcp" ? Loopback() : *ParseEndpoint(kind + "://" + (kind == "ipc" ? path : "round_trip"));
  const auto router = MustBind(endpoint);
  ASSERT_NE(router, nullptr);
  EXPECT_EQ(router->endpoint().port != 0, kind == "tcp");
  const auto a = MustConnect(router->endpoint());
  const auto b = MustConnect(router->endpoint());
  const PeerId peer_a = Meet(*router, *a);
  const PeerId peer_b = Meet(*router, *b);
  EXPECT_TRUE(peer_a.valid());
  EXPECT_NE(peer_a, peer_b);
  EXPECT_EQ(router->peers(), 2U);

  // Around the sizes at which copying ends.
  for (const std::size_t size : {0, 1, 4095, 4096, 8191, 8192, 100'000, 4 << 20}) {
    std::string text(size, 'x');
    if (size > 0) text.back() = 'y';
    ASSERT_EQ(router->Send(peer_b, Text(text)), SendResult::kSent);
    std::vector<Bytes> at_b;
    ASSERT_TRUE(ReceiveEventually(*b, 1, at_b));
    EXPECT_TRUE(at_b.front().view() == text) << size;
    ASSERT_TRUE(SendEventually(*b, at_b.front()));
    std::vector<Received> back;
    ASSERT_TRUE(ReceiveEventually(*router, 1, back));
    EXPECT_EQ(back.front().peer, peer_b);
    EXPECT_TRUE(back.front().payload.view() == text) << size;
  }
  std::vector<Bytes> at_a;
  EXPECT_EQ(a->Receive(10, at_a), 0U);
  EXPECT_EQ(router->counters().received, 10U);
}
INSTANTIATE_TEST_SUITE_P(Transports, RouterTransportTest, testing::Values("tcp", "ipc", "inproc"),
                         [](const auto& transport) { return std::string(transport.param); });

TEST(RouterTest, ReceivesNoMoreThanAskedForAndKeepsTheOrder) {
  const auto router = MustBind(Loopback());
  const auto dealer = MustConnect(router->endpoint());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(SendEventually(*dealer, Text(std::to_string(i))));
  std::vector<Received> received;
  ASSERT_TRUE(Eventually([&] {
    const std::size_t before = received.size();
    const std::size_t taken = router->Receive(7, received);
    EXPECT_LE(taken, 7U);
    EXPECT_EQ(received.size(), before + taken);
    return received.size() == 50;
  }));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(received[static_cast<std::size_t>(i)].payload.view(), std::to_string(i));
}

TEST(RouterTest, LargePayloadsAreSharedAndReleased) {
  const auto router = MustBind(Loopback());
  const auto dealer = MustConnect(router->endpoint());
  const PeerId peer = Meet(*router, *dealer);
  // A byte array that tells when the last reference to it is dropped, on whatever thread.
  std::atomic<bool> released = false;
  const std::string text(100'000, 'z');
  {
    const std::shared_ptr<const void> owner(&text, [&](const void*) { released = true; });
    ASSERT_EQ(router->Send(peer, Bytes(owner, text)), SendResult::kSent);
  }
  std::vector<Bytes> received;
  ASSERT_TRUE(ReceiveEventually(*dealer, 1, received));
  EXPECT_TRUE(received.front().view() == text);
  EXPECT_TRUE(Eventually([&] { return released.load(); }));
}

TEST(RouterTest, MessagesOfSeveralFramesAreDroppedCountedAndReported) {
  const auto router = MustBind(Loopback());
  zmq::socket_t raw(TestContext().native(), zmq::socket_type::dealer);
  raw.set(zmq::sockopt::linger, 0);
  raw.connect(router->endpoint().ToString());
  raw.send(zmq::str_buffer(""), zmq::send_flags::sndmore);
  raw.send(zmq::str_buffer("with a delimiter"), zmq::send_flags::none);
  for (int i = 0; i < 2000; ++i) raw.send(zmq::str_buffer("part"), zmq::send_flags::sndmore);
  raw.send(zmq::str_buffer("end"), zmq::send_flags::none);
  raw.send(zmq::str_buffer("good"), zmq::send_flags::none);
  std::vector<Received> received;
  ASSERT_TRUE(ReceiveEventually(*router, 1, received));
  EXPECT_EQ(received.front().payload.view(), "good");
  EXPECT_EQ(router->counters().malformed, 2U);
  EXPECT_THAT(router->TakeMalformed(), testing::ElementsAre(received.front().peer, received.front().peer));
  EXPECT_TRUE(router->TakeMalformed().empty());

  router->Ignore(received.front().peer);
  raw.send(zmq::str_buffer("not wanted"), zmq::send_flags::none);
  ASSERT_TRUE(Eventually([&] { return router->Receive(10, received), router->counters().unwanted == 1; }));
  EXPECT_EQ(received.size(), 1U);
  EXPECT_EQ(router->Send(received.front().peer, Text("x")), SendResult::kGone);
}

TEST(RouterTest, APeerThatNamesItselfIsNobody) {
  const auto router = MustBind(Loopback());
  zmq::socket_t raw(TestContext().native(), zmq::socket_type::dealer);
  raw.set(zmq::sockopt::linger, 0);
  raw.set(zmq::sockopt::routing_id, "worker-of-another");
  raw.connect(router->endpoint().ToString());
  raw.send(zmq::str_buffer("hello"), zmq::send_flags::none);
  std::vector<Received> received;
  ASSERT_TRUE(Eventually([&] { return router->Receive(10, received), router->counters().unwanted == 1; }));
  EXPECT_TRUE(received.empty());
  EXPECT_EQ(router->peers(), 0U);
}

TEST(RouterTest, A48_AnOversizedMessageDisconnectsItsSenderOnly) {
  const auto router = MustBind(Loopback(), {.max_message_bytes = 10'000});
  const auto offender = MustConnect(router->endpoint());
  const auto bystander = MustConnect(router->endpoint());
  const PeerId bad = Meet(*router, *offender);
  const PeerId good = Meet(*router, *bystander);
  ASSERT_TRUE(SendEventually(*bystander, Text(std::string(10'000, 'x'))));
  std::vector<Received> received;
  ASSERT_TRUE(ReceiveEventually(*router, 1, received));
  ASSERT_TRUE(SendEventually(*offender, Text(std::string(10'001, 'x'))));
  EXPECT_THAT(WaitForGone(*router), testing::ElementsAre(bad));
  EXPECT_EQ(router->Send(bad, Text("x")), SendResult::kGone);
  EXPECT_EQ(router->Send(good, Text("x")), SendResult::kSent);
  ASSERT_TRUE(SendEventually(*bystander, Text("still here")));
  ASSERT_TRUE(ReceiveEventually(*router, 2, received));
  EXPECT_EQ(received.back().peer, good);
}

// "ROUTER's high-water mark drops tasks silently."
TEST(RouterTest, G_APeerThatNeverReadsLosesNothingThatWasSaidToBeSent) {
  const auto router = MustBind(Loopback(), {.send_high_water = 10, .backlog_bytes = 1'000'000});
  const auto sleeper = MustConnect(router->endpoint(), {.receive_high_water = 10});
  const auto reader = MustConnect(router->endpoint());
  const PeerId peer = Meet(*router, *sleeper);
  const PeerId other = Meet(*router, *reader);
  std::size_t sent = 0;
  const auto send = [&] {
    std::string text = std::to_string(sent);
    text.resize(50'000, '.');
    const SendResult result = router->Send(peer, Bytes(std::move(text)));
    if (result == SendResult::kSent) ++sent;
    EXPECT_NE(result, SendResult::kGone);
    return result;
  };
  // The kernel's buffers fill for a while after the first refusal.
  int refused = 0;
  ASSERT_TRUE(Eventually([&] {
    EXPECT_TRUE(router->TakeGone().empty());
    refused = send() == SendResult::kStalled ? refused + 1 : 0;
    return refused > 100;
  }));
  EXPECT_LT(sent, 5000U);
  EXPECT_GT(router->counters().delayed, 10U);
  // Another peer's queue is its own.
  EXPECT_EQ(router->Send(other, Text("x")), SendResult::kSent);

  std::vector<Bytes> received;
  const auto all_arrive = [&] {
    return Eventually([&] { return router->TakeGone(), sleeper->Receive(1000, received), received.size() >= sent; });
  };
  ASSERT_TRUE(all_arrive());
  ASSERT_TRUE(Eventually([&] { return send() == SendResult::kSent; }));
  ASSERT_TRUE(all_arrive());
  ASSERT_EQ(received.size(), sent);
  for (std::size_t i = 0; i < sent; ++i) {
    ASSERT_EQ(std::stoul(std::string(received[i].view().substr(0, 10))), i);
  }
}

TEST(RouterTest, ABurstLongerThanTheHighWaterMarkWaitsInTheBacklogAndWakesItsOwner) {
  const auto router = MustBind(Loopback(), {.send_high_water = 10});
  const auto dealer = MustConnect(router->endpoint());
  const PeerId peer = Meet(*router, *dealer);
  constexpr std::size_t kBurst = 3000;
  for (std::size_t i = 0; i < kBurst; ++i) ASSERT_EQ(router->Send(peer, Text(std::to_string(i))), SendResult::kSent);
  EXPECT_GT(router->counters().delayed, 0U);
  Poller poller;
  std::vector<Bytes> received;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (received.size() < kBurst && std::chrono::steady_clock::now() < deadline) {
    std::vector<PollItem> items{{.socket = dealer->native()}, {.fd = router->wake_fd()}};
    ASSERT_TRUE(poller.Wait(items, deadline).ok());
    if (items[1].readable) {
      EXPECT_TRUE(router->TakeGone().empty());
    }
    dealer->Receive(1000, received);
  }
  ASSERT_EQ(received.size(), kBurst);
  for (std::size_t i = 0; i < kBurst; ++i) ASSERT_EQ(received[i].view(), std::to_string(i));
}

TEST(RouterTest, WhoLeavesOrIsIgnoredWithABacklogIsGone) {
  const auto router = MustBind(Loopback(), {.send_high_water = 10});
  auto leaving = MustConnect(router->endpoint(), {.receive_high_water = 10});
  const auto ignored = MustConnect(router->endpoint(), {.receive_high_water = 10});
  const PeerId left = Meet(*router, *leaving);
  const PeerId unwanted = Meet(*router, *ignored);
  for (const PeerId peer : {left, unwanted}) {
    ASSERT_TRUE(Eventually([&] { return router->Send(peer, Text(std::string(50'000, 'x'))) == SendResult::kStalled; }));
  }
  router->Ignore(unwanted);
  EXPECT_EQ(router->Send(unwanted, Text("x")), SendResult::kGone);
  leaving.reset();
  EXPECT_THAT(WaitForGone(*router), testing::ElementsAre(left));
}

TEST(RouterTest, BindingRefusesPlaintextBeyondLoopbackAndTakenAddresses) {
  const auto public_router = Router::Bind(TestContext(), *MakeBindEndpoint("0.0.0.0", 0));
  ASSERT_FALSE(public_router.ok());
  EXPECT_THAT(TextOf(public_router.status()), testing::HasSubstr("--insecure-allow-plaintext-on 0.0.0.0"));
  const auto dealer = Dealer::Connect(TestContext(), *ParseOrchestratorUrl("tcp://192.0.2.1:8080"));
  EXPECT_THAT(TextOf(dealer.status()), testing::HasSubstr("--insecure-allow-plaintext-on 192.0.2.1"));

  const auto first = MustBind(Loopback());
  const auto second = Router::Bind(TestContext(), first->endpoint(), {.bind_patience = std::chrono::milliseconds(100)});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(TextOf(second.status()), testing::HasSubstr("in use"));
}

TEST(RouterTest, A46_ASecondBrokerDoesNotTakeAnIpcAddressAway) {
  const std::string path = std::filesystem::temp_directory_path() / ("millrace_twice_" + std::to_string(getpid()));
  const Endpoint endpoint = *ParseEndpoint("ipc://" + path);
  {
    const auto first = MustBind(endpoint);
    EXPECT_FALSE(Router::Bind(TestContext(), endpoint, {.bind_patience = std::chrono::milliseconds(100)}).ok());
    const auto dealer = MustConnect(endpoint);
    EXPECT_TRUE(Meet(*first, *dealer).valid());
  }
  EXPECT_NE(MustBind(endpoint), nullptr);
}

TEST(RouterTest, AnAddressJustGivenUpCanBeBoundAgain) {
  Endpoint endpoint = Loopback();
  for (int i = 0; i < 3; ++i) {
    const auto router = MustBind(endpoint);
    ASSERT_NE(router, nullptr);
    endpoint = router->endpoint();
  }
}

}  // namespace
}  // namespace millrace::net
