// SPDX-License-Identifier: Apache-2.0
// The broker's end of a plane: one ROUTER socket, one thread, many peers; nothing here blocks but Bind.
//
// A message is one frame: anything else is dropped and counted. A peer is known by a PeerId that is never used again: a
// peer that reconnects is a new one. Peers that give themselves a routing id, which Millrace's never do, are ignored:
// such an id could be another's.
//
// A message taken by Send may still be lost with its connection; nothing here promises more than "not refused". For a
// burst, and a peer that is slow for a while, messages wait in ZeroMQ's queue of `send_high_water` messages and then in
// a backlog of `backlog_bytes`, per peer and in order. When both are full Send says kStalled and has taken nothing: it
// is for the protocol above to repeat what mattered, or to give the peer up.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/base/ids.h"
#include "millrace/net/context.h"
#include "millrace/net/endpoint.h"
#include "millrace/net/zap.h"

namespace millrace::net {

// The largest frame: a bulk chunk, or a batch of control messages, and what belongs around it.
inline constexpr std::int64_t kMaxMessageBytes = (std::int64_t{4} << 20) + (std::int64_t{64} << 10);

struct RouterOptions {
  std::int64_t max_message_bytes = kMaxMessageBytes;  // a peer that sends more is disconnected, the others are not
  int send_high_water = 1000;                         // messages per peer
  std::size_t backlog_bytes = std::size_t{8} << 20;   // per peer, beyond them; an empty one takes any message
  int receive_high_water = 1000;
  std::chrono::milliseconds linger = std::chrono::seconds(1);         // what the destructor leaves for sending
  std::chrono::milliseconds bind_patience = std::chrono::seconds(5);  // while the address is still in use
  std::string insecure_allow_plaintext_on = {};
  std::string_view zap_domain = kControlDomain;  // who is admitted where: see zap.h
  // Sent to a peer whose connection seems to have ended, to find out: any message a peer understands and need not
  // answer.
  Bytes probe = {};
};

enum class SendResult {
  kSent,     // taken
  kStalled,  // the peer does not read, and all room is used; nothing was taken
  kGone,     // the connection ended; for a Router TakeGone says so too, once
};

struct Received {
  PeerId peer;
  Bytes payload;
};

struct RouterCounters {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::uint64_t delayed = 0;  // of those sent: went through a backlog
  std::uint64_t stalled = 0;
  std::uint64_t malformed = 0;          // messages that were not one frame
  std::uint64_t unwanted = 0;           // from peers that are ignored, named themselves, or are gone
  std::uint64_t failed_handshakes = 0;  // of those who spoke ZMTP 3, but not to the end
};

class Router {
 public:
  // Binds and returns only when the socket listens. `endpoint()` is the real one, also where port 0 was asked for.
  static absl::StatusOr<std::unique_ptr<Router>> Bind(SocketContext& context, const Endpoint& endpoint,
                                                      RouterOptions options = {});
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  const Endpoint& endpoint() const;

  // Appends up to `max` messages that are there, and returns how many. What is left makes the next poll return at once.
  // Large payloads are not copied.
  std::size_t Receive(std::size_t max, std::vector<Received>& out);
  // Large payloads are not copied; any thread may drop the last reference.
  SendResult Send(PeerId peer, const Bytes& payload);

  // Sends what waits in backlogs as far as it goes, and returns the peers whose connection has ended, each once and
  // after its last message (unless messages keep coming for a second). Call it when wake_fd() is readable and after
  // each Receive. The end of a tcp or ipc peer's process is seen within milliseconds; that of an inproc peer, or of a
  // machine that went silent, at a Send or by the heartbeats above.
  std::vector<PeerId> TakeGone();
  // Peers that sent a malformed message since the last call, once per message.
  std::vector<PeerId> TakeMalformed();
  // Drops everything that this peer sends from now on and what waits for it, and makes Send say kGone; ZeroMQ cannot
  // close one connection.
  void Ignore(PeerId peer);

  // The public key that this peer has proved to have; "" without keys, or when it is gone.
  std::string UserOf(PeerId peer) const;

  RouterCounters counters() const;
  std::size_t peers() const;  // connected, as far as is known

  void* native();       // for PollItem::socket
  int wake_fd() const;  // for PollItem::fd: readable when TakeGone may have something to do

 private:
  struct State;
  explicit Router(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::net
