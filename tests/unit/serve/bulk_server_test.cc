// SPDX-License-Identifier: Apache-2.0
// The broker's bulk plane: whole blobs go in and out, and whoever lies, vanishes or asks for too much harms nobody
// else.
#include "millrace/serve/bulk_server.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/random.h"
#include "millrace/net/bulk.h"
#include "millrace/net/bulk_client.h"
#include "millrace/net/dealer.h"
#include "millrace/net/router.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint64_t kMaxSize = 8u << 20;

std::string SomeContent(std::size_t size, std::uint64_t seed = 1) {
  Random random(seed);
  std::string content(size, '\0');
  for (char& c : content) c = static_cast<char>(random.Next());
  return content;
}

// A peer that says what it likes.
class Peer {
 public:
  explicit Peer(const BulkServer& server) {
    auto dealer = net::Dealer::Connect(TestContext(), *net::ParseEndpoint(server.endpoint()));
    EXPECT_TRUE(dealer.ok()) << dealer.status();
    dealer_ = *std::move(dealer);
  }
  void SayBytes(const std::string& bytes) {
    EXPECT_TRUE(Eventually([&] { return dealer_->Send(Bytes::Copy(bytes)) == net::SendResult::kSent; }));
  }
  void Say(net::BulkMessage message) { SayBytes(wire::Encode<wire::Layout::kPositional>(message)); }
  // Offers content under a digest, which need not be its own.
  void Offer(std::uint64_t transfer, const Digest& digest, std::uint64_t size) {
    Say(net::BulkOffer{transfer, digest, size});
  }
  void SendChunk(std::uint64_t transfer, const std::string& content, std::uint64_t offset) {
    net::BulkChunk chunk;
    chunk.transfer = transfer;
    chunk.size = content.size();
    chunk.offset = offset;
    chunk.bytes = Bytes::Copy(std::string_view(content).substr(offset, net::kBulkChunkBytes));
    chunk.checksum = net::ChunkChecksum(offset, chunk.bytes.view());
    Say(std::move(chunk));
  }
  net::BulkMessage Hear() {
    while (true) {
      EXPECT_TRUE(Eventually([&] { return !heard_.empty() || dealer_->Receive(100, heard_) > 0; }));
      if (heard_.empty()) return {};
      auto message = wire::Decode<net::BulkMessage, wire::Layout::kPositional>(heard_.front());
      heard_.erase(heard_.begin());
      EXPECT_TRUE(message.ok()) << message.status();
      if (!message.ok()) return {};
      const auto* refused = std::get_if<net::BulkRefused>(&*message);
      if (refused == nullptr || refused->transfer != 0) return *std::move(message);
      // else it was asked whether it is still there
    }
  }
  template <class M>
  M Expect() {
    const net::BulkMessage message = Hear();
    const auto* body = std::get_if<M>(&message);
    EXPECT_NE(body, nullptr) << "it said another thing, index " << message.index();
    return body == nullptr ? M{} : *body;
  }
  absl::StatusCode ExpectRefusal(std::uint64_t transfer) {
    const auto refused = Expect<net::BulkRefused>();
    EXPECT_EQ(refused.transfer, transfer);
    EXPECT_NE(refused.message, "");
    return static_cast<absl::StatusCode>(refused.code);
  }

 private:
  std::unique_ptr<net::Dealer> dealer_;
  std::vector<Bytes> heard_;
};

class BulkServerTest : public testing::Test {
 protected:
  BulkServerTest() : blobs_(*store::BlobStore::Open(folder_ / "blobs")) {
    auto server = BulkServer::Start(TestContext(), *net::MakeBindEndpoint("127.0.0.1", 0), net::RouterOptions{}, blobs_,
                                    kMaxSize);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::unique_ptr<net::BulkClient> MakeClient() {
    auto client = std::make_unique<net::BulkClient>(TestContext(), *net::ParseEndpoint(server_->endpoint()));
    Planes planes;
    planes.bulk = server_->endpoint();
    client->OnPlanes(planes);
    return client;
  }
  // That the server still does what it is for.
  void ExpectSound() {
    const std::string content = SomeContent(2'500'000, 99);
    const auto client = MakeClient();
    EXPECT_TRUE(client->Store(Sha256(content), Bytes::Copy(content)).ok());
    const auto fetched = client->Fetch(Sha256(content), kMaxSize);
    ASSERT_TRUE(fetched.ok()) << fetched.status();
    EXPECT_EQ(fetched->view(), content);
  }
  std::size_t Files() const {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "blobs")) {
      files += entry.is_regular_file() ? 1 : 0;
    }
    return files;
  }

  TemporaryDirectory folder_;
  store::BlobStore blobs_;
  std::unique_ptr<BulkServer> server_;
};

TEST_F(BulkServerTest, WhatIsPutIsGotWhateverItsSize) {
  const auto client = MakeClient();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1} << 20, (std::size_t{1} << 20) + 1,
                                 std::size_t{7'340'033}, std::size_t{kMaxSize}}) {
    const std::string content = SomeContent(size, size);
    ASSERT_TRUE(client->Store(Sha256(content), Bytes::Copy(content)).ok()) << size;
    EXPECT_TRUE(blobs_.Has(Sha256(content))) << size;
    const auto fetched = client->Fetch(Sha256(content), kMaxSize);
    ASSERT_TRUE(fetched.ok()) << size << ": " << fetched.status();
    EXPECT_EQ(fetched->view(), content) << size;
  }
}

TEST_F(BulkServerTest, WhatIsThereAlreadyIsNotSentAgain) {
  const std::string content = SomeContent(3'000'000);
  ASSERT_TRUE(blobs_.Put(Sha256(content), content).ok());
  Peer peer(*server_);
  peer.Offer(1, Sha256(content), content.size());
  EXPECT_EQ(peer.Expect<net::BulkAck>(), (net::BulkAck{1, content.size()}));
}

// A machine that has lost power may have kept the name of a file and not its bytes.
TEST_F(BulkServerTest, A33_WhatIsThereOnlyInPartIsSentAgain) {
  const std::string content = SomeContent(3'000'000);
  const std::string hex = Sha256(content).Hex();
  ASSERT_TRUE(blobs_.Put(Sha256(content), content).ok());
  std::filesystem::resize_file(folder_ / "blobs" / hex.substr(0, 2) / hex, 0);
  ASSERT_TRUE(MakeClient()->Store(Sha256(content), Bytes::Copy(content)).ok());
  const auto again = blobs_.Get(Sha256(content));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->view(), content);
}

TEST_F(BulkServerTest, AContentThatHasAnotherDigestIsRefusedAndNotKept) {
  const std::string content = SomeContent(1'500'000);
  const absl::Status status = MakeClient()->Store(Sha256("something else"), Bytes::Copy(content));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_FALSE(blobs_.Has(Sha256("something else")));
  EXPECT_FALSE(blobs_.Has(Sha256(content)));
  ExpectSound();
}

TEST_F(BulkServerTest, AnUnknownDigestIsNotFound) {
  const auto fetched = MakeClient()->Fetch(Sha256("never put"), kMaxSize);
  EXPECT_EQ(fetched.status().code(), absl::StatusCode::kNotFound) << fetched.status();
  ExpectSound();
}

TEST_F(BulkServerTest, A34_OverTheLimitIsRefusedWithBothSizesAndTheOption) {
  const std::string content(kMaxSize + 1, 'x');
  const absl::Status status = MakeClient()->Store(Sha256(content), Bytes::Copy(content));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(TextOf(status), AllOf(HasSubstr("8388609"), HasSubstr("8388608"), HasSubstr("--max-payload-size")));
  ExpectSound();
}

TEST_F(BulkServerTest, A48_AChunkThatClaimsMoreThanTheOfferIsHeldToTheLimit) {
  Peer peer(*server_);
  const Digest digest = Sha256("x");
  peer.Offer(1, digest, 10);
  peer.Expect<net::BulkRequest>();
  net::BulkChunk chunk;
  chunk.transfer = 1;
  chunk.size = UINT64_MAX;
  chunk.bytes = Bytes::Copy("0123456789");
  chunk.checksum = net::ChunkChecksum(0, chunk.bytes.view());
  peer.Say(std::move(chunk));
  EXPECT_EQ(peer.ExpectRefusal(1), absl::StatusCode::kResourceExhausted);
  ExpectSound();
}

TEST_F(BulkServerTest, A48_ChunksThatMakeNoSenseEndTheirTransferOnly) {
  const std::string content = SomeContent(2'000'000);
  for (const std::uint64_t offset : {std::uint64_t{2'000'001}, UINT64_MAX, UINT64_MAX - 5}) {
    Peer peer(*server_);
    peer.Offer(1, Sha256(content), content.size());
    peer.Expect<net::BulkRequest>();
    net::BulkChunk chunk;
    chunk.transfer = 1;
    chunk.size = content.size();
    chunk.offset = offset;
    chunk.bytes = Bytes::Copy("0123456789");
    chunk.checksum = net::ChunkChecksum(offset, chunk.bytes.view());
    peer.Say(std::move(chunk));
    EXPECT_EQ(peer.ExpectRefusal(1), absl::StatusCode::kInvalidArgument) << offset;
    // The same peer may begin again.
    peer.Offer(2, Sha256(content), content.size());
    EXPECT_EQ(peer.Expect<net::BulkRequest>().transfer, 2u);
  }
  EXPECT_FALSE(blobs_.Has(Sha256(content)));
  ExpectSound();
}

TEST_F(BulkServerTest, A48_WhatBelongsToNoTransferIsNotAnswered) {
  Peer peer(*server_);
  peer.SendChunk(1, SomeContent(1000), 0);
  peer.Say(net::BulkAck{2, 500});
  peer.Say(net::BulkRefused{3, 0, "I do not want it"});
  peer.Say(net::BulkRefused{3, -1, std::string(1000, 'x')});
  peer.Say(net::BulkRequest{4, Sha256("never put"), 0});
  // The first thing it hears is about the one that can be answered.
  EXPECT_EQ(peer.ExpectRefusal(4), absl::StatusCode::kNotFound);
  ExpectSound();
}

TEST_F(BulkServerTest, A48_AskingBeyondTheEndOrAcknowledgingWhatWasNeverSentIsRefused) {
  const std::string content = SomeContent(6u << 20);
  ASSERT_TRUE(blobs_.Put(Sha256(content), content).ok());
  Peer peer(*server_);
  peer.Say(net::BulkRequest{1, Sha256(content), content.size() + 1});
  EXPECT_EQ(peer.ExpectRefusal(1), absl::StatusCode::kOutOfRange);
  peer.Say(net::BulkRequest{2, Sha256(content), 0});
  for (std::uint64_t i = 0; i < net::kBulkWindowChunks; ++i) EXPECT_EQ(peer.Expect<net::BulkChunk>().offset, i << 20);
  peer.Say(net::BulkAck{2, 6u << 20});  // two chunks were never sent
  EXPECT_EQ(peer.ExpectRefusal(2), absl::StatusCode::kOutOfRange);
  ExpectSound();
}

TEST_F(BulkServerTest, ADamagedChunkIsAskedForAgain) {
  const std::string content = SomeContent(1'500'000);
  Peer peer(*server_);
  peer.Offer(1, Sha256(content), content.size());
  peer.Expect<net::BulkRequest>();
  net::BulkChunk damaged;
  damaged.transfer = 1;
  damaged.size = content.size();
  damaged.bytes = Bytes::Copy(content.substr(0, net::kBulkChunkBytes));
  damaged.checksum = net::ChunkChecksum(0, damaged.bytes.view()) ^ 1;
  peer.Say(std::move(damaged));
  EXPECT_EQ(peer.Expect<net::BulkRequest>().offset, 0u);
  peer.SendChunk(1, content, 0);
  EXPECT_EQ(peer.Expect<net::BulkAck>().received, net::kBulkChunkBytes);
  peer.SendChunk(1, content, net::kBulkChunkBytes);
  EXPECT_EQ(peer.Expect<net::BulkAck>().received, content.size());
  EXPECT_TRUE(blobs_.Has(Sha256(content)));  // it was stored before it was acknowledged
}

TEST_F(BulkServerTest, ATransferMayGoOnWhereItIs) {
  const std::string content = SomeContent(3'000'000);
  ASSERT_TRUE(blobs_.Put(Sha256(content), content).ok());
  Peer peer(*server_);
  peer.Say(net::BulkRequest{1, Sha256(content), 2'500'000});
  const auto chunk = peer.Expect<net::BulkChunk>();
  EXPECT_EQ(chunk.offset, 2'500'000u);
  EXPECT_EQ(chunk.bytes.view(), std::string_view(content).substr(2'500'000));
}

TEST_F(BulkServerTest, AClientThatVanishesInTheMiddleLeavesNothing) {
  const std::string content = SomeContent(3'000'000);
  {
    Peer peer(*server_);
    peer.Offer(1, Sha256(content), content.size());
    peer.Expect<net::BulkRequest>();
    peer.SendChunk(1, content, 0);
    peer.Expect<net::BulkAck>();
  }
  EXPECT_FALSE(blobs_.Has(Sha256(content)));
  EXPECT_EQ(Files(), 0u);
  // Another may bring the same, and one that vanishes while it is given something is in nobody's way.
  EXPECT_TRUE(MakeClient()->Store(Sha256(content), Bytes::Copy(content)).ok());
  EXPECT_EQ(Files(), 1u);
  {
    Peer peer(*server_);
    peer.Say(net::BulkRequest{1, Sha256(content), 0});
    peer.Expect<net::BulkChunk>();
  }
  ExpectSound();
}

// Its descriptor may be the one of a peer that has just gone, of which the server hears a moment later: it is then
// asked whether it is there, in the middle of its transfer, and must know the words.
TEST_F(BulkServerTest, AClientThatComesRightAfterAnotherIsServed) {
  const std::string content = SomeContent(3'000'000);
  ASSERT_TRUE(blobs_.Put(Sha256(content), content).ok());
  for (int i = 0; i < 10; ++i) {
    {
      Peer peer(*server_);
      peer.Say(net::BulkRequest{1, Sha256(content), 0});
      peer.Expect<net::BulkChunk>();
    }
    const auto fetched = MakeClient()->Fetch(Sha256(content), kMaxSize);
    EXPECT_TRUE(fetched.ok()) << "round " << i << ": " << fetched.status();
  }
}

// What it is asked with, by a server that does so in every transfer.
TEST_F(BulkServerTest, AClientPassesOverWhatIsAboutNoTransfer) {
  auto router = net::Router::Bind(TestContext(), *net::MakeBindEndpoint("127.0.0.1", 0));
  ASSERT_TRUE(router.ok()) << router.status();
  net::BulkClient client(TestContext(), (*router)->endpoint());
  Planes planes;
  planes.bulk = (*router)->endpoint().ToString();
  client.OnPlanes(planes);
  const std::string content = SomeContent(1000);
  std::jthread fetcher([&] {
    const auto fetched = client.Fetch(Sha256(content), kMaxSize);
    EXPECT_TRUE(fetched.ok()) << fetched.status();
  });
  std::vector<net::Received> received;
  EXPECT_TRUE(Eventually([&] { return (*router)->Receive(1, received) == 1; }));
  if (received.size() == 1) {
    const auto asked = wire::Decode<net::BulkMessage, wire::Layout::kPositional>(received[0].payload);
    ASSERT_TRUE(asked.ok() && std::holds_alternative<net::BulkRequest>(*asked));
    net::BulkChunk chunk;
    chunk.transfer = std::get<net::BulkRequest>(*asked).transfer;
    EXPECT_NE(chunk.transfer, 0u);
    chunk.size = content.size();
    chunk.bytes = Bytes::Copy(content);
    chunk.checksum = net::ChunkChecksum(0, content);
    for (const net::BulkMessage& message : {net::BulkMessage(net::BulkRefused{}), net::BulkMessage(chunk)}) {
      (*router)->Send(received[0].peer, Bytes(wire::Encode<wire::Layout::kPositional>(message)));
    }
  }
}

TEST_F(BulkServerTest, TwoTransfersOfOnePeerGoOnSideBySide) {
  const std::string a = SomeContent(2'000'000, 1);
  const std::string b = SomeContent(2'000'000, 2);
  Peer peer(*server_);
  peer.Offer(1, Sha256(a), a.size());
  peer.Offer(2, Sha256(b), b.size());
  EXPECT_EQ(peer.Expect<net::BulkRequest>().transfer, 1u);
  EXPECT_EQ(peer.Expect<net::BulkRequest>().transfer, 2u);
  for (std::uint64_t offset = 0; offset < a.size(); offset += net::kBulkChunkBytes) {
    peer.SendChunk(1, a, offset);
    EXPECT_EQ(peer.Expect<net::BulkAck>().transfer, 1u);
    peer.SendChunk(2, b, offset);
    EXPECT_EQ(peer.Expect<net::BulkAck>().transfer, 2u);
  }
  EXPECT_TRUE(blobs_.Has(Sha256(a)));
  EXPECT_TRUE(blobs_.Has(Sha256(b)));
}

TEST_F(BulkServerTest, TheSameTransferNumberOfTwoPeersIsTwoTransfers) {
  const std::string a = SomeContent(1'000'000, 1);
  const std::string b = SomeContent(1'000'000, 2);
  Peer first(*server_);
  Peer second(*server_);
  first.Offer(1, Sha256(a), a.size());
  second.Offer(1, Sha256(b), b.size());
  first.Expect<net::BulkRequest>();
  second.Expect<net::BulkRequest>();
  second.SendChunk(1, b, 0);
  first.SendChunk(1, a, 0);
  EXPECT_EQ(first.Expect<net::BulkAck>().received, a.size());
  EXPECT_EQ(second.Expect<net::BulkAck>().received, b.size());
}

TEST_F(BulkServerTest, ManyClientsAtOnceGetWhatTheyAskedFor) {
  std::vector<std::thread> clients;
  for (std::uint64_t i = 0; i < 4; ++i) {
    clients.emplace_back([this, i] {
      const auto client = MakeClient();
      // Two of them bring and take the same.
      const std::string content = SomeContent(3'000'000, 1 + i / 2);
      EXPECT_TRUE(client->Store(Sha256(content), Bytes::Copy(content)).ok());
      const auto fetched = client->Fetch(Sha256(content), kMaxSize);
      ASSERT_TRUE(fetched.ok()) << fetched.status();
      EXPECT_EQ(fetched->view(), content);
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(Files(), 2u);
}

TEST_F(BulkServerTest, A48_OnePeerHasABoundedNumberOfTransfers) {
  Peer peer(*server_);
  const std::string content = SomeContent(100);
  for (std::uint64_t transfer = 1; transfer <= 16; ++transfer) {
    peer.Offer(transfer, Sha256(std::to_string(transfer)), 100);
    EXPECT_EQ(peer.Expect<net::BulkRequest>().transfer, transfer);
  }
  peer.Offer(17, Sha256(content), 100);
  EXPECT_EQ(peer.ExpectRefusal(17), absl::StatusCode::kResourceExhausted);
  peer.Say(net::BulkRefused{5, 1, "changed my mind"});
  peer.Offer(18, Sha256(content), 100);
  EXPECT_EQ(peer.Expect<net::BulkRequest>().transfer, 18u);
  ExpectSound();  // others are not counted with it
}

TEST_F(BulkServerTest, A48_WhoSendsRubbishIsIgnoredAndTheOthersAreNot) {
  Peer good(*server_);
  Peer bad(*server_);
  const std::string content = SomeContent(500'000);
  good.Offer(1, Sha256(content), content.size());
  good.Expect<net::BulkRequest>();
  for (const std::string rubbish : {"", "\xc1", "hello", "\x92\x63\x90", "\xdd\xff\xff\xff\xff"}) bad.SayBytes(rubbish);
  good.SendChunk(1, content, 0);
  EXPECT_EQ(good.Expect<net::BulkAck>().received, content.size());
  ExpectSound();
}

TEST_F(BulkServerTest, ABlobThatRottedOnTheDiskIsDataLossNotContent) {
  const std::string content = SomeContent(100'000);
  ASSERT_TRUE(blobs_.Put(Sha256(content), content).ok());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "blobs")) {
    if (entry.is_regular_file()) std::filesystem::resize_file(entry.path(), 99'999);
  }
  Peer peer(*server_);
  peer.Say(net::BulkRequest{1, Sha256(content), 0});
  EXPECT_EQ(peer.ExpectRefusal(1), absl::StatusCode::kDataLoss);
}

TEST_F(BulkServerTest, EndsInTheMiddleOfATransfer) {
  const std::string content = SomeContent(3'000'000);
  Peer peer(*server_);
  peer.Offer(1, Sha256(content), content.size());
  peer.Expect<net::BulkRequest>();
  server_.reset();  // returns
}

}  // namespace
}  // namespace millrace::serve
