// SPDX-License-Identifier: Apache-2.0
// Sockets with keys: who gets in, who does not and hears why, and that a peer is who its key says.
#include <atomic>
#include <deque>
#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "millrace/net/monitor.h"
#include "millrace/net/pubsub.h"
#include "millrace/net/socket.h"
#include "millrace/net/wakeup.h"
#include "millrace/net/zap.h"
#include "support.h"

namespace millrace::net {
namespace {

using testing::HasSubstr;

// A context with keys is never ended, since that may hurt others (context.h).
SocketContext& FreshContext() {
  static auto* const all = new std::deque<SocketContext>;
  return all->emplace_back();
}

// Admits the keys that it is told to, as a broker's gate does.
class Doorkeeper {
 public:
  Doorkeeper(SocketContext& context, std::set<std::string> admitted) : admitted_(std::move(admitted)) {
    auto zap = ZapSocket::Bind(context);
    EXPECT_TRUE(zap.ok()) << zap.status();
    zap_ = *std::move(zap);
    thread_ = std::thread([this] { Run(); });
  }
  ~Doorkeeper() {
    end_.Signal();
    thread_.join();
  }
  int refused() const { return refused_; }

 private:
  void Run() {
    Poller poller;
    while (true) {
      std::vector<PollItem> items(2);
      items[0].socket = zap_->native();
      items[1].fd = end_.fd();
      EXPECT_TRUE(poller.Wait(items, std::chrono::steady_clock::time_point::max()).ok());
      if (items[1].readable) return;
      ZapRequest request;
      while (zap_->Receive(request)) {
        if (admitted_.contains(request.public_key)) {
          zap_->Admit(request.public_key);
        } else {
          zap_->Refuse();
          ++refused_;
        }
      }
    }
  }

  std::set<std::string> admitted_;
  std::unique_ptr<ZapSocket> zap_;
  Wakeup end_;
  std::atomic<int> refused_ = 0;
  std::thread thread_;
};

class CurveTest : public testing::Test {
 protected:
  CurveTest() : broker_(*MakeKeyPair()), known_(*MakeKeyPair()), stranger_(*MakeKeyPair()) {
    context_.UseKeys(SocketKeys{broker_, broker_.public_key});
    doorkeeper_ = std::make_unique<Doorkeeper>(context_, std::set<std::string>{known_.public_key});
    auto router = Router::Bind(context_, Loopback());
    EXPECT_TRUE(router.ok()) << router.status();
    router_ = *std::move(router);
  }
  ~CurveTest() override { router_.reset(); }

  std::unique_ptr<Dealer> Connect(std::optional<SocketKeys> keys) {
    DealerOptions options;
    options.keys = std::move(keys);
    return MustConnect(router_->endpoint(), std::move(options));
  }
  // The first thing that happens to the connection.
  static ConnectionEvent FirstEvent(Dealer& dealer) {
    std::vector<ConnectionEvent> events;
    EXPECT_TRUE(Eventually([&] { return !(events = dealer.TakeConnectionEvents()).empty(); }));
    return events.empty() ? ConnectionEvent{} : events.front();
  }

  SocketContext& context_ = FreshContext();
  const keys::KeyPair broker_;
  const keys::KeyPair known_;
  const keys::KeyPair stranger_;
  std::unique_ptr<Doorkeeper> doorkeeper_;
  std::unique_ptr<Router> router_;
};

TEST_F(CurveTest, A48_WhoIsKnownGetsInAndIsKnownByItsKey) {
  const auto dealer = Connect(SocketKeys{known_, broker_.public_key});
  const PeerId peer = Meet(*router_, *dealer);
  EXPECT_EQ(router_->UserOf(peer), known_.public_key);
  EXPECT_EQ(router_->UserOf(PeerId{999}), "");
}

TEST_F(CurveTest, A48_AStrangerIsRefusedAndHearsIt) {
  const auto dealer = Connect(SocketKeys{stranger_, broker_.public_key});
  const ConnectionEvent event = FirstEvent(*dealer);
  EXPECT_EQ(event.kind, ConnectionEvent::Kind::kHandshakeFailed);
  EXPECT_TRUE(event.refused);
  EXPECT_THAT(event.reason, HasSubstr("refused our key"));
  EXPECT_EQ(doorkeeper_->refused(), 1);
  EXPECT_EQ(router_->peers(), 0U);
}

TEST_F(CurveTest, A48_PlaintextIsRefusedAndTheReasonNamesTheFix) {
  const auto dealer = Connect(std::nullopt);  // of the test's own context, which has no keys
  // The broker may hang up before its greeting was read; ZeroMQ tries again then.
  ConnectionEvent refusal;
  EXPECT_TRUE(Eventually([&] {
    for (const ConnectionEvent& event : dealer->TakeConnectionEvents()) {
      EXPECT_EQ(event.kind, ConnectionEvent::Kind::kHandshakeFailed);
      if (event.refused) refusal = event;
    }
    return refusal.refused;
  }));
  EXPECT_THAT(refusal.reason, HasSubstr("--key FILE"));
  EXPECT_EQ(router_->peers(), 0U);
}

// ZeroMQ itself refuses at once. That it hangs up, too, has to wait until the time for the handshake is over.
TEST_F(CurveTest, A48_WhileNobodyKeepsTheDoorNobodyGetsIn) {
  SocketContext& context = FreshContext();
  context.UseKeys(SocketKeys{broker_, broker_.public_key});
  auto socket = MakeSocket(context, zmq::socket_type::router, {.max_message_bytes = 4096});
  ASSERT_TRUE(socket.ok()) << socket.status();
  std::atomic<int> event = 0;
  SocketMonitor monitor;
  const absl::Status started =
      monitor.Start(context, *socket, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL,
                    [&event](const ConnectionChange& change) { event = change.event; });
  ASSERT_TRUE(started.ok()) << started;
  const auto bound = BindSocket(*socket, Loopback(), context.keys(), "");
  ASSERT_TRUE(bound.ok()) << bound.status();
  DealerOptions options;
  options.keys = SocketKeys{known_, broker_.public_key};
  const auto dealer = MustConnect(*bound, std::move(options));
  EXPECT_TRUE(Eventually([&event] { return event != 0; }));
  EXPECT_EQ(event, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
  for (const ConnectionEvent& change : dealer->TakeConnectionEvents()) {
    EXPECT_NE(change.kind, ConnectionEvent::Kind::kConnected);
  }
}

TEST_F(CurveTest, AnotherBrokersKeyIsNoticed) {
  const auto dealer = Connect(SocketKeys{known_, stranger_.public_key});
  const ConnectionEvent event = FirstEvent(*dealer);
  EXPECT_EQ(event.kind, ConnectionEvent::Kind::kHandshakeFailed);
  EXPECT_FALSE(event.refused);
  EXPECT_THAT(event.reason, HasSubstr("another broker"));
}

TEST_F(CurveTest, WhatIsPublishedSaysWhoseItIs) {
  auto subscriber = Subscriber::Bind(context_, Loopback(), "b");
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  SocketContext& peer_context = FreshContext();
  peer_context.UseKeys(SocketKeys{known_, broker_.public_key});
  auto publisher = Publisher::Connect(peer_context, (*subscriber)->endpoint());
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  std::vector<Published> heard;
  ASSERT_TRUE(Eventually([&] {
    (*publisher)->Publish('b', "beat");
    return (*subscriber)->Receive(10, heard), !heard.empty();
  }));
  EXPECT_EQ(heard.front().user, known_.public_key);
  EXPECT_EQ(heard.front().payload.view(), "beat");
}

TEST_F(CurveTest, AKeyPairFollowsFromItsSecret) {
  EXPECT_EQ(KeyPairOf(known_.secret_key).value(), known_);
  EXPECT_FALSE(KeyPairOf("short").ok());
  EXPECT_NE(known_.public_key, stranger_.public_key);
}

TEST_F(CurveTest, BeyondLoopbackKeysAreEnoughAndPlaintextIsNot) {
  EXPECT_FALSE(Router::Bind(TestContext(), *MakeBindEndpoint("0.0.0.0", 0)).ok());
  EXPECT_TRUE(Router::Bind(context_, *MakeBindEndpoint("0.0.0.0", 0)).ok());
}

}  // namespace
}  // namespace millrace::net
