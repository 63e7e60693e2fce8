// SPDX-License-Identifier: Apache-2.0
// The client's side of the bulk plane, against a broker's socket that a test may make answer anything.
#include "millrace/net/bulk_client.h"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "millrace/net/bulk.h"
#include "millrace/net/wakeup.h"
#include "millrace/wire/codec.h"
#include "support.h"

namespace millrace::net {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kLimit = 100 << 20;

// A bulk plane in a thread of its own. It keeps what it is offered and sends what it has, unless `answer` takes over:
// that may answer by itself and return true.
class Plane {
 public:
  using Say = std::function<void(const BulkMessage&)>;
  using Answer = std::function<bool(const BulkMessage&, const Say&)>;

  explicit Plane(const Endpoint& endpoint = Loopback(), Answer answer = {})
      : router_(MustBind(endpoint)), endpoint_(router_->endpoint()), answer_(std::move(answer)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Plane() { Stop(); }

  const Endpoint& endpoint() const { return endpoint_; }
  Planes Announced() const {
    Planes planes;
    planes.bulk = endpoint_.ToString();
    return planes;
  }
  // Afterwards the test may look at what is below.
  void Stop() {
    if (!thread_.joinable()) return;
    end_.Signal();
    thread_.join();
    router_.reset();
  }

  std::map<Digest, std::string> kept;
  std::vector<std::size_t> heard;  // kinds of messages

 private:
  struct Incoming {
    std::string content;
    ChunkReceiver receiver;
    Incoming(const BulkOffer& offer)
        : receiver(offer.transfer, offer.digest, kLimit, [this](std::string_view bytes) {
            content.append(bytes);
            return absl::OkStatus();
          }) {}
  };

  void Run() {
    Poller poller;
    while (true) {
      std::vector<Received> received;
      router_->Receive(1000, received);
      for (const Received& item : received) {
        const auto message = wire::Decode<BulkMessage, wire::Layout::kPositional>(item.payload);
        ASSERT_TRUE(message.ok()) << message.status();
        heard.push_back(message->index());
        const Say say = [&](const BulkMessage& answer) {
          router_->Send(item.peer, Bytes(wire::Encode<wire::Layout::kPositional>(answer)));
        };
        if (!answer_ || !answer_(*message, say)) std::visit([&](const auto& body) { On(body, say); }, *message);
      }
      router_->TakeGone();
      std::array<PollItem, 3> items = {PollItem{.socket = router_->native()}, PollItem{.fd = router_->wake_fd()},
                                       PollItem{.fd = end_.fd()}};
      ASSERT_TRUE(poller.Wait(items, std::chrono::steady_clock::time_point::max()).ok());
      if (items[2].readable) return;
    }
  }
  void On(const BulkOffer& offer, const Say& say) {
    if (kept.contains(offer.digest)) return say(BulkAck{offer.transfer, offer.size});
    incoming_ = std::make_unique<Incoming>(offer);
    digest_ = offer.digest;
    say(incoming_->receiver.Request());
  }
  void On(const BulkChunk& chunk, const Say& say) {
    const auto reply = incoming_->receiver.OnChunk(chunk);
    ASSERT_TRUE(reply.ok()) << reply.status();
    if (incoming_->receiver.done()) kept[digest_] = incoming_->content;
    if (const auto* ack = std::get_if<BulkAck>(&*reply)) say(*ack);
  }
  void On(const BulkRequest& request, const Say& say) {
    if (!kept.contains(request.digest)) return say(BulkRefused{request.transfer, 5, "no such blob"});
    outgoing_.emplace(request.transfer, Bytes::Copy(kept[request.digest]));
    ASSERT_TRUE(outgoing_->OnRequest(request).ok());
    Pump(say);
  }
  void On(const BulkAck& ack, const Say& say) {
    ASSERT_TRUE(outgoing_->OnAck(ack).ok());
    Pump(say);
  }
  void On(const BulkRefused&, const Say&) {}
  void Pump(const Say& say) {
    for (auto chunk = outgoing_->Next(); chunk.ok() && chunk->has_value(); chunk = outgoing_->Next()) say(**chunk);
  }

  std::unique_ptr<Router> router_;
  Endpoint endpoint_;
  Answer answer_;
  Wakeup end_;
  std::unique_ptr<Incoming> incoming_;
  Digest digest_;
  std::optional<ChunkSender> outgoing_;
  std::thread thread_;
};

std::unique_ptr<BulkClient> ClientOf(const Plane& plane) {
  auto client = std::make_unique<BulkClient>(TestContext(), plane.endpoint());
  client->OnPlanes(plane.Announced());
  return client;
}

TEST(BulkClientTest, WhatIsStoredIsFetchedWhole) {
  Plane plane;
  const auto client = ClientOf(plane);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1} << 20, (std::size_t{9} << 20) + 17}) {
    const Bytes content(std::string(size, 'c'));
    const Digest digest = Sha256(content.view());
    const absl::Status stored = client->Store(digest, content);
    ASSERT_TRUE(stored.ok()) << stored;
    const auto fetched = client->Fetch(digest, size);
    ASSERT_TRUE(fetched.ok()) << fetched.status();
    EXPECT_TRUE(*fetched == content) << size;
  }
}

TEST(BulkClientTest, A36_WhatIsThereAlreadyIsNotSentAgain) {
  Plane plane;
  const Bytes content(std::string(3 << 20, 'c'));
  plane.kept[Sha256(content.view())] = content.str();
  EXPECT_TRUE(ClientOf(plane)->Store(Sha256(content.view()), content).ok());
  plane.Stop();
  EXPECT_THAT(plane.heard, ElementsAre(BulkMessage(BulkOffer{}).index()));
}

TEST(BulkClientTest, BeforeTheBrokerHasToldWhereItIsUnavailable) {
  const Plane plane;
  BulkClient client(TestContext(), plane.endpoint());
  const absl::Status status = client.Store(Sha256("x"), Bytes::Copy("x"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(TextOf(status), HasSubstr("not told"));
  EXPECT_EQ(client.Fetch(Sha256("x"), 1).status().code(), absl::StatusCode::kUnavailable);
  client.OnPlanes(plane.Announced());
  EXPECT_TRUE(client.Store(Sha256("x"), Bytes::Copy("x")).ok());
}

TEST(BulkClientTest, ARefusalIsReturnedAndTheNextTransferGoesOn) {
  Plane plane;
  const auto client = ClientOf(plane);
  const absl::Status missing = client->Fetch(Sha256("x"), 100).status();
  EXPECT_EQ(missing, absl::NotFoundError("no such blob"));
  EXPECT_TRUE(client->Store(Sha256("x"), Bytes::Copy("x")).ok());
  Plane full(Loopback(), [](const BulkMessage& message, const Plane::Say& say) {
    say(BulkRefused{std::get<BulkOffer>(message).transfer, 8, "a blob of 9 bytes is over the limit of 8"});
    return true;
  });
  EXPECT_EQ(ClientOf(full)->Store(Sha256("x"), Bytes::Copy("x")),
            absl::ResourceExhaustedError("a blob of 9 bytes is over the limit of 8"));
}

TEST(BulkClientTest, A34_WhatIsOverTheLimitIsRefusedWithBothSizes) {
  Plane plane;
  const auto client = ClientOf(plane);
  const Bytes content(std::string(2 << 20, 'c'));
  ASSERT_TRUE(client->Store(Sha256(content.view()), content).ok());
  const absl::Status refused = client->Fetch(Sha256(content.view()), 1000).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(TextOf(refused), AllOf(HasSubstr("2097152"), HasSubstr("1000")));
  EXPECT_TRUE(client->Fetch(Sha256(content.view()), 2 << 20).ok());  // what is still under way is of another transfer
}

TEST(BulkClientTest, AnotherContentThanTheOneAskedForIsDataLoss) {
  Plane plane;
  plane.kept[Sha256("asked for")] = "something else";
  const auto fetched = ClientOf(plane)->Fetch(Sha256("asked for"), 100);
  EXPECT_EQ(fetched.status().code(), absl::StatusCode::kDataLoss);
}

TEST(BulkClientTest, AConnectionLostOnTheWayIsUnavailableAndTheNextTransferDialsAgain) {
  const Bytes content = Bytes::Copy("content");
  const Digest digest = Sha256(content.view());
  Wakeup asked;
  std::optional<Plane> plane(std::in_place, Loopback(), [&](const BulkMessage&, const Plane::Say&) {
    asked.Signal();
    return true;  // and says nothing
  });
  const auto client = ClientOf(*plane);
  std::thread killer([&] {
    Poller poller;
    std::array<PollItem, 1> items = {PollItem{.fd = asked.fd()}};
    EXPECT_EQ(*poller.Wait(items, std::chrono::steady_clock::now() + kPatience), 1);
    plane->Stop();
  });
  const absl::Status lost = client->Fetch(digest, 100).status();
  killer.join();
  EXPECT_EQ(lost.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(TextOf(lost), AllOf(HasSubstr(plane->endpoint().ToString()), HasSubstr("was lost")));
  const Plane again(plane->endpoint());
  const absl::Status stored = client->Store(digest, content);
  EXPECT_TRUE(stored.ok()) << stored;
  EXPECT_EQ(client->Fetch(digest, 100).value(), content);
}

TEST(BulkClientTest, ABrokerStartedAnewBetweenTwoTransfersIsNoTroubleOfTheNext) {
  const Bytes content = Bytes::Copy("content");
  const Digest digest = Sha256(content.view());
  std::optional<Plane> plane(std::in_place);
  const auto client = ClientOf(*plane);
  for (int life = 0; life < 3; ++life) {
    const absl::Status stored = client->Store(digest, content);
    EXPECT_TRUE(stored.ok()) << stored << " in life " << life;
    const Endpoint endpoint = plane->endpoint();
    plane.emplace(endpoint);
  }
  std::optional<Plane> moved(std::in_place);
  client->OnPlanes(moved->Announced());
  ASSERT_TRUE(client->Store(digest, content).ok());
  moved->Stop();
  EXPECT_TRUE(moved->kept.contains(digest));
}

TEST(BulkClientTest, ManyThreadsTakeTurns) {
  Plane plane;
  const auto client = ClientOf(plane);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&client, t] {
      const Bytes content(std::string(1'500'000, static_cast<char>('a' + t)));
      const Digest digest = Sha256(content.view());
      EXPECT_TRUE(client->Store(digest, content).ok());
      EXPECT_TRUE(client->Fetch(digest, kLimit).value() == content);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace millrace::net
