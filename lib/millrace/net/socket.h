// SPDX-License-Identifier: Apache-2.0
// What all sockets here share; internal to net, and the only header that includes cppzmq.
//
// Everything is non-blocking, and errors of ZeroMQ become statuses here. A thread sanitizer does not see libzmq's own
// synchronisation, so each hand-over to and from it is annotated.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <zmq.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/net/context.h"
#include "millrace/net/endpoint.h"
#include "millrace/net/zap.h"

namespace millrace::net {

// Smaller payloads are copied: on sending it is cheaper than a reference, and on receiving a small message would pin
// the whole buffer it was read into.
inline constexpr std::size_t kZeroCopySendBytes = 4096;
inline constexpr std::size_t kZeroCopyReceiveBytes = 8192;

enum class FrameResult { kDone, kWouldBlock, kUnroutable, kFailed };

absl::Status ZmqStatus(int error, std::string_view what);

// A socket with what holds for all of them: linger, limits, ZMTP heartbeats, TCP keepalive, ZAP domain.
struct CommonOptions {
  int send_high_water = 1000;
  int receive_high_water = 1000;
  std::int64_t max_message_bytes = 0;
  int linger_ms = 0;
  std::string_view zap_domain = kControlDomain;
};
absl::StatusOr<zmq::socket_t> MakeSocket(SocketContext& context, zmq::socket_type type, const CommonOptions& options);

// With keys the socket speaks CURVE and nothing else. Judges the address without, binds (trying again while it is in
// use: closing a socket takes effect later than its return), and returns the address it really got.
absl::StatusOr<Endpoint> BindSocket(zmq::socket_t& socket, const Endpoint& endpoint,
                                    const std::optional<SocketKeys>& keys, std::string_view insecure_allow_plaintext_on,
                                    std::chrono::milliseconds patience = std::chrono::seconds(5));
absl::Status ConnectSocket(zmq::socket_t& socket, const Endpoint& endpoint, const std::optional<SocketKeys>& keys,
                           std::string_view insecure_allow_plaintext_on);

FrameResult SendFrame(zmq::socket_t& socket, zmq::message_t& frame, bool more);
FrameResult ReceiveFrame(zmq::socket_t& socket, zmq::message_t& frame);
// Throws away what is left of a message whose last received frame is `frame`; returns how many frames that was.
std::size_t DropRest(zmq::socket_t& socket, zmq::message_t& frame);

// The public key that ZAP has admitted the sender by; "" without keys. Of a payload: the first frame of a ROUTER loses
// its properties in this version of ZeroMQ.
std::string UserOf(zmq::message_t& payload);

zmq::message_t FrameOf(const Bytes& payload);
Bytes BytesOf(zmq::message_t&& frame);

}  // namespace millrace::net
