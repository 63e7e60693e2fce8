// SPDX-License-Identifier: Apache-2.0
// Connections and what happens to what is sent over them. Both ends have an opinion of their own on whether a
// connection stands.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "millrace/wire/frame.h"
#include "tests/support/print.h"
#include "world.h"

namespace millrace::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

void World::Dial(Host& host) {
  if (host.link.valid()) Break(host.link, true, false, false);
  host.link = {};
  time_.After(plan_.latency, kNobody,
              [this, index = host.index, life = host.life, dial = ++host.dial] { TryConnect(index, life, dial); });
}

void World::TryConnect(std::uint32_t index, std::uint64_t life, std::uint64_t dial) {
  Host& host = *hosts_[index];
  if (host.life != life || host.dial != dial) return;
  Instant from{};
  if (broker_ == nullptr || time_.Holds(kBroker) || Cut(host.node(), kControl, kToBroker, from) ||
      Cut(host.node(), kControl, kToNode, from)) {
    time_.After(milliseconds(300), kNobody, [this, index, life, dial] { TryConnect(index, life, dial); });
    return;
  }
  const PeerId peer = Open(host.node(), life, static_cast<std::int32_t>(index), host.incarnation);
  host.link = peer;
  time_.After(Duration(0), host.node(), [this, index, life, peer] {
    Host& dialled = *hosts_[index];
    if (dialled.life == life && dialled.link == peer) StepWorker(dialled, agent::Connected{});
  });
}

PeerId World::Open(std::uint32_t node, std::uint64_t life, std::int32_t worker, Incarnation incarnation) {
  Link link;
  link.node = node;
  link.life = life;
  link.broker_life = broker_life_;
  link.worker = worker;
  link.incarnation = incarnation;
  links_.push_back(link);
  return PeerId{links_.size()};
}

void World::Break(PeerId peer, bool tell_broker, bool tell_node, bool proof) {
  Link& link = LinkOf(peer);
  if (tell_broker && link.broker_open) {
    time_.After(Latency(milliseconds(50)), kBroker, [this, peer, proof] {
      Link& gone = LinkOf(peer);
      if (!gone.broker_open || gone.broker_life != broker_life_ || broker_ == nullptr) return;
      gone.broker_open = false;
      if (trace_) Say(absl::StrFormat("  broker hears that %d is gone%s", peer.value, proof ? ", and dead" : ""));
      StepBroker(sched::PeerGone{.peer = peer, .process_dead = proof});
    });
  }
  const bool was_open = link.node_open;
  link.node_open = false;
  if (!tell_node || !was_open || link.node == kNobody) return;
  const std::uint32_t node = link.node;
  time_.After(Latency(milliseconds(50)), node, [this, peer, node] {
    const Link& gone = LinkOf(peer);
    if (IsClient(node)) {
      Client& client = clients_[node - kFirstClient];
      if (client.link == peer) client.link = {};
      return;
    }
    Host& host = *hosts_[node - kFirstWorker];
    if (host.life != gone.life || host.link != peer) return;
    host.link = {};
    StepWorker(host, agent::Disconnected{"broken"});
  });
}

bool World::Cut(std::uint32_t node, Channel channel, Direction direction, Instant& from) const {
  const Instant until = wires_[node].cut_until[channel][direction];
  if (until <= time_.now()) return false;
  from = until;
  return true;
}

Message World::ThroughCodec(const Message& message) {
  auto copy = wire::DecodeMessage(Bytes(wire::EncodeMessage(message)));
  if (!copy.ok() || !(*copy == message)) {
    Wrong("the codec changes " + testing::Print(message));
    return message;
  }
  return *std::move(copy);
}

void World::Ship(PeerId peer, Direction direction, const Message& message) {
  Link& link = LinkOf(peer);
  if (link.node == kNobody) {
    if (const auto* welcome = std::get_if<Welcome>(&message)) impostor_session_ = welcome->session;
    return;
  }
  if (direction == kToBroker ? !link.node_open : !link.broker_open) return;
  Instant from = time_.now();
  if (Cut(link.node, kControl, direction, from) && !wires_[link.node].holds) return;
  const bool faulty = Faulty();
  if (faulty && plan_.loss > 0 && net_.Chance(plan_.loss)) return;
  Duration delay = plan_.latency + Latency(plan_.latency);
  if (faulty && plan_.delay > 0 && net_.Chance(plan_.delay)) delay += Latency(seconds(3));
  Instant at = from + delay;
  Instant& last = link.last[direction];
  if (!faulty || plan_.reorder == 0 || !net_.Chance(plan_.reorder)) at = std::max(at, last);
  last = std::max(last, at);
  const std::uint32_t node = direction == kToBroker ? kBroker : link.node;
  Message sent = plan_.codec ? ThroughCodec(message) : message;
  if (faulty && plan_.duplicate > 0 && net_.Chance(plan_.duplicate)) {
    time_.At(at + Latency(seconds(2)), node,
             [this, peer, direction, copy = sent]() mutable { Deliver(peer, direction, std::move(copy)); });
  }
  time_.At(at, node,
           [this, peer, direction, copy = std::move(sent)]() mutable { Deliver(peer, direction, std::move(copy)); });
}

void World::Deliver(PeerId peer, Direction direction, Message message) {
  const Link& link = LinkOf(peer);
  if (direction == kToBroker) {
    if (!link.broker_open || link.broker_life != broker_life_) return;
    if (plan_.impostor > 0 && Faulty()) {
      if (const auto* report = std::get_if<Report>(&message); report != nullptr && net_.Chance(plan_.impostor)) {
        Impersonate(peer, *report);
      }
    }
    return HearAtBroker(peer, std::move(message), false);
  }
  if (!link.node_open) return;
  if (IsClient(link.node)) {
    Client& client = clients_[link.node - kFirstClient];
    if (client.link == peer) HearAtClient(client, message);
    return;
  }
  Host& host = *hosts_[link.node - kFirstWorker];
  if (host.life != link.life || host.link != peer) return;
  Mix(message.index() + link.node * 64 + 1);
  if (trace_) Say(absl::StrFormat("  %s hears %s", host.name, testing::Print(message)));
  if (const auto* recorded = std::get_if<Recorded>(&message)) {
    host.recorded = std::max(host.recorded, recorded->through);
  }
  StepWorker(host, agent::Heard{.message = std::move(message), .on_heartbeat_channel = false});
}

// Somebody else says the same: over another worker's or a client's connection, session and all, or as a worker in its
// own right. Nothing may come of it.
void World::Impersonate(PeerId peer, const Report& report) {
  impostor_speaks_ = true;
  if (net_.Chance(0.5)) {
    SpeakAsImpostor(report);
  } else {
    for (std::size_t i = links_.size(); i-- > 0;) {
      if (!links_[i].broker_open || links_[i].broker_life != broker_life_ || links_[i].node == kNobody) continue;
      if (links_[i].incarnation == LinkOf(peer).incarnation) continue;
      impostor_ = &report;
      if (net_.Chance(0.3)) {
        HearAtBroker(PeerId{i + 1}, Goodbye{.session = report.session, .reason = "impostor"}, false);
      } else {
        HearAtBroker(PeerId{i + 1}, report, false);
      }
      break;
    }
  }
  impostor_ = nullptr;
  impostor_speaks_ = false;
}

// A worker of its own says what another one may say, or only a client.
void World::SpeakAsImpostor(const Report& report) {
  Hello hello;
  hello.name = "impostor" + std::to_string(links_.size());
  hello.incarnation = {links_.size() + (std::uint64_t{1} << 32)};
  const PeerId own = Open(kNobody, 0, -1, {});
  HearAtBroker(own, hello, false);
  const std::uint32_t what = net_.Below(6);
  if (what == 0 && !oracle_.tip().runs().empty()) {
    struct Command command;
    command.run = oracle_.tip().runs().begin()->first;
    return HearAtBroker(own, command, false);
  }
  if (what == 1) {
    Submit submit;
    submit.token = 7;
    submit.job = plan_.runs[0].job;
    return HearAtBroker(own, submit, false);
  }
  if (what == 2) {  // news, but for whose it is
    Beat beat;
    beat.session = report.session;
    beat.incarnation = hello.incarnation;
    beat.number = std::uint64_t{1} << 50;
    return HearAtBroker({}, beat, true);
  }
  Report copy = report;
  copy.session = impostor_session_;
  copy.first_number = 1;
  impostor_ = &report;
  HearAtBroker(own, copy, false);
}

void World::ShipBeat(std::uint32_t node, Direction direction, const Message& message) {
  Instant from{};
  if (Cut(node, kHeartbeat, direction, from)) return;
  if (Faulty() && plan_.beat_loss > 0 && net_.Chance(plan_.beat_loss)) return;
  Duration delay = plan_.latency + Latency(plan_.latency);
  if (Faulty() && plan_.delay > 0 && net_.Chance(plan_.delay)) delay += Latency(seconds(3));
  Message sent = plan_.codec ? ThroughCodec(message) : message;
  if (direction == kToBroker && Faulty() && plan_.duplicate > 0 && net_.Chance(plan_.duplicate)) {
    time_.After(delay + Latency(seconds(20)), kBroker,
                [this, copy = sent]() mutable { HearAtBroker({}, std::move(copy), true); });
  }
  if (direction == kToBroker) {
    time_.After(delay, kBroker, [this, copy = std::move(sent)]() mutable { HearAtBroker({}, std::move(copy), true); });
    return;
  }
  time_.After(delay, node, [this, node, copy = std::move(sent)]() mutable {
    StepWorker(*hosts_[node - kFirstWorker], agent::Heard{.message = std::move(copy), .on_heartbeat_channel = true});
  });
}

}  // namespace millrace::sim
