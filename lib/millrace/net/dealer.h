// SPDX-License-Identifier: Apache-2.0
// A worker's or a client's end of a plane: one DEALER socket, one thread, one broker.
//
// Nothing is queued for a broker that is not there: Send says kStalled. What was taken may still be lost with the
// connection, and ZeroMQ reconnects in silence; so whoever must know the difference calls Reset when the broker is
// lost, which throws away everything under way, and starts again with its hello.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/net/context.h"
#include "millrace/net/endpoint.h"
#include "millrace/net/router.h"

namespace millrace::net {

struct DealerOptions {
  std::int64_t max_message_bytes = kMaxMessageBytes;
  int send_high_water = 64;
  int receive_high_water = 1000;
  std::string insecure_allow_plaintext_on = {};
  std::optional<SocketKeys> keys = {};  // instead of the context's
};

struct ConnectionEvent {
  enum class Kind {
    kConnected,        // and the handshake is done: messages flow
    kDisconnected,     // ZeroMQ tries again by itself, every 200 ms to 10 s
    kHandshakeFailed,  // `reason` says why; after a refused key ZeroMQ never tries again: Reset, later
  };
  Kind kind = Kind::kConnected;
  std::string reason;
  bool refused = false;  // our key is not admitted, or only one side uses keys: trying again changes nothing
};

struct DealerCounters {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::uint64_t stalled = 0;
  std::uint64_t malformed = 0;  // messages that were not one frame
};

class Dealer {
 public:
  // Returns before the connection is made; only an address that is refused is an error.
  static absl::StatusOr<std::unique_ptr<Dealer>> Connect(SocketContext& context, const Endpoint& endpoint,
                                                         DealerOptions options = {});
  ~Dealer();  // drops what was not sent yet
  Dealer(const Dealer&) = delete;
  Dealer& operator=(const Dealer&) = delete;

  // As Router's.
  std::size_t Receive(std::size_t max, std::vector<Bytes>& out);
  // kSent, or kStalled when there is no connection or the broker does not read; nothing was taken then.
  SendResult Send(const Bytes& payload);

  // A new socket to the same endpoint. Everything under way in both directions is dropped, and native() changes. Wait a
  // random while before it when many may do the same. An error leaves this usable only for another Reset.
  absl::Status Reset();
  // Closes the socket for good and leaves it `linger` to send what was taken.
  void Close(std::chrono::milliseconds linger = std::chrono::seconds(2));

  // What happened to the connection since the last call; never of a socket before the last Reset.
  std::vector<ConnectionEvent> TakeConnectionEvents();
  DealerCounters counters() const;

  void* native();       // for PollItem::socket; null after Close
  int wake_fd() const;  // for PollItem::fd: readable when there are connection events; stays the same

 private:
  struct State;
  explicit Dealer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::net
