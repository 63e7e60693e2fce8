// SPDX-License-Identifier: Apache-2.0
// The gate over real sockets: a new key gets in at once, a revoked one is told of, tokens are worth what they say.
#include "millrace/serve/gate.h"

#include <sys/stat.h>

#include <atomic>
#include <deque>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/net/dealer.h"
#include "millrace/net/poller.h"
#include "millrace/net/router.h"
#include "millrace/net/wakeup.h"
#include "millrace/net/zap.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A context with keys is never ended, since that may hurt others (context.h).
net::SocketContext& FreshContext() {
  static auto* const all = new std::deque<net::SocketContext>;
  return all->emplace_back();
}

constexpr std::int64_t kFarAway = std::int64_t{1} << 37;  // seconds: before the year 10000

// What must not be: something with the broker's key that lets everybody in.
class OpenDoor {
 public:
  OpenDoor(const keys::KeyPair& own, const net::Endpoint& at) {
    context_.UseKeys(net::SocketKeys{own, own.public_key});
    auto zap = net::ZapSocket::Bind(context_);
    EXPECT_TRUE(zap.ok()) << zap.status();
    zap_ = *std::move(zap);
    auto router = net::Router::Bind(context_, at);
    EXPECT_TRUE(router.ok()) << router.status();
    router_ = *std::move(router);
    thread_ = std::thread([this] { Run(); });
  }
  ~OpenDoor() {
    end_.Signal();
    thread_.join();
    router_.reset();
  }
  const net::Endpoint& endpoint() const { return router_->endpoint(); }

 private:
  void Run() {
    net::Poller poller;
    while (true) {
      std::vector<net::PollItem> items(2);
      items[0].socket = zap_->native();
      items[1].fd = end_.fd();
      EXPECT_TRUE(poller.Wait(items, std::chrono::steady_clock::time_point::max()).ok());
      if (items[1].readable) return;
      net::ZapRequest request;
      while (zap_->Receive(request)) zap_->Admit(request.public_key);
    }
  }

  net::SocketContext& context_ = FreshContext();
  std::unique_ptr<net::ZapSocket> zap_;
  std::unique_ptr<net::Router> router_;
  net::Wakeup end_;
  std::thread thread_;
};

class GateTest : public testing::Test {
 protected:
  GateTest() : ring_(folder_ / "keys"), pair_(*net::MakeKeyPair()) {
    EXPECT_TRUE(ring_.Init(pair_).ok());
    auto gate = Gate::Start(context_, ring_, [this](const absl::Status&) { ++opened_; });
    EXPECT_TRUE(gate.ok()) << gate.status();
    gate_ = *std::move(gate);
    auto router = net::Router::Bind(context_, *net::MakeBindEndpoint("127.0.0.1", 0));
    EXPECT_TRUE(router.ok()) << router.status();
    router_ = *std::move(router);
  }
  ~GateTest() override {
    router_.reset();
    EXPECT_EQ(opened_, 0);
  }

  keys::KeyPair Add(const std::string& name, Standing role = Standing::kWorker) {
    keys::AdmittedKey key;
    const keys::KeyPair pair = *net::MakeKeyPair();
    key.name = name;
    key.role = role;
    key.public_key = pair.public_key;
    key.bearer = keys::BearerDigest(keys::BearerOf(pair.secret_key));
    const absl::Status status = ring_.Update([&](keys::KeyList& list) { return keys::AddKey(list, key, 1); });
    EXPECT_TRUE(status.ok()) << status;
    return pair;
  }
  keys::KeyPair AddToken(std::uint32_t uses) {
    keys::JoinToken token;
    const keys::KeyPair pair = *net::MakeKeyPair();
    token.name = "token";
    token.public_key = pair.public_key;
    token.expires = kFarAway;
    token.uses = uses;
    const absl::Status status = ring_.Update([&](keys::KeyList& list) { return keys::AddToken(list, token, 1); });
    EXPECT_TRUE(status.ok()) << status;
    return pair;
  }
  // Whether this key gets in at the router.
  bool GetsIn(const keys::KeyPair& pair, const net::Endpoint* at = nullptr) {
    net::DealerOptions options;
    options.keys = net::SocketKeys{pair, pair_.public_key};
    auto dealer = net::Dealer::Connect(TestContext(), at == nullptr ? router_->endpoint() : *at, options);
    EXPECT_TRUE(dealer.ok()) << dealer.status();
    std::vector<net::ConnectionEvent> events;
    EXPECT_TRUE(Eventually([&] { return !(events = (*dealer)->TakeConnectionEvents()).empty(); }));
    return !events.empty() && events.front().kind == net::ConnectionEvent::Kind::kConnected;
  }
  // The next news of this kind; others are passed over.
  template <class Kind>
  Kind Next() {
    std::optional<Kind> found;
    EXPECT_TRUE(Eventually([&] {
      std::vector<GateNews> news;
      gate_->news().DrainInto(news);
      for (GateNews& item : news) {
        if (auto* kind = std::get_if<Kind>(&item); kind != nullptr && !found) found = std::move(*kind);
      }
      return found.has_value();
    }));
    return found.value_or(Kind{});
  }
  Answer Join(const keys::KeyPair& token, const std::string& own, const std::string& name) {
    Command command;
    command.kind = CommandKind::kJoin;
    command.request = 5;
    command.target = own;
    command.reason = name;
    gate_->Join(PeerId{3}, token.public_key, command);
    const JoinAnswered answered = Next<JoinAnswered>();
    EXPECT_EQ(answered.peer, PeerId{3});
    EXPECT_EQ(answered.answer.request, 5u);
    return answered.answer;
  }

  TemporaryDirectory folder_;
  keys::Keyring ring_;
  net::SocketContext& context_ = FreshContext();
  const keys::KeyPair pair_;
  std::atomic<int> opened_ = 0;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<net::Router> router_;
};

TEST_F(GateTest, TheSelfTestIsRefusedAndNoNews) {
  const absl::Status status = gate_->Test(router_->endpoint());
  EXPECT_TRUE(status.ok()) << status;
  std::vector<GateNews> news;
  gate_->news().DrainInto(news);
  EXPECT_TRUE(news.empty());
}

TEST_F(GateTest, A48_ABrokerThatIsOpenIsFoundOutBeforeItIsReady) {
  const OpenDoor open(pair_, *net::MakeBindEndpoint("127.0.0.1", 0));
  const absl::Status status = gate_->Test(open.endpoint());
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(TextOf(status), HasSubstr("open to everybody"));
}

TEST_F(GateTest, AKeyThatWasJustAddedGetsInAtOnce) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(GetsIn(Add("k" + std::to_string(i))));
}

TEST_F(GateTest, AStrangerIsRefusedAndReported) {
  EXPECT_FALSE(GetsIn(*net::MakeKeyPair()));
  const KeyRefused refused = Next<KeyRefused>();
  EXPECT_EQ(refused.address, "127.0.0.1");
  EXPECT_EQ(refused.key.size(), keys::kKeyChars);
}

TEST_F(GateTest, ARevokedKeyIsToldOfAndRefused) {
  const keys::KeyPair pair = Add("ann", Standing::kClient);
  EXPECT_TRUE(GetsIn(pair));
  EXPECT_EQ(gate_->Find(pair.public_key)->standing, Standing::kClient);
  ASSERT_TRUE(ring_.Update([](keys::KeyList& list) { return keys::Revoke(list, "ann", 2).status(); }).ok());
  std::vector<std::string> gone;
  EXPECT_TRUE(Eventually([&] {
    std::vector<GateNews> news;
    gate_->news().DrainInto(news);
    for (const GateNews& item : news) {
      if (const auto* changed = std::get_if<KeysChanged>(&item); changed && !changed->gone.empty())
        gone = changed->gone;
    }
    return !gone.empty();
  }));
  EXPECT_THAT(gone, ElementsAre(pair.public_key));
  EXPECT_EQ(gate_->Find(pair.public_key), nullptr);
  EXPECT_EQ(gate_->FindBearer(keys::BearerOf(pair.secret_key)), nullptr);
  EXPECT_FALSE(GetsIn(pair));
}

TEST_F(GateTest, ABearerIsKnownByItsDigest) {
  const keys::KeyPair pair = Add("ann", Standing::kClient);
  EXPECT_TRUE(Eventually([&] { return gate_->FindBearer(keys::BearerOf(pair.secret_key)) != nullptr; }));
  EXPECT_EQ(gate_->FindBearer(keys::BearerDigest(keys::BearerOf(pair.secret_key))), nullptr);
  EXPECT_EQ(gate_->FindBearer(""), nullptr);
}

TEST_F(GateTest, ATokenGetsInAtTheControlChannelOnlyAndAdmitsOnce) {
  const keys::KeyPair token = AddToken(1);
  EXPECT_TRUE(GetsIn(token));
  net::RouterOptions side;
  side.zap_domain = net::kSideDomain;
  auto other = net::Router::Bind(context_, *net::MakeBindEndpoint("127.0.0.1", 0), side);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_FALSE(GetsIn(token, &(*other)->endpoint()));
  EXPECT_EQ(gate_->Find(token.public_key)->standing, Standing::kJoin);

  const keys::KeyPair own = *net::MakeKeyPair();
  EXPECT_FALSE(GetsIn(own));
  const Answer joined = Join(token, own.public_key, "w1");
  EXPECT_EQ(joined.code, 0) << joined.message;
  EXPECT_THAT(joined.lines, ElementsAre("w1", "worker"));
  EXPECT_TRUE(GetsIn(own));
  EXPECT_TRUE(GetsIn(own, &(*other)->endpoint()));
  const Answer again = Join(token, net::MakeKeyPair()->public_key, "w2");
  EXPECT_EQ(again.code, static_cast<std::int32_t>(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(again.message, HasSubstr("used up"));
}

TEST_F(GateTest, AListThatOthersMayReadIsNotFollowed) {
  const keys::KeyPair pair = Add("ann");
  EXPECT_TRUE(GetsIn(pair));
  ASSERT_EQ(chmod(ring_.list_file().c_str(), 0644), 0);
  EXPECT_THAT(std::string(Next<GateTrouble>().status.message()), HasSubstr("chmod 600"));
  EXPECT_TRUE(GetsIn(pair));
  ASSERT_EQ(chmod(ring_.list_file().c_str(), 0600), 0);
  EXPECT_TRUE(Next<GateTrouble>().status.ok());
}

TEST(GateWatchTest, A48_ABrokerThatBecomesOpenIsFoundOutLater) {
  TemporaryDirectory folder;
  const keys::Keyring ring(folder / "keys");
  const keys::KeyPair pair = *net::MakeKeyPair();
  ASSERT_TRUE(ring.Init(pair).ok());
  net::SocketContext& context = FreshContext();
  std::atomic<int> opened = 0;
  const auto gate = Gate::Start(
      context, ring, [&opened](const absl::Status&) { ++opened; }, std::chrono::milliseconds(10));
  ASSERT_TRUE(gate.ok()) << gate.status();
  auto router = net::Router::Bind(context, *net::MakeBindEndpoint("127.0.0.1", 0));
  ASSERT_TRUE(router.ok()) << router.status();
  const net::Endpoint endpoint = (*router)->endpoint();
  const absl::Status status = (*gate)->Test(endpoint);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(opened, 0);
  router->reset();
  const OpenDoor open(pair, endpoint);
  EXPECT_TRUE(Eventually([&opened] { return opened > 0; }));
}

TEST(GateStartTest, WithoutKeysThereIsNoGate) {
  TemporaryDirectory folder;
  net::SocketContext& context = FreshContext();
  const auto gate = Gate::Start(context, keys::Keyring(folder / "none"), [](const absl::Status&) {});
  EXPECT_THAT(TextOf(gate.status()), HasSubstr("zmqctl keys init"));
  EXPECT_FALSE(context.keys().has_value());
}

}  // namespace
}  // namespace millrace::serve
