// SPDX-License-Identifier: Apache-2.0
// The one ZeroMQ context of a process. Make one, at the start, and destroy it after every socket: with CURVE the end of
// one context may crash another (libzmq 4.3.4), so tests that run several brokers in a process share one as well.
// Any thread may make sockets in it; each socket then belongs to one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "millrace/keys/z85.h"

namespace zmq {
class context_t;
}

namespace millrace::net {

// What a process proves itself with. Who binds is the broker; who connects also knows which broker it wants.
struct SocketKeys {
  keys::KeyPair own;
  std::string broker;  // its public key, Z85
};

struct SocketContextOptions {
  int io_threads = 1;  // enough for about 1 GB/s; 2 when encrypted on more than two cores
  int max_sockets = 1023;
};

class SocketContext {
 public:
  // Raises the soft limit of open files to the hard one: each peer costs up to two descriptors, and running out of them
  // makes ZeroMQ's thread spin.
  explicit SocketContext(const SocketContextOptions& options = {});
  ~SocketContext();  // waits for what sockets with a linger still have to send
  SocketContext(const SocketContext&) = delete;
  SocketContext& operator=(const SocketContext&) = delete;

  zmq::context_t& native() { return *context_; }

  // CURVE for every socket that is made from now on, on whichever plane: with keys there is no plaintext. Call it while
  // no other thread makes sockets.
  void UseKeys(std::optional<SocketKeys> keys) { keys_ = std::move(keys); }
  const std::optional<SocketKeys>& keys() const { return keys_; }

 private:
  std::optional<SocketKeys> keys_;
  std::unique_ptr<zmq::context_t> context_;
};

// How many files this process may have open now.
std::size_t OpenFileLimit();

}  // namespace millrace::net
