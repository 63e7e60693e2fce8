// SPDX-License-Identifier: Apache-2.0
// How the end of a connection is found. The monitor tells which descriptor closed, and each peer's descriptor is known
// from its first message; but descriptors are used again, so this is a hint only: the peer is sent the probe, and is
// gone when ZeroMQ calls it unroutable. The hint may come before ZeroMQ's own bookkeeping, so a probe that was taken is
// repeated for a short while before the hint is believed to be about someone else. A peer that is gone is announced
// when everything it had sent has been received.
#include "millrace/net/router.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "millrace/base/status.h"
#include "millrace/net/disconnects.h"
#include "millrace/net/monitor.h"
#include "millrace/net/socket.h"

namespace millrace::net {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kFirstProbeAgain = std::chrono::milliseconds(1);
constexpr auto kLongestProbePause = std::chrono::milliseconds(256);  // 1, 4, 16, 64 ms before it
constexpr auto kShortestRetry = std::chrono::milliseconds(1);
constexpr auto kLongestRetry = std::chrono::milliseconds(64);
constexpr std::size_t kMessageOverhead = 64;  // so that a backlog of empty messages is bounded as well
constexpr auto kLongestFarewell = std::chrono::seconds(1);
constexpr auto kFarewellPause = std::chrono::milliseconds(10);
// A routing id that ended is remembered, so that a straggler among its messages does not pass for a new peer.
constexpr std::size_t kTombstones = 4096;

// ZeroMQ's own routing ids are a zero byte and a 32-bit number.
constexpr std::size_t kRoutingIdBytes = 5;
using RoutingId = std::uint32_t;

std::optional<RoutingId> RoutingIdOf(zmq::message_t& frame) {
  if (frame.size() != kRoutingIdBytes || *frame.data<char>() != 0) return std::nullopt;
  RoutingId id = 0;
  std::memcpy(&id, frame.data<char>() + 1, sizeof(id));
  return id;
}

zmq::message_t FrameOf(RoutingId id) {
  std::array<char, kRoutingIdBytes> bytes{};
  std::memcpy(bytes.data() + 1, &id, sizeof(id));
  return {bytes.data(), bytes.size()};
}

// What did not fit into ZeroMQ's queue. A ROUTER cannot tell when one peer takes messages again, so it is tried.
struct Backlog {
  std::deque<Bytes> waiting;
  std::size_t bytes = 0;
  Clock::time_point next;
  std::chrono::milliseconds pause{kShortestRetry};
};

struct Peer {
  PeerId id;
  std::string user;                  // the public key that it has proved to have
  int descriptor = -1;               // -1: inproc
  std::unique_ptr<Backlog> backlog;  // null: empty
  bool ignored = false;
  bool closing = false;  // unroutable, not announced yet
  bool gone = false;     // announced
};

struct Hint {
  RoutingId routing = 0;
  Clock::time_point next;
  std::chrono::milliseconds pause{kFirstProbeAgain};
};

struct Farewell {
  RoutingId routing = 0;
  Clock::time_point since;
};

}  // namespace

struct Router::State {
  RouterOptions options;
  zmq::socket_t socket;
  Disconnects disconnects;
  SocketMonitor monitor;  // after what its thread uses: it is stopped first
  Endpoint endpoint;
  RouterCounters counters;

  std::uint64_t next_peer = 1;
  absl::flat_hash_map<RoutingId, Peer> peers;
  absl::flat_hash_map<PeerId, RoutingId> routing_of;
  absl::flat_hash_map<int, RoutingId> by_descriptor;
  // Descriptors whose end was told and that no new peer has taken since: a first message may be read after the news
  // that its sender has left.
  absl::flat_hash_set<int> closed;
  std::vector<Hint> suspects;
  std::vector<Farewell> farewells;
  absl::flat_hash_set<RoutingId> backlogged;
  std::deque<RoutingId> tombstones;
  std::vector<PeerId> malformed;
  zmq::message_t id_frame;
  zmq::message_t payload_frame;

  Peer& Meet(RoutingId routing);
  void Suspect(RoutingId routing);
  void Close(RoutingId routing, Peer& peer);
  SendResult SendTo(RoutingId routing, const Bytes& payload);
  SendResult Queue(RoutingId routing, Peer& peer, const Bytes& payload);
  void DropBacklog(RoutingId routing, Peer& peer);
  void Flush(Clock::time_point now);
  void FlushPeer(RoutingId routing, Peer& peer, Clock::time_point now);
  Clock::time_point NextWake(Clock::time_point now) const;
  void Probe(Clock::time_point now);
  void Announce(Clock::time_point now, std::vector<PeerId>& gone);
  void Bury(RoutingId routing, Peer& peer);
};

Peer& Router::State::Meet(RoutingId routing) {
  const auto [entry, is_new] = peers.try_emplace(routing);
  Peer& peer = entry->second;
  if (!is_new) return peer;
  peer.id = PeerId{next_peer++};
  routing_of[peer.id] = routing;
  peer.user = net::UserOf(payload_frame);
  // From the payload, too: the first frame loses its properties in this version of ZeroMQ.
  peer.descriptor = zmq_msg_get(payload_frame.handle(), ZMQ_SRCFD);
  if (peer.descriptor < 0) return peer;
  const auto [owner, is_free] = by_descriptor.try_emplace(peer.descriptor, routing);
  if (!is_free) Suspect(std::exchange(owner->second, routing));
  if (closed.erase(peer.descriptor) > 0) Suspect(routing);
  return peer;
}

void Router::State::Suspect(RoutingId routing) {
  suspects.push_back({routing, Clock::now()});
  disconnects.WakeAfter(std::chrono::nanoseconds(1));
}

void Router::State::Close(RoutingId routing, Peer& peer) {
  if (peer.closing || peer.gone) return;
  peer.closing = true;
  DropBacklog(routing, peer);
  farewells.push_back({routing, Clock::now()});
  disconnects.WakeAfter(std::chrono::nanoseconds(1));
}

SendResult Router::State::SendTo(RoutingId routing, const Bytes& payload) {
  zmq::message_t id = FrameOf(routing);
  switch (SendFrame(socket, id, true)) {
    case FrameResult::kDone: break;
    case FrameResult::kUnroutable: return SendResult::kGone;
    case FrameResult::kWouldBlock:
    case FrameResult::kFailed: return SendResult::kStalled;
  }
  // The rest of a message is always taken once its first frame was.
  zmq::message_t frame = net::FrameOf(payload);
  return SendFrame(socket, frame, false) == FrameResult::kDone ? SendResult::kSent : SendResult::kGone;
}

SendResult Router::State::Queue(RoutingId routing, Peer& peer, const Bytes& payload) {
  const std::size_t bytes = payload.size() + kMessageOverhead;
  if (peer.backlog == nullptr) {
    peer.backlog = std::make_unique<Backlog>();
    peer.backlog->next = Clock::now() + kShortestRetry;
    backlogged.insert(routing);
    disconnects.WakeAfter(kShortestRetry);
  } else if (bytes > options.backlog_bytes || peer.backlog->bytes > options.backlog_bytes - bytes) {
    return SendResult::kStalled;
  }
  peer.backlog->waiting.push_back(payload);
  peer.backlog->bytes += bytes;
  ++counters.delayed;
  return SendResult::kSent;
}

void Router::State::DropBacklog(RoutingId routing, Peer& peer) {
  peer.backlog.reset();
  backlogged.erase(routing);
}

void Router::State::FlushPeer(RoutingId routing, Peer& peer, Clock::time_point now) {
  Backlog& backlog = *peer.backlog;
  if (backlog.next > now) return;
  bool moved = false;
  while (!backlog.waiting.empty()) {
    const SendResult result = SendTo(routing, backlog.waiting.front());
    if (result == SendResult::kGone) {
      Close(routing, peer);
      return;
    }
    if (result == SendResult::kStalled) {
      backlog.pause = moved ? kShortestRetry : std::min(backlog.pause * 2, kLongestRetry);
      backlog.next = now + backlog.pause;
      return;
    }
    moved = true;
    backlog.bytes -= backlog.waiting.front().size() + kMessageOverhead;
    backlog.waiting.pop_front();
  }
  DropBacklog(routing, peer);
}

void Router::State::Flush(Clock::time_point now) {
  // A copy: whoever has nothing left leaves the set.
  for (const RoutingId routing : std::vector<RoutingId>(backlogged.begin(), backlogged.end())) {
    FlushPeer(routing, peers.at(routing), now);
  }
}

Clock::time_point Router::State::NextWake(Clock::time_point now) const {
  Clock::time_point next = Clock::time_point::max();
  for (const Hint& suspect : suspects) next = std::min(next, suspect.next);
  for (const RoutingId routing : backlogged) next = std::min(next, peers.at(routing).backlog->next);
  if (!farewells.empty()) next = std::min<Clock::time_point>(next, now + kFarewellPause);
  return next;
}

void Router::State::Probe(Clock::time_point now) {
  std::vector<Hint> later;
  for (Hint& suspect : std::exchange(suspects, {})) {
    const auto entry = peers.find(suspect.routing);
    if (entry == peers.end() || entry->second.closing || entry->second.gone) continue;
    if (suspect.next <= now) {
      const SendResult result = SendTo(suspect.routing, options.probe);
      if (result == SendResult::kGone) {
        closed.erase(entry->second.descriptor);  // the news is spent
        Close(suspect.routing, entry->second);
        continue;
      }
      const bool last = suspect.pause >= kLongestProbePause;
      if (last && result == SendResult::kSent) continue;  // it was about another
      suspect.next = now + suspect.pause;
      if (!last) suspect.pause *= 4;
    }
    later.push_back(suspect);
  }
  suspects = std::move(later);
}

void Router::State::Bury(RoutingId routing, Peer& peer) {
  peer.gone = true;
  routing_of.erase(peer.id);
  const auto owner = by_descriptor.find(peer.descriptor);
  if (owner != by_descriptor.end() && owner->second == routing) by_descriptor.erase(owner);
  tombstones.push_back(routing);
  if (tombstones.size() > kTombstones) {
    peers.erase(tombstones.front());
    tombstones.pop_front();
  }
}

void Router::State::Announce(Clock::time_point now, std::vector<PeerId>& gone) {
  if (farewells.empty()) return;
  const bool all_received = (socket.get(zmq::sockopt::events) & ZMQ_POLLIN) == 0;
  std::vector<Farewell> later;
  for (const Farewell& farewell : std::exchange(farewells, {})) {
    Peer& peer = peers.at(farewell.routing);
    if (all_received || now - farewell.since > kLongestFarewell) {
      gone.push_back(peer.id);
      Bury(farewell.routing, peer);
    } else {
      later.push_back(farewell);
    }
  }
  farewells = std::move(later);
}

Router::Router(std::unique_ptr<State> state) : state_(std::move(state)) {}

Router::~Router() { state_->monitor.Stop(); }

absl::StatusOr<std::unique_ptr<Router>> Router::Bind(SocketContext& context, const Endpoint& endpoint,
                                                     RouterOptions options) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  MILLRACE_ASSIGN_OR_RETURN(state->socket, MakeSocket(context, zmq::socket_type::router,
                                                      {.send_high_water = state->options.send_high_water,
                                                       .receive_high_water = state->options.receive_high_water,
                                                       .max_message_bytes = state->options.max_message_bytes,
                                                       .linger_ms = static_cast<int>(state->options.linger.count()),
                                                       .zap_domain = state->options.zap_domain}));
  state->socket.set(zmq::sockopt::router_mandatory, true);
  MILLRACE_RETURN_IF_ERROR(state->disconnects.Open());
  MILLRACE_RETURN_IF_ERROR(state->monitor.Start(context, state->socket,
                                                ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                                    ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                                    ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
                                                [&disconnects = state->disconnects](const ConnectionChange& change) {
                                                  if (change.event == ZMQ_EVENT_DISCONNECTED) {
                                                    disconnects.Closed(change.value);
                                                  } else {
                                                    disconnects.HandshakeFailed();
                                                  }
                                                }));
  MILLRACE_ASSIGN_OR_RETURN(
      state->endpoint, BindSocket(state->socket, endpoint, context.keys(), state->options.insecure_allow_plaintext_on,
                                  state->options.bind_patience));
  return std::unique_ptr<Router>(new Router(std::move(state)));
}

const Endpoint& Router::endpoint() const { return state_->endpoint; }
void* Router::native() { return state_->socket.handle(); }
int Router::wake_fd() const { return state_->disconnects.fd(); }
std::size_t Router::peers() const { return state_->routing_of.size(); }

std::size_t Router::Receive(std::size_t max, std::vector<Received>& out) {
  State& s = *state_;
  std::size_t taken = 0;
  // Dropped messages count as well: a flood of them must not keep the caller here.
  for (std::size_t i = 0; i < max; ++i) {
    if (ReceiveFrame(s.socket, s.id_frame) != FrameResult::kDone) return taken;
    const std::optional<RoutingId> routing = RoutingIdOf(s.id_frame);
    if (!routing.has_value() || !s.id_frame.more() || ReceiveFrame(s.socket, s.payload_frame) != FrameResult::kDone) {
      DropRest(s.socket, s.id_frame);
      ++s.counters.unwanted;
      continue;
    }
    Peer& peer = s.Meet(*routing);
    if (s.payload_frame.more()) {
      DropRest(s.socket, s.payload_frame);
      ++s.counters.malformed;
      if (!peer.gone && !peer.ignored) s.malformed.push_back(peer.id);
      continue;
    }
    if (peer.gone || peer.ignored) {
      ++s.counters.unwanted;
      continue;
    }
    ++s.counters.received;
    ++taken;
    out.push_back({peer.id, BytesOf(std::move(s.payload_frame))});
  }
  return taken;
}

SendResult Router::Send(PeerId peer_id, const Bytes& payload) {
  State& s = *state_;
  const auto known = s.routing_of.find(peer_id);
  if (known == s.routing_of.end()) return SendResult::kGone;
  Peer& peer = s.peers.at(known->second);
  if (peer.closing || peer.ignored) return SendResult::kGone;
  SendResult result = peer.backlog == nullptr ? s.SendTo(known->second, payload) : SendResult::kStalled;
  if (result == SendResult::kStalled) result = s.Queue(known->second, peer, payload);
  switch (result) {
    case SendResult::kSent: ++s.counters.sent; break;
    case SendResult::kStalled: ++s.counters.stalled; break;
    case SendResult::kGone: s.Close(known->second, peer); break;
  }
  return result;
}

std::vector<PeerId> Router::TakeGone() {
  State& s = *state_;
  const auto now = Clock::now();
  for (const int descriptor : s.disconnects.Take()) {
    const auto owner = s.by_descriptor.find(descriptor);
    if (owner != s.by_descriptor.end()) s.suspects.push_back({owner->second, now});
    s.closed.insert(descriptor);
  }
  s.Flush(now);
  s.Probe(now);
  std::vector<PeerId> gone;
  s.Announce(now, gone);
  const Clock::time_point next = s.NextWake(now);
  if (next != Clock::time_point::max()) s.disconnects.WakeAfter(next - now);
  return gone;
}

std::vector<PeerId> Router::TakeMalformed() { return std::exchange(state_->malformed, {}); }

void Router::Ignore(PeerId peer) {
  const auto known = state_->routing_of.find(peer);
  if (known == state_->routing_of.end()) return;
  Peer& known_peer = state_->peers.at(known->second);
  known_peer.ignored = true;
  state_->DropBacklog(known->second, known_peer);
}

std::string Router::UserOf(PeerId peer) const {
  const auto known = state_->routing_of.find(peer);
  return known == state_->routing_of.end() ? "" : state_->peers.at(known->second).user;
}

RouterCounters Router::counters() const {
  RouterCounters counters = state_->counters;
  counters.failed_handshakes = state_->disconnects.failed_handshakes();
  return counters;
}

}  // namespace millrace::net
