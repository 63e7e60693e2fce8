// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/net/sanitizer.h"

namespace millrace::net {
namespace {

constexpr int kHandshakeMs = 5000;           // an unfinished connection costs a descriptor that long
constexpr int kBacklog = 4096;               // the default of 100 makes thousands of workers wait for lost SYNs
constexpr int kHeartbeatMs = 30'000;         // ZMTP's own: a last resort against half-open connections, never liveness;
constexpr int kHeartbeatTimeoutMs = 60'000;  // short ones kill healthy peers in the middle of a big frame
constexpr int kRetransmitMs = 60'000;
constexpr int kBindPauseMs = 50;
constexpr int kZapEnforceDomain = 93;  // ZMQ_ZAP_ENFORCE_DOMAIN, which headers name only to who asks for drafts

using Owner = std::shared_ptr<const void>;

// Runs on ZeroMQ's thread.
void DropOwner(void* /*data*/, void* hint) {
  AfterTakeOver();
  delete static_cast<Owner*>(hint);
}

// ZeroMQ unlinks a socket's file before it binds there, and so would take a living broker's place in silence.
bool SomeoneListensOn(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  // "@name" is an abstract address, whose first byte is zero and whose length counts.
  if (path.front() == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1));
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const bool listens = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0 || errno == EAGAIN;
  ::close(fd);
  return listens;
}

// Else ZeroMQ admits every key while nobody listens where it asks (zap.h). A build that does not know the option goes
// on without it: serve/gate.h tries whether a stranger gets in, whatever the build.
void RefuseWithoutDoorkeeper(zmq::socket_t& socket) {
  const int on = 1;
  static_cast<void>(zmq_setsockopt(socket.handle(), kZapEnforceDomain, &on, sizeof on));
}

int BindOnce(zmq::socket_t& socket, const Endpoint& endpoint) {
  if (endpoint.transport == Transport::kIpc && SomeoneListensOn(endpoint.path)) return EADDRINUSE;
  return zmq_bind(socket.handle(), endpoint.ToString().c_str()) == 0 ? 0 : zmq_errno();
}

absl::StatusOr<Endpoint> BoundEndpoint(zmq::socket_t& socket, const Endpoint& asked) {
  if (asked.transport != Transport::kTcp) return asked;
  MILLRACE_ASSIGN_OR_RETURN(Endpoint bound, ParseEndpoint(socket.get(zmq::sockopt::last_endpoint)));
  const bool every = asked.host == "*" || asked.host == "0.0.0.0" || asked.host == "::";
  if (!every && bound.host != asked.host) {
    MILLRACE_ASSIGN_OR_RETURN(const bool loopback, IsLoopback(bound));
    MILLRACE_ASSIGN_OR_RETURN(const bool meant, IsLoopback(asked));
    if (loopback != meant) return Internal("bound %s when asked for %s", bound.ToString(), asked.ToString());
  }
  return bound;
}

void SetAddressFamily(zmq::socket_t& socket, const Endpoint& pinned) {
  bool v6 = pinned.host.find(':') != std::string::npos;
  if (!v6 && pinned.transport == Transport::kTcp && pinned.host != "*") {
    const auto literals = ResolveHost(pinned.host);
    v6 = literals.ok() && literals->front().find(':') != std::string::npos;
  }
  socket.set(zmq::sockopt::ipv6, v6);
}

}  // namespace

absl::Status ZmqStatus(int error, std::string_view what) {
  if (error < ZMQ_HAUSNUMERO) return ErrnoStatus(error, what);
  return Unavailable("%s: %s", what, zmq_strerror(error));
}

absl::StatusOr<zmq::socket_t> MakeSocket(SocketContext& context, zmq::socket_type type, const CommonOptions& options) {
  try {
    zmq::socket_t socket(context.native(), type);
    socket.set(zmq::sockopt::sndhwm, options.send_high_water);
    socket.set(zmq::sockopt::rcvhwm, options.receive_high_water);
    socket.set(zmq::sockopt::maxmsgsize, options.max_message_bytes);
    socket.set(zmq::sockopt::linger, options.linger_ms);
    socket.set(zmq::sockopt::backlog, kBacklog);
    socket.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
    socket.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
    socket.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
    socket.set(zmq::sockopt::tcp_keepalive, 1);
    socket.set(zmq::sockopt::tcp_keepalive_idle, 30);
    socket.set(zmq::sockopt::tcp_keepalive_intvl, 10);
    socket.set(zmq::sockopt::tcp_keepalive_cnt, 3);
    socket.set(zmq::sockopt::tcp_maxrt, kRetransmitMs);
    // Never empty, so that ZMTP 1.0 and 2.0 are refused: else a web page's POST arrives as frames.
    socket.set(zmq::sockopt::zap_domain, std::string(options.zap_domain));
    return socket;
  } catch (const zmq::error_t& error) {
    return ZmqStatus(error.num(), "making a socket");
  }
}

absl::StatusOr<Endpoint> BindSocket(zmq::socket_t& socket, const Endpoint& endpoint,
                                    const std::optional<SocketKeys>& keys, std::string_view insecure_allow_plaintext_on,
                                    std::chrono::milliseconds patience) {
  if (!keys) MILLRACE_RETURN_IF_ERROR(CheckPlaintextAllowed(endpoint, insecure_allow_plaintext_on, true));
  MILLRACE_ASSIGN_OR_RETURN(const Endpoint pinned, PinAddress(endpoint, true));
  const auto deadline = std::chrono::steady_clock::now() + patience;
  try {
    if (keys) {
      socket.set(zmq::sockopt::curve_server, true);
      socket.set(zmq::sockopt::curve_secretkey, keys->own.secret_key);
      RefuseWithoutDoorkeeper(socket);
    }
    // Of a connection's two ends the one that dialled looks after it: each heartbeat here has a timer, and to cancel
    // one ZeroMQ looks through all of them, which with thousands of peers is most of what they cost. A peer that is
    // half gone is found by TCP's own keepalive and by leases.
    socket.set(zmq::sockopt::heartbeat_ivl, 0);
    SetAddressFamily(socket, pinned);
    int error = BindOnce(socket, pinned);
    while (error == EADDRINUSE && std::chrono::steady_clock::now() < deadline) {
      ::poll(nullptr, 0, kBindPauseMs);
      error = BindOnce(socket, pinned);
    }
    if (error != 0) return ZmqStatus(error, "binding " + endpoint.ToString());
    return BoundEndpoint(socket, pinned);
  } catch (const zmq::error_t& error) {
    return ZmqStatus(error.num(), "binding " + endpoint.ToString());
  }
}

absl::Status ConnectSocket(zmq::socket_t& socket, const Endpoint& endpoint, const std::optional<SocketKeys>& keys,
                           std::string_view insecure_allow_plaintext_on) {
  if (!keys) MILLRACE_RETURN_IF_ERROR(CheckPlaintextAllowed(endpoint, insecure_allow_plaintext_on, false));
  MILLRACE_ASSIGN_OR_RETURN(const Endpoint pinned, PinAddress(endpoint, false));
  if (pinned.transport == Transport::kTcp && (pinned.port == 0 || pinned.host == "*")) {
    return InvalidArgument("%s cannot be connected to: it names no single host and port", pinned.ToString());
  }
  try {
    if (keys) {
      socket.set(zmq::sockopt::curve_serverkey, keys->broker);
      socket.set(zmq::sockopt::curve_publickey, keys->own.public_key);
      socket.set(zmq::sockopt::curve_secretkey, keys->own.secret_key);
    }
    SetAddressFamily(socket, pinned);
    socket.connect(pinned.ToString());
  } catch (const zmq::error_t& error) {
    return ZmqStatus(error.num(), "connecting to " + endpoint.ToString());
  }
  return absl::OkStatus();
}

FrameResult SendFrame(zmq::socket_t& socket, zmq::message_t& frame, bool more) {
  BeforeHandOver();
  while (zmq_msg_send(frame.handle(), socket.handle(), ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) < 0) {
    switch (zmq_errno()) {
      case EINTR: continue;
      case EAGAIN: return FrameResult::kWouldBlock;
      case EHOSTUNREACH: return FrameResult::kUnroutable;
      default: return FrameResult::kFailed;
    }
  }
  return FrameResult::kDone;
}

FrameResult ReceiveFrame(zmq::socket_t& socket, zmq::message_t& frame) {
  while (zmq_msg_recv(frame.handle(), socket.handle(), ZMQ_DONTWAIT) < 0) {
    if (zmq_errno() == EINTR) continue;
    return zmq_errno() == EAGAIN ? FrameResult::kWouldBlock : FrameResult::kFailed;
  }
  AfterTakeOver();
  return FrameResult::kDone;
}

std::size_t DropRest(zmq::socket_t& socket, zmq::message_t& frame) {
  std::size_t dropped = 0;
  while (frame.more() && ReceiveFrame(socket, frame) == FrameResult::kDone) ++dropped;
  return dropped;
}

std::string UserOf(zmq::message_t& payload) {
  const char* const user = zmq_msg_gets(payload.handle(), "User-Id");
  return user == nullptr ? "" : user;
}

zmq::message_t FrameOf(const Bytes& payload) {
  if (payload.size() < kZeroCopySendBytes || payload.owner() == nullptr) {
    return {payload.data(), payload.size()};
  }
  // ZeroMQ only reads what it sends; its interface predates const.
  return {const_cast<char*>(payload.data()), payload.size(), &DropOwner, new Owner(payload.owner())};
}

Bytes BytesOf(zmq::message_t&& frame) {
  if (frame.size() < kZeroCopyReceiveBytes) return Bytes(std::string(frame.data<char>(), frame.size()));
  auto owner = std::make_shared<zmq::message_t>(std::move(frame));
  const std::string_view view(owner->data<char>(), owner->size());
  return {std::move(owner), view};
}

}  // namespace millrace::net
