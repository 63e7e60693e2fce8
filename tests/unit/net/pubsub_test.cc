// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/pubsub.h"

#include <algorithm>
#include <zmq.hpp>

#include "gmock/gmock.h"
#include "support.h"

namespace millrace::net {
namespace {

// Publishes until the subscriber has heard it: the first ones are lost while subscriptions travel.
bool HearsEventually(Publisher& publisher, Subscriber& subscriber, Topic topic, std::string_view text) {
  std::vector<Published> heard;
  return Eventually([&] {
    publisher.Publish(topic, text);
    subscriber.Receive(1000, heard);
    return !heard.empty() && heard.back().topic == topic && heard.back().payload.view() == text;
  });
}

TEST(PubSubTest, HeartbeatsReachABoundSubscriberByClass) {
  const auto broker = *Subscriber::Bind(TestContext(), Loopback(), "HL");
  const auto worker = *Publisher::Connect(TestContext(), broker->endpoint());
  const auto other = *Publisher::Connect(TestContext(), broker->endpoint());
  ASSERT_TRUE(HearsEventually(*worker, *broker, 'H', "beat"));
  ASSERT_TRUE(HearsEventually(*other, *broker, 'L', ""));
  ASSERT_TRUE(HearsEventually(*other, *broker, 'H', std::string(20'000, 'x')));
  // Another class is not heard, though it was said first.
  worker->Publish('Z', "secret");
  worker->Publish('H', "after it");
  std::vector<Published> heard;
  ASSERT_TRUE(Eventually([&] {
    broker->Receive(1000, heard);
    return std::any_of(heard.begin(), heard.end(),
                       [](const Published& message) { return message.payload.view() == "after it"; });
  }));
  for (const Published& message : heard) EXPECT_NE(message.topic, 'Z');
}

TEST(PubSubTest, ABoundPublisherReachesAllWhoConnect) {
  const auto broker = *Publisher::Bind(TestContext(), Loopback());
  const auto a = *Subscriber::Connect(TestContext(), broker->endpoint(), "E");
  const auto b = *Subscriber::Connect(TestContext(), broker->endpoint(), "E");
  EXPECT_TRUE(HearsEventually(*broker, *a, 'E', "news"));
  EXPECT_TRUE(HearsEventually(*broker, *b, 'E', "more news"));
}

TEST(PubSubTest, NobodyListeningIsNoError) {
  const auto publisher = *Publisher::Bind(TestContext(), Loopback());
  for (int i = 0; i < 10'000; ++i) publisher->Publish('E', "into the void");
  EXPECT_EQ(Publisher::Bind(TestContext(), *MakeBindEndpoint("0.0.0.0", 0)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(PubSubTest, MessagesOfSeveralFramesAreDroppedAndCounted) {
  const auto broker = *Subscriber::Bind(TestContext(), Loopback(), "H");
  const auto good = *Publisher::Connect(TestContext(), broker->endpoint());
  zmq::socket_t raw(TestContext().native(), zmq::socket_type::pub);
  raw.set(zmq::sockopt::linger, 0);
  raw.connect(broker->endpoint().ToString());
  std::vector<Published> heard;
  ASSERT_TRUE(Eventually([&] {
    raw.send(zmq::str_buffer("Hone"), zmq::send_flags::sndmore);
    raw.send(zmq::str_buffer("two"), zmq::send_flags::none);
    broker->Receive(100, heard);
    return broker->malformed() > 0;
  }));
  EXPECT_TRUE(heard.empty());
  EXPECT_TRUE(HearsEventually(*good, *broker, 'H', "beat"));
}

}  // namespace
}  // namespace millrace::net
