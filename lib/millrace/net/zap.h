// SPDX-License-Identifier: Apache-2.0
// Who is let in: the socket at which ZeroMQ asks, for each connection to a socket with keys, whether its key is
// admitted (ZAP, ZeroMQ RFC 27). It is bound before any other socket and closed after all of them: while nobody listens
// there nobody gets in, or everybody, if this build of ZeroMQ cannot be told otherwise. While its owner is slow, new
// connections wait.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "millrace/net/context.h"

namespace millrace::net {

// The control channel, where a join token is admitted too, and the other planes, where it is not.
inline constexpr std::string_view kControlDomain = "millrace.control";
inline constexpr std::string_view kSideDomain = "millrace.side";

struct ZapRequest {
  std::string domain;
  std::string address;     // of the peer, without its port
  std::string public_key;  // Z85; "" when it came without one
};

class ZapSocket {
 public:
  // One in a context.
  static absl::StatusOr<std::unique_ptr<ZapSocket>> Bind(SocketContext& context);
  ~ZapSocket();
  ZapSocket(const ZapSocket&) = delete;
  ZapSocket& operator=(const ZapSocket&) = delete;

  // The next question, or false. Each must be answered before the next; what is none is refused here.
  bool Receive(ZapRequest& request);
  // Of the last request. `user` is what Router::UserOf gives for this peer.
  void Admit(std::string_view user);
  void Refuse();
  void* native();  // for PollItem::socket

 private:
  struct State;
  explicit ZapSocket(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A new pair from the system's entropy.
absl::StatusOr<keys::KeyPair> MakeKeyPair();
absl::StatusOr<keys::KeyPair> KeyPairOf(const std::string& secret_key);

}  // namespace millrace::net
