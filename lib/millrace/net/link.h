// SPDX-License-Identifier: Apache-2.0
// One side of a conversation with a broker, as a worker or a client has it: over ZeroMQ (remote_link.h) or inside one
// process (local_link.h). Owned and used by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/base/digest.h"
#include "millrace/model/message.h"
#include "millrace/net/poller.h"

namespace millrace::net {

// A fresh connection that knows nothing of us: say hello.
struct LinkUp {};
struct LinkDown {
  std::string reason;
  bool refused = false;  // as of ConnectionEvent: it is of no use to wait
};
struct LinkHeard {
  Message message;
  bool on_heartbeat_channel = false;
};
using LinkEvent = std::variant<LinkUp, LinkDown, LinkHeard>;

class Link {
 public:
  virtual ~Link() = default;

  // Never blocks. While the connection is down or stalled the message is dropped: the protocol repeats what matters.
  virtual void Send(Message message) = 0;
  // On the heartbeat channel; dropped until the broker's Welcome has told where that is.
  virtual void Publish(Message message) = 0;
  // Drops the connection and dials again; LinkUp follows.
  virtual void Reconnect() = 0;
  // Appends what has happened since the last call. Call it when an item of AppendPollItems is ready, and once at the
  // start.
  virtual void Receive(std::vector<LinkEvent>& events) = 0;
  virtual void AppendPollItems(std::vector<PollItem>& items) = 0;
  // Leaves up to `linger` for what was sent last to get out, then closes. Nothing may be called afterwards.
  virtual void Close(Duration linger) = 0;
};

// Where a payload that is named by digest comes from, and where one that is too large for the control channel goes.
// Calls block; any thread.
class BlobAccess {
 public:
  virtual ~BlobAccess() = default;
  virtual absl::StatusOr<Bytes> Fetch(const Digest& digest, std::uint64_t max_size) = 0;
  virtual absl::Status Store(const Digest& digest, const Bytes& bytes) = 0;
  // True when payloads need not leave the message whatever their size, because no wire carries it.
  virtual bool stays_inline() const { return false; }
  // False when what this worker makes need not go anywhere: it is the only one, and keeps it itself.
  virtual bool keeps_artifacts() const { return true; }
  // The broker has told where its planes are.
  virtual void OnPlanes(const Planes&) {}
};

// Payloads above this ride on the bulk plane.
inline constexpr std::uint64_t kInlineLimit = 256u << 10;
// So do submissions whose encoding is above this.
inline constexpr std::uint64_t kSubmissionInlineLimit = 1u << 20;

}  // namespace millrace::net
