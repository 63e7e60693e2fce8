// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/dealer.h"

#include <optional>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/net/mailbox.h"
#include "millrace/net/monitor.h"
#include "millrace/net/socket.h"

namespace millrace::net {
namespace {

constexpr int kReconnectMs = 200;
constexpr int kLongestReconnectMs = 10'000;
constexpr int kConnectTimeoutMs = 5000;
constexpr int kWatched = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                         ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
// A broker that accepts and drops us makes events for ever; an owner that does not look needs only the first ones.
constexpr std::size_t kMostEvents = 1000;

std::string ProtocolFailure(std::int32_t code) {
  if (code == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
    return "one side uses keys and the other does not (a broker with keys takes `--key FILE`, which `zmqctl keys add` "
           "makes, or `--join TOKEN` of a worker)";
  }
  if (code == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC) return "the broker's public key is another than the one given";
  return absl::StrFormat("the other side does not speak ZMTP 3 as expected (code 0x%x)", code);
}

// Makes one event of each turn of a connection; lives in the monitor's thread. ZeroMQ may report a failed handshake
// with or without a reason before the disconnection, or say nothing but that it ended.
class ConnectionStory {
 public:
  ConnectionStory(bool keyed, bool was_connected) : keyed_(keyed), was_connected_(was_connected) {}

  std::optional<ConnectionEvent> Next(const ConnectionChange& change) {
    using Kind = ConnectionEvent::Kind;
    switch (change.event) {
      case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        state_ = State::kConnected;
        was_connected_ = true;
        return ConnectionEvent{Kind::kConnected, ""};
      case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return Failed(
            absl::StrFormat("the connection ended in the handshake: %s%s", zmq_strerror(change.value),
                            keyed_ ? "; is our file of another broker, or of its key before a rotation?" : ""));
      case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        // Rubbish on the wire may look like this, too, so it is final only before anything else.
        return Failed(ProtocolFailure(change.value),
                      change.value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH && !was_connected_);
      case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return Failed(absl::StrFormat("the broker refused our key (status %d): it is unknown there or revoked; see "
                                      "`zmqctl keys list` on the broker's machine",
                                      change.value),
                      true);
      default: break;
    }
    const State before = std::exchange(state_, State::kConnecting);
    if (before == State::kConnected) return ConnectionEvent{Kind::kDisconnected, "the connection ended"};
    if (before == State::kFailed) return std::nullopt;  // told already
    return ConnectionEvent{Kind::kHandshakeFailed, "the other side closed the connection; is it the port of a broker?"};
  }

 private:
  enum class State { kConnecting, kConnected, kFailed };

  ConnectionEvent Failed(std::string reason, bool refused = false) {
    state_ = State::kFailed;
    return {ConnectionEvent::Kind::kHandshakeFailed, std::move(reason), refused};
  }

  bool keyed_;
  bool was_connected_;
  State state_ = State::kConnecting;
};

}  // namespace

struct Dealer::State {
  SocketContext& context;
  Endpoint endpoint;
  DealerOptions options;
  zmq::socket_t socket;
  Mailbox<ConnectionEvent> events;
  std::unique_ptr<SocketMonitor> monitor;
  DealerCounters counters;
  zmq::message_t frame;
  bool was_connected = false;  // as far as the owner has looked

  State(SocketContext& context_in, Endpoint endpoint_in, DealerOptions options_in)
      : context(context_in), endpoint(std::move(endpoint_in)), options(std::move(options_in)) {}

  void CloseSocket();
  absl::Status Open();
};

void Dealer::State::CloseSocket() {
  monitor.reset();  // joins its thread: no event of this socket comes after
  socket.close();
}

absl::Status Dealer::State::Open() {
  const std::optional<SocketKeys>& keys = options.keys ? options.keys : context.keys();
  MILLRACE_ASSIGN_OR_RETURN(socket, MakeSocket(context, zmq::socket_type::dealer,
                                               {.send_high_water = options.send_high_water,
                                                .receive_high_water = options.receive_high_water,
                                                .max_message_bytes = options.max_message_bytes,
                                                .linger_ms = 0}));
  socket.set(zmq::sockopt::immediate, true);
  socket.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
  socket.set(zmq::sockopt::reconnect_ivl_max, kLongestReconnectMs);
  socket.set(zmq::sockopt::connect_timeout, kConnectTimeoutMs);
  monitor = std::make_unique<SocketMonitor>();
  MILLRACE_RETURN_IF_ERROR(monitor->Start(
      context, socket, kWatched,
      [this, story = ConnectionStory(keys.has_value(), was_connected)](const ConnectionChange& change) mutable {
        if (auto event = story.Next(change)) events.TryPush(*std::move(event), kMostEvents);
      }));
  return ConnectSocket(socket, endpoint, keys, options.insecure_allow_plaintext_on);
}

Dealer::Dealer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Dealer::~Dealer() { state_->CloseSocket(); }

absl::StatusOr<std::unique_ptr<Dealer>> Dealer::Connect(SocketContext& context, const Endpoint& endpoint,
                                                        DealerOptions options) {
  std::unique_ptr<Dealer> dealer(new Dealer(std::make_unique<State>(context, endpoint, std::move(options))));
  MILLRACE_RETURN_IF_ERROR(dealer->state_->Open());
  return dealer;
}

std::size_t Dealer::Receive(std::size_t max, std::vector<Bytes>& out) {
  State& s = *state_;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < max; ++i) {
    if (ReceiveFrame(s.socket, s.frame) != FrameResult::kDone) return taken;
    if (s.frame.more()) {
      DropRest(s.socket, s.frame);
      ++s.counters.malformed;
      continue;
    }
    ++s.counters.received;
    ++taken;
    out.push_back(BytesOf(std::move(s.frame)));
  }
  return taken;
}

SendResult Dealer::Send(const Bytes& payload) {
  zmq::message_t frame = FrameOf(payload);
  if (SendFrame(state_->socket, frame, false) == FrameResult::kDone) {
    ++state_->counters.sent;
    return SendResult::kSent;
  }
  ++state_->counters.stalled;
  return SendResult::kStalled;
}

absl::Status Dealer::Reset() {
  state_->CloseSocket();
  std::vector<ConnectionEvent> stale;
  state_->events.DrainInto(stale);
  return state_->Open();
}

void Dealer::Close(std::chrono::milliseconds linger) {
  if (state_->socket.handle() == nullptr) return;
  state_->socket.set(zmq::sockopt::linger, static_cast<int>(linger.count()));
  state_->CloseSocket();
}

std::vector<ConnectionEvent> Dealer::TakeConnectionEvents() {
  std::vector<ConnectionEvent> taken;
  state_->events.DrainInto(taken);
  for (const ConnectionEvent& event : taken) {
    state_->was_connected |= event.kind == ConnectionEvent::Kind::kConnected;
  }
  return taken;
}

DealerCounters Dealer::counters() const { return state_->counters; }
void* Dealer::native() { return state_->socket.handle(); }
int Dealer::wake_fd() const { return state_->events.fd(); }

}  // namespace millrace::net
