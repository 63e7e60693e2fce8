// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/pubsub.h"

#include <cstring>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/net/socket.h"

namespace millrace::net {
namespace {

enum class End { kBind, kConnect };

constexpr int kReconnectMs = 200;
constexpr int kLongestReconnectMs = 10'000;
constexpr int kConnectTimeoutMs = 5000;

absl::Status Attach(SocketContext& context, zmq::socket_t& socket, End end, Endpoint& endpoint,
                    const PubSubOptions& options) {
  if (end == End::kConnect) {
    socket.set(zmq::sockopt::immediate, true);
    socket.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
    socket.set(zmq::sockopt::reconnect_ivl_max, kLongestReconnectMs);
    socket.set(zmq::sockopt::connect_timeout, kConnectTimeoutMs);
    return ConnectSocket(socket, endpoint, context.keys(), options.insecure_allow_plaintext_on);
  }
  MILLRACE_ASSIGN_OR_RETURN(endpoint,
                            BindSocket(socket, endpoint, context.keys(), options.insecure_allow_plaintext_on));
  return absl::OkStatus();
}

CommonOptions Common(const PubSubOptions& options) {
  return {.send_high_water = options.high_water,
          .receive_high_water = options.high_water,
          .max_message_bytes = options.max_message_bytes,
          .linger_ms = 0,
          .zap_domain = kSideDomain};
}

}  // namespace

struct Publisher::State {
  zmq::socket_t socket;
  Endpoint endpoint;

  static absl::StatusOr<std::unique_ptr<State>> Make(SocketContext& context, End end, const Endpoint& endpoint,
                                                     const PubSubOptions& options) {
    auto state = std::make_unique<State>();
    state->endpoint = endpoint;
    MILLRACE_ASSIGN_OR_RETURN(state->socket, MakeSocket(context, zmq::socket_type::pub, Common(options)));
    MILLRACE_RETURN_IF_ERROR(Attach(context, state->socket, end, state->endpoint, options));
    return state;
  }
};

Publisher::Publisher(std::unique_ptr<State> state) : state_(std::move(state)) {}
Publisher::~Publisher() = default;

absl::StatusOr<std::unique_ptr<Publisher>> Publisher::Bind(SocketContext& context, const Endpoint& endpoint,
                                                           PubSubOptions options) {
  MILLRACE_ASSIGN_OR_RETURN(auto state, State::Make(context, End::kBind, endpoint, options));
  return std::unique_ptr<Publisher>(new Publisher(std::move(state)));
}

absl::StatusOr<std::unique_ptr<Publisher>> Publisher::Connect(SocketContext& context, const Endpoint& endpoint,
                                                              PubSubOptions options) {
  MILLRACE_ASSIGN_OR_RETURN(auto state, State::Make(context, End::kConnect, endpoint, options));
  return std::unique_ptr<Publisher>(new Publisher(std::move(state)));
}

void Publisher::Publish(Topic topic, std::string_view payload) {
  zmq::message_t frame(1 + payload.size());
  *frame.data<char>() = topic;
  if (!payload.empty()) std::memcpy(frame.data<char>() + 1, payload.data(), payload.size());
  SendFrame(state_->socket, frame, false);
}

const Endpoint& Publisher::endpoint() const { return state_->endpoint; }

struct Subscriber::State {
  zmq::socket_t socket;
  Endpoint endpoint;
  zmq::message_t frame;
  std::uint64_t malformed = 0;

  static absl::StatusOr<std::unique_ptr<State>> Make(SocketContext& context, End end, const Endpoint& endpoint,
                                                     std::string_view topics, const PubSubOptions& options) {
    auto state = std::make_unique<State>();
    state->endpoint = endpoint;
    MILLRACE_ASSIGN_OR_RETURN(state->socket, MakeSocket(context, zmq::socket_type::sub, Common(options)));
    for (const Topic topic : topics) state->socket.set(zmq::sockopt::subscribe, std::string(1, topic));
    MILLRACE_RETURN_IF_ERROR(Attach(context, state->socket, end, state->endpoint, options));
    return state;
  }
};

Subscriber::Subscriber(std::unique_ptr<State> state) : state_(std::move(state)) {}
Subscriber::~Subscriber() = default;

absl::StatusOr<std::unique_ptr<Subscriber>> Subscriber::Bind(SocketContext& context, const Endpoint& endpoint,
                                                             std::string_view topics, PubSubOptions options) {
  MILLRACE_ASSIGN_OR_RETURN(auto state, State::Make(context, End::kBind, endpoint, topics, options));
  return std::unique_ptr<Subscriber>(new Subscriber(std::move(state)));
}

absl::StatusOr<std::unique_ptr<Subscriber>> Subscriber::Connect(SocketContext& context, const Endpoint& endpoint,
                                                                std::string_view topics, PubSubOptions options) {
  MILLRACE_ASSIGN_OR_RETURN(auto state, State::Make(context, End::kConnect, endpoint, topics, options));
  return std::unique_ptr<Subscriber>(new Subscriber(std::move(state)));
}

std::size_t Subscriber::Receive(std::size_t max, std::vector<Published>& out) {
  State& s = *state_;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < max; ++i) {
    if (ReceiveFrame(s.socket, s.frame) != FrameResult::kDone) return taken;
    if (s.frame.more() || s.frame.size() == 0) {
      DropRest(s.socket, s.frame);
      ++s.malformed;
      continue;
    }
    const Topic topic = *s.frame.data<char>();
    std::string user = UserOf(s.frame);
    const Bytes whole = BytesOf(std::move(s.frame));
    out.push_back({topic, whole.Slice(1, whole.size() - 1), std::move(user)});
    ++taken;
  }
  return taken;
}

std::uint64_t Subscriber::malformed() const { return state_->malformed; }
const Endpoint& Subscriber::endpoint() const { return state_->endpoint; }
void* Subscriber::native() { return state_->socket.handle(); }

}  // namespace millrace::net
