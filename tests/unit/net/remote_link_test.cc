// SPDX-License-Identifier: Apache-2.0
// A link over ZeroMQ, against the sockets of a broker without a broker behind them.
#include "millrace/net/remote_link.h"

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "millrace/net/pubsub.h"
#include "millrace/net/topics.h"
#include "millrace/wire/frame.h"
#include "support.h"

namespace millrace::net {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// One link, and what it has told so far.
struct LinkedTo {
  std::unique_ptr<Link> link;
  std::vector<LinkEvent> events;

  explicit LinkedTo(const Endpoint& endpoint, RemoteLinkOptions options = {}) {
    auto connected = ConnectRemote(TestContext(), endpoint, std::move(options));
    EXPECT_TRUE(connected.ok()) << connected.status();
    link = *std::move(connected);
  }
  // Sleeps in a poll, as a shell does, until this kind of event has come; later ones stay.
  template <class Event>
  std::optional<Event> Await() {
    Poller poller;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (true) {
      link->Receive(events);
      while (!events.empty()) {
        LinkEvent event = std::move(events.front());
        events.erase(events.begin());
        if (auto* wanted = std::get_if<Event>(&event)) return std::move(*wanted);
      }
      std::vector<PollItem> items;
      link->AppendPollItems(items);
      const auto ready = poller.Wait(items, deadline);
      if (!ready.ok() || *ready == 0) return std::nullopt;
    }
  }
  // The same for this message on the control channel.
  bool Hears(const Message& message) {
    while (const auto heard = Await<LinkHeard>()) {
      if (!heard->on_heartbeat_channel && heard->message == message) return true;
    }
    return false;
  }
  std::size_t poll_items() {
    std::vector<PollItem> items;
    link->AppendPollItems(items);
    return items.size();
  }
};

Bytes Frame(const Message& message) { return Bytes(wire::EncodeMessage(message)); }
// Says it until it arrives, as everything here is said; who it came from.
PeerId Meet(Router& router, Link& link, std::uint64_t nonce) {
  PeerId peer;
  EXPECT_TRUE(Eventually([&] {
    link.Send(Ping{nonce});
    std::vector<Received> received;
    router.Receive(1000, received);
    for (const Received& item : received) {
      const auto message = wire::DecodeMessage(item.payload);
      if (message.ok() && *message == Message(Ping{nonce})) peer = item.peer;
    }
    return peer.valid();
  }));
  return peer;
}

// A broker's planes, bound.
struct Planed {
  std::unique_ptr<Router> control = MustBind(Loopback());
  std::unique_ptr<Subscriber> heartbeat =
      Subscriber::Bind(TestContext(), Loopback(), std::string(1, kBeatTopic)).value();
  std::unique_ptr<Publisher> events = Publisher::Bind(TestContext(), Loopback()).value();

  Welcome Greeting() const {
    Welcome welcome;
    welcome.planes.heartbeat = heartbeat->endpoint().ToString();
    welcome.planes.events = events->endpoint().ToString();
    return welcome;
  }
  bool HearsABeatOf(Link& link, std::uint64_t number) {
    Beat beat;
    beat.number = number;
    return Eventually([&] {
      link.Publish(beat);
      std::vector<Published> published;
      heartbeat->Receive(1000, published);
      for (const Published& item : published) {
        if (*wire::DecodeMessage(item.payload) == Message(beat)) return true;
      }
      return false;
    });
  }
  bool IsHeardBy(LinkedTo& linked, std::uint64_t number) {
    return Eventually([&] {
      events->Publish(kBeaconTopic, wire::EncodeMessage(Beacon{1, number}));
      std::vector<LinkEvent> told;
      linked.link->Receive(told);
      for (const LinkEvent& event : told) {
        const auto* heard = std::get_if<LinkHeard>(&event);
        if (heard && heard->on_heartbeat_channel && heard->message == Message(Beacon{1, number})) return true;
      }
      return false;
    });
  }
};

TEST(RemoteLinkTest, CarriesMessagesBothWaysAndDropsWhatItCannotRead) {
  const auto router = MustBind(Loopback());
  LinkedTo broker(router->endpoint());
  ASSERT_TRUE(broker.Await<LinkUp>());
  const PeerId peer = Meet(*router, *broker.link, 7);
  EXPECT_EQ(router->Send(peer, Text("rubbish")), SendResult::kSent);
  EXPECT_EQ(router->Send(peer, Bytes()), SendResult::kSent);
  EXPECT_EQ(router->Send(peer, Frame(Pong{8})), SendResult::kSent);
  const auto heard = broker.Await<LinkHeard>();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->message, Message(Pong{8}));
  EXPECT_FALSE(heard->on_heartbeat_channel);
  EXPECT_EQ(Meet(*router, *broker.link, 9), peer);  // and the connection lives
}

TEST(RemoteLinkTest, ABrokerThatIsNotThereYetIsFoundAndNothingOldReachesIt) {
  // A port that was just given up may take one more connection.
  const auto path = std::filesystem::temp_directory_path() / ("millrace_late_" + std::to_string(getpid()));
  const Endpoint endpoint = *ParseEndpoint("ipc://" + path.string());
  LinkedTo broker(endpoint);
  for (int i = 0; i < 10; ++i) broker.link->Send(Ping{1});
  const auto router = MustBind(endpoint);
  ASSERT_TRUE(broker.Await<LinkUp>());
  broker.link->Send(Ping{2});
  std::vector<Received> received;
  ASSERT_TRUE(ReceiveEventually(*router, 1, received));
  EXPECT_EQ(*wire::DecodeMessage(received.front().payload), Message(Ping{2}));
}

// The hello is said once for each connection.
TEST(RemoteLinkTest, WhatIsSaidRightAfterTheConnectionWasMadeIsNotLost) {
  const auto router = MustBind(Loopback());
  LinkedTo broker(router->endpoint());
  for (std::uint64_t round = 1; round <= 50; ++round) {
    ASSERT_TRUE(Eventually([&] {
      broker.link->Receive(broker.events);
      return !broker.events.empty();
    }));
    ASSERT_TRUE(broker.Await<LinkUp>());
    broker.link->Send(Ping{round});
    std::vector<Received> received;
    ASSERT_TRUE(ReceiveEventually(*router, 1, received)) << "in round " << round;
    EXPECT_EQ(*wire::DecodeMessage(received.front().payload), Message(Ping{round}));
    broker.link->Reconnect();
  }
}

TEST(RemoteLinkTest, ALostBrokerIsToldWithAReasonAndFoundAgain) {
  auto router = MustBind(Loopback());
  const Endpoint endpoint = router->endpoint();
  LinkedTo broker(endpoint);
  for (std::uint64_t life = 1; life <= 3; ++life) {
    ASSERT_TRUE(broker.Await<LinkUp>()) << life;
    EXPECT_TRUE(Meet(*router, *broker.link, life).valid());
    router.reset();
    const auto down = broker.Await<LinkDown>();
    ASSERT_TRUE(down);
    EXPECT_FALSE(down->reason.empty());
    router = MustBind(endpoint);
  }
  EXPECT_TRUE(broker.Await<LinkUp>());
}

TEST(RemoteLinkTest, AReconnectMakesAFreshConnection) {
  const auto router = MustBind(Loopback());
  LinkedTo broker(router->endpoint());
  ASSERT_TRUE(broker.Await<LinkUp>());
  const PeerId before = Meet(*router, *broker.link, 1);
  EXPECT_EQ(router->Send(before, Frame(Pong{1})), SendResult::kSent);
  broker.link->Reconnect();
  ASSERT_TRUE(broker.Await<LinkUp>());
  const PeerId after = Meet(*router, *broker.link, 2);
  EXPECT_NE(after, before);
  EXPECT_EQ(router->Send(after, Frame(Pong{2})), SendResult::kSent);
  const auto heard = broker.Await<LinkHeard>();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->message, Message(Pong{2}));  // what was for the old one is gone with it
}

TEST(RemoteLinkTest, TheSideChannelsComeWithTheWelcomeAndMoveWithTheBroker) {
  Planed first;
  LinkedTo broker(first.control->endpoint());
  ASSERT_TRUE(broker.Await<LinkUp>());
  EXPECT_EQ(broker.poll_items(), 2U);
  broker.link->Publish(Beat{});  // nobody has told where to: dropped
  const PeerId peer = Meet(*first.control, *broker.link, 1);
  EXPECT_EQ(first.control->Send(peer, Frame(first.Greeting())), SendResult::kSent);
  EXPECT_TRUE(broker.Hears(first.Greeting()));
  EXPECT_EQ(broker.poll_items(), 3U);
  EXPECT_TRUE(first.HearsABeatOf(*broker.link, 4));
  EXPECT_TRUE(first.IsHeardBy(broker, 5));

  Planed second;
  first.control->Send(peer, Frame(second.Greeting()));
  EXPECT_TRUE(broker.Hears(second.Greeting()));
  EXPECT_TRUE(second.HearsABeatOf(*broker.link, 6));
  EXPECT_TRUE(second.IsHeardBy(broker, 7));
}

TEST(RemoteLinkTest, WhoDoesNotListenOpensNoSideChannels) {
  Planed planes;
  LinkedTo broker(planes.control->endpoint(), {.insecure_allow_plaintext_on = {}, .listen = false});
  ASSERT_TRUE(broker.Await<LinkUp>());
  planes.control->Send(Meet(*planes.control, *broker.link, 1), Frame(planes.Greeting()));
  ASSERT_TRUE(broker.Await<LinkHeard>());
  EXPECT_EQ(broker.poll_items(), 2U);
}

// A worker would be woken for each change of each run, which is nothing to it.
TEST(RemoteLinkTest, WhoWantsNoChangesHearsBeaconsOnly) {
  Planed planes;
  LinkedTo worker(planes.control->endpoint(), {.insecure_allow_plaintext_on = {}, .listen = true, .changes = false});
  ASSERT_TRUE(worker.Await<LinkUp>());
  const PeerId peer = Meet(*planes.control, *worker.link, 1);
  planes.control->Send(peer, Frame(planes.Greeting()));
  ASSERT_TRUE(worker.Hears(planes.Greeting()));
  ASSERT_TRUE(planes.IsHeardBy(worker, 1)) << "from here on it is subscribed";
  planes.events->Publish(kChangedTopic, wire::EncodeMessage(Changed{.epoch = 1, .run = RunId{1}}));
  planes.events->Publish(kBeaconTopic, wire::EncodeMessage(Beacon{1, 99}));
  bool beacon = false;
  while (!beacon) {
    const auto heard = worker.Await<LinkHeard>();
    ASSERT_TRUE(heard.has_value());
    EXPECT_FALSE(std::holds_alternative<Changed>(heard->message));
    beacon = heard->message == Message(Beacon{1, 99});
  }
}

TEST(RemoteLinkTest, SideChannelsThatCannotBeDialledLeaveTheControlChannel) {
  const auto router = MustBind(Loopback());
  LinkedTo broker(router->endpoint());
  ASSERT_TRUE(broker.Await<LinkUp>());
  const PeerId peer = Meet(*router, *broker.link, 1);
  for (const char* address : {"rubbish", "tcp://127.0.0.1:99999", "", "tcp://:"}) {
    Welcome welcome;
    welcome.planes.heartbeat = welcome.planes.events = address;
    router->Send(peer, Frame(welcome));
    EXPECT_TRUE(broker.Hears(welcome));
    broker.link->Publish(Beat{});
    EXPECT_EQ(Meet(*router, *broker.link, 2), peer);
  }
}

TEST(RemoteLinkTest, WhatWasSentBeforeTheCloseArrives) {
  const auto router = MustBind(Loopback());
  LinkedTo broker(router->endpoint());
  ASSERT_TRUE(broker.Await<LinkUp>());
  for (std::uint64_t i = 0; i < 20; ++i) broker.link->Send(Ping{i});
  broker.link->Close(std::chrono::seconds(10));
  broker.link.reset();
  std::vector<Received> received;
  ASSERT_TRUE(ReceiveEventually(*router, 20, received));
  EXPECT_EQ(*wire::DecodeMessage(received.back().payload), Message(Ping{19}));
}

TEST(RemoteLinkTest, PlaintextBeyondThisMachineIsRefusedAtOnce) {
  const auto refused = ConnectRemote(TestContext(), *ParseOrchestratorUrl("tcp://192.0.2.1:8080"));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(DialledPlaneTest, IsOnTheHostThatTheControlChannelWasReachedOn) {
  const Endpoint control = *ParseOrchestratorUrl("tcp://build-1:8080");
  for (const char* announced : {"tcp://0.0.0.0:8083", "tcp://127.0.0.1:8083", "tcp://[::]:8083", "tcp://*:8083"}) {
    const auto plane = DialledPlane(announced, control);
    ASSERT_TRUE(plane.ok()) << plane.status();
    EXPECT_EQ(plane->ToString(), "tcp://build-1:8083");
  }
  const Endpoint ipc = *ParseEndpoint("ipc:///run/millrace");
  EXPECT_EQ(DialledPlane("ipc:///run/millrace.bulk", ipc)->ToString(), "ipc:///run/millrace.bulk");
  EXPECT_EQ(DialledPlane("", control).status().code(), absl::StatusCode::kNotFound);
  for (const char* announced : {"rubbish", "tcp://0.0.0.0:0", "tcp://0.0.0.0:x", "tcp://0.0.0.0:70000", ":"}) {
    EXPECT_FALSE(DialledPlane(announced, control).ok()) << announced;
  }
}

}  // namespace
}  // namespace millrace::net
