// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/local_link.h"

#include <poll.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// What a link has to tell, in a form to compare: "up", "down: REASON", "ping N", "ping N, published".
std::vector<std::string> Told(Link& link) {
  std::vector<LinkEvent> events;
  link.Receive(events);
  std::vector<std::string> told;
  for (const LinkEvent& event : events) {
    if (const auto* down = std::get_if<LinkDown>(&event)) told.push_back("down: " + down->reason);
    if (std::holds_alternative<LinkUp>(event)) told.push_back("up");
    if (const auto* heard = std::get_if<LinkHeard>(&event)) {
      told.push_back("ping " + std::to_string(std::get<Ping>(heard->message).nonce) +
                     (heard->on_heartbeat_channel ? ", published" : ""));
    }
  }
  return told;
}
// The same for the hub's side; peers are numbered as they were met.
struct Hub {
  std::optional<LocalHub> hub{std::in_place};
  std::vector<PeerId> peers;

  std::vector<std::string> Told() {
    std::vector<LocalHub::Item> items;
    hub->inbox().DrainInto(items);
    std::vector<std::string> told;
    for (const LocalHub::Item& item : items) {
      auto known = std::find(peers.begin(), peers.end(), item.peer);
      if (known == peers.end()) known = peers.insert(known, item.peer);
      const std::string who = std::to_string(known - peers.begin()) + ": ";
      told.push_back(who + (item.message ? "ping " + std::to_string(std::get<Ping>(*item.message).nonce) : "gone") +
                     (item.on_heartbeat_channel ? ", published" : ""));
    }
    return told;
  }
};
bool Readable(Link& link) {
  std::vector<PollItem> items;
  link.AppendPollItems(items);
  EXPECT_THAT(items, SizeIs(1));
  pollfd item{items.at(0).fd, POLLIN, 0};
  return poll(&item, 1, 0) == 1;
}

TEST(LocalLinkTest, CarriesEverythingInOrderBothWays) {
  Hub hub;
  const auto link = hub.hub->Connect();
  EXPECT_TRUE(Readable(*link));
  EXPECT_THAT(Told(*link), ElementsAre("up"));
  EXPECT_FALSE(Readable(*link));
  link->Send(Ping{1});
  link->Publish(Ping{2});
  link->Send(Ping{3});
  EXPECT_THAT(hub.Told(), ElementsAre("0: ping 1", "0: ping 2, published", "0: ping 3"));
  EXPECT_TRUE(IsLocal(hub.peers[0]));
  EXPECT_TRUE(hub.hub->Send(hub.peers[0], Ping{4}));
  hub.hub->Broadcast(Ping{5});
  EXPECT_TRUE(hub.hub->Send(hub.peers[0], Ping{6}));
  EXPECT_TRUE(Readable(*link));
  EXPECT_THAT(Told(*link), ElementsAre("ping 4", "ping 5, published", "ping 6"));
  EXPECT_THAT(Told(*link), IsEmpty());
}

TEST(LocalLinkTest, EachLinkHearsItsOwnAndAllHearABroadcast) {
  Hub hub;
  const auto one = hub.hub->Connect();
  const auto two = hub.hub->Connect();
  one->Send(Ping{1});
  two->Send(Ping{2});
  EXPECT_THAT(hub.Told(), ElementsAre("0: ping 1", "1: ping 2"));
  hub.hub->Send(hub.peers[1], Ping{3});
  hub.hub->Broadcast(Ping{4});
  EXPECT_THAT(Told(*one), ElementsAre("up", "ping 4, published"));
  EXPECT_THAT(Told(*two), ElementsAre("up", "ping 3", "ping 4, published"));
}

TEST(LocalLinkTest, ALinkThatLeavesIsGoneOnceAfterItsLastMessage) {
  for (const bool closes : {true, false}) {
    Hub hub;
    auto link = hub.hub->Connect();
    link->Send(Ping{1});
    link->Send(Ping{2});
    if (closes) link->Close(std::chrono::seconds(1));
    link.reset();
    EXPECT_THAT(hub.Told(), ElementsAre("0: ping 1", "0: ping 2", "0: gone"));
    EXPECT_FALSE(hub.hub->Send(hub.peers[0], Ping{3}));
  }
}

TEST(LocalLinkTest, AfterAReconnectItIsSomeoneNew) {
  Hub hub;
  const auto link = hub.hub->Connect();
  link->Send(Ping{1});
  link->Reconnect();
  link->Send(Ping{2});
  EXPECT_THAT(hub.Told(), ElementsAre("0: ping 1", "0: gone", "1: ping 2"));
  EXPECT_FALSE(hub.hub->Send(hub.peers[0], Ping{3}));
  EXPECT_TRUE(hub.hub->Send(hub.peers[1], Ping{4}));
  EXPECT_THAT(Told(*link), ElementsAre("up", "up", "ping 4"));
}

TEST(LocalLinkTest, WhoIsDisconnectedIsToldOnceAndHeardNoMore) {
  Hub hub;
  const auto link = hub.hub->Connect();
  link->Send(Ping{1});
  EXPECT_THAT(hub.Told(), ElementsAre("0: ping 1"));
  hub.hub->Disconnect(hub.peers[0]);
  hub.hub->Disconnect(hub.peers[0]);
  EXPECT_FALSE(hub.hub->Send(hub.peers[0], Ping{2}));
  hub.hub->Broadcast(Ping{3});
  EXPECT_THAT(Told(*link), ElementsAre("up", "down: the broker closed the connection"));
  link->Send(Ping{4});
  link->Publish(Ping{5});
  EXPECT_THAT(hub.Told(), IsEmpty());
  link->Reconnect();
  link->Send(Ping{6});
  EXPECT_THAT(hub.Told(), ElementsAre("1: ping 6"));
  EXPECT_THAT(Told(*link), ElementsAre("up"));
}

TEST(LocalLinkTest, ALinkMayOutliveItsHubAndIsDownForGood) {
  Hub hub;
  const auto link = hub.hub->Connect();
  const auto closed = hub.hub->Connect();
  closed->Close({});
  Told(*link);
  Told(*closed);
  hub.hub.reset();
  EXPECT_TRUE(Readable(*link));
  EXPECT_THAT(Told(*link), ElementsAre("down: the broker in this process has ended"));
  EXPECT_THAT(Told(*closed), IsEmpty());
  link->Send(Ping{1});
  link->Publish(Ping{2});
  EXPECT_THAT(Told(*link), IsEmpty());
  link->Reconnect();
  EXPECT_THAT(Told(*link), ElementsAre("down: the broker in this process has ended"));
}

TEST(LocalLinkTest, ManyThreadsConnectTalkAndLeave) {
  constexpr int kThreads = 4;
  constexpr int kLinks = 50;
  Hub hub;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kLinks; ++i) {
        const auto link = hub.hub->Connect();
        link->Send(Ping{1});
        link->Reconnect();
        link->Send(Ping{2});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<LocalHub::Item> items;
  hub.hub->inbox().DrainInto(items);
  std::map<PeerId, int> said;
  std::set<PeerId> gone;
  for (const LocalHub::Item& item : items) {
    EXPECT_FALSE(gone.contains(item.peer));
    if (item.message) {
      ++said[item.peer];
    } else {
      gone.insert(item.peer);
    }
  }
  EXPECT_THAT(gone, SizeIs(2 * kThreads * kLinks));
  EXPECT_THAT(said, SizeIs(2 * kThreads * kLinks));
  for (const auto& [peer, count] : said) EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace millrace::net
