// SPDX-License-Identifier: Apache-2.0
// What the broker's loop does by itself, seen from the other end of its sockets: who may speak, what is kept, what is
// told of it.
#include "millrace/serve/broker_loop.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/net/dealer.h"
#include "millrace/serve/broker.h"
#include "millrace/wire/frame.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A peer that says what it likes on the control channel.
class Peer {
 public:
  explicit Peer(const Broker& broker) {
    auto dealer = net::Dealer::Connect(TestContext(), *net::ParseEndpoint(broker.control_endpoint()));
    EXPECT_TRUE(dealer.ok()) << dealer.status();
    dealer_ = *std::move(dealer);
  }
  void SayBytes(const std::string& bytes) {
    EXPECT_TRUE(Eventually([&] { return dealer_->Send(Bytes::Copy(bytes)) == net::SendResult::kSent; }));
  }
  void Say(const Message& message) { SayBytes(wire::EncodeMessage(message)); }
  // What has arrived by now.
  std::vector<Message> Heard() {
    std::vector<Bytes> frames;
    dealer_->Receive(1000, frames);
    std::vector<Message> messages;
    for (const Bytes& frame : frames) {
      auto message = wire::DecodeMessage(frame);
      EXPECT_TRUE(message.ok()) << message.status();
      if (message.ok() && !std::holds_alternative<Ping>(*message)) messages.push_back(*std::move(message));
    }
    return messages;
  }
  template <class M>
  M Expect() {
    std::optional<M> found;
    EXPECT_TRUE(Eventually([&] {
      for (Message& message : Heard()) {
        if (auto* body = std::get_if<M>(&message)) found = std::move(*body);
      }
      return found.has_value();
    })) << "kind "
        << int{M::kKind};
    return found ? *std::move(found) : M{};
  }
  SessionId Attach(Role role, const std::string& name) {
    Hello hello;
    hello.role = role;
    hello.name = name;
    hello.incarnation = Incarnation{name.empty() ? 8u : std::hash<std::string>()(name) | 1};
    hello.host = "elsewhere";
    Say(hello);
    return Expect<Welcome>().session;
  }
  Answer Ask(QueryKind kind) {
    Query query;
    query.request = ++requests_;
    query.kind = kind;
    Say(query);
    return Expect<Answer>();
  }

 private:
  std::unique_ptr<net::Dealer> dealer_;
  std::uint64_t requests_ = 0;
};

Output Printed(const std::string& text) {
  Output output;
  OutputChunk& chunk = output.chunks.emplace_back();
  chunk.task = {RunId{EpochQualified(1, 1)}, 0};
  chunk.name = "build";
  chunk.text = text;
  return output;
}

class BrokerLoopTest : public testing::Test {
 protected:
  BrokerLoopTest() {
    BrokerOptions options;
    options.data_dir = folder_ / "data";
    options.network.emplace();
    options.network->port = 0;
    options.network->http = false;
    options.brain.version = "1.2.3";
    auto broker = Broker::Start(&TestContext(), std::move(options));
    EXPECT_TRUE(broker.ok()) << broker.status();
    broker_ = *std::move(broker);
  }

  TemporaryDirectory folder_;
  std::unique_ptr<Broker> broker_;
};

TEST_F(BrokerLoopTest, A48_AfterThreeMalformedMessagesAPeerIsToldAndIgnored) {
  Peer good(*broker_);
  Peer bad(*broker_);
  good.Attach(Role::kClient, "");
  bad.Attach(Role::kClient, "");
  bad.SayBytes("\xc1");
  bad.SayBytes("rubbish");
  EXPECT_EQ(bad.Ask(QueryKind::kBroker).code, 0);  // twice is forgiven
  bad.SayBytes("");
  const auto refused = bad.Expect<Refused>();
  EXPECT_EQ(refused.code, RefusalCode::kMalformed);
  EXPECT_THAT(refused.reason, HasSubstr("3 malformed messages"));
  Query query;
  query.request = 99;
  bad.Say(query);
  // Others are answered as before, and by then it would have been, too.
  for (int i = 0; i < 3; ++i) EXPECT_THAT(good.Ask(QueryKind::kBroker).broker, SizeIs(1));
  EXPECT_THAT(bad.Heard(), IsEmpty());
  EXPECT_TRUE(Eventually([&] { return broker_->board().Latest()->broker.protocol_errors >= 3; }));
  // A new connection of the same program begins with a clean sheet.
  Peer again(*broker_);
  again.Attach(Role::kClient, "");
  EXPECT_EQ(again.Ask(QueryKind::kBroker).code, 0);
}

TEST_F(BrokerLoopTest, A48_AWorkerThatIsIgnoredLosesItsPlace) {
  Peer bad(*broker_);
  bad.Attach(Role::kWorker, "w1");
  for (int i = 0; i < 3; ++i) bad.SayBytes("\xc1");
  bad.Expect<Refused>();
  // Its connection counts as gone, so the name is soon free for a fresh process.
  Peer fresh(*broker_);
  EXPECT_TRUE(fresh.Attach(Role::kWorker, "w1").valid());
}

TEST_F(BrokerLoopTest, A48_FloodsOfRubbishFromManyDoNotStopTheBroker) {
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 10; ++i) {
    Peer& peer = *peers.emplace_back(std::make_unique<Peer>(*broker_));
    for (int j = 0; j < 20; ++j) peer.SayBytes(std::string(static_cast<std::size_t>(j), '\xdd'));
  }
  Peer good(*broker_);
  good.Attach(Role::kClient, "");
  EXPECT_THAT(good.Ask(QueryKind::kBroker).broker, SizeIs(1));
}

TEST_F(BrokerLoopTest, OutputOfAnUnknownPeerOrAClientIsNotKept) {
  Peer stranger(*broker_);
  stranger.Say(Printed("whose?"));
  EXPECT_THAT(stranger.Ask(QueryKind::kLogs).logs, IsEmpty());
  Peer client(*broker_);
  client.Attach(Role::kClient, "c1");
  client.Say(Printed("no worker"));
  EXPECT_THAT(client.Ask(QueryKind::kLogs).logs, IsEmpty());
}

TEST_F(BrokerLoopTest, A39_OutputOfAWorkerIsKeptUnderItsName) {
  Peer worker(*broker_);
  worker.Attach(Role::kWorker, "w1");
  worker.Say(Printed("hello"));
  const Answer answer = worker.Ask(QueryKind::kLogs);
  ASSERT_THAT(answer.logs, SizeIs(1));
  EXPECT_EQ(answer.logs[0].worker, "w1");
  EXPECT_EQ(answer.logs[0].text, "hello");
}

TEST_F(BrokerLoopTest, ALocalWorkerIsOneOfThisProcessWhateverOthersClaim) {
  Peer worker(*broker_);
  Hello hello;
  hello.name = "w1";
  hello.incarnation = Incarnation{7};
  hello.local = true;
  worker.Say(hello);
  worker.Expect<Welcome>();
  Peer client(*broker_);
  client.Attach(Role::kClient, "");
  const Answer answer = client.Ask(QueryKind::kWorkers);
  ASSERT_THAT(answer.workers, SizeIs(1));
  EXPECT_FALSE(answer.workers[0].local);
}

TEST_F(BrokerLoopTest, ASubmissionWhoseJobIsNotThereIsAnsweredNotDropped) {
  Peer client(*broker_);
  client.Attach(Role::kClient, "");
  Submit submit;
  submit.request = 5;
  submit.token = 6;
  submit.job_digest = Sha256("never put");
  client.Say(submit);
  const auto answer = client.Expect<Answer>();
  EXPECT_EQ(answer.request, 5u);
  EXPECT_EQ(answer.code, static_cast<int>(absl::StatusCode::kNotFound));
}

TEST_F(BrokerLoopTest, WhatChangesIsOnTheBoardSoon) {
  Peer worker(*broker_);
  const SessionId session = worker.Attach(Role::kWorker, "w1");
  ASSERT_TRUE(Eventually([&] { return broker_->board().Latest()->workers.size() == 1; }));
  EXPECT_EQ(broker_->board().Latest()->workers[0].name, "w1");
  EXPECT_EQ(broker_->board().Latest()->broker.version, "1.2.3");
  EXPECT_EQ(broker_->board().Latest()->planes, broker_->planes());
  worker.Say(Goodbye{session, "enough"});
  EXPECT_TRUE(Eventually([&] {
    const auto snapshot = broker_->board().Latest();
    return snapshot->workers.empty() || snapshot->workers[0].state == WorkerState::kLost;
  }));
}

}  // namespace
}  // namespace millrace::serve
