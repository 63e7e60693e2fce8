// SPDX-License-Identifier: Apache-2.0
// Watches a socket's connections from a thread of its own. Internal to net.
//
// ZeroMQ's I/O thread writes these events with a blocking send: a reader that is missing, slow or closed first freezes
// the whole context. So the reader is connected before the constructor returns (make the monitor before binding or
// connecting), it does nothing but read, and it is closed only after the monitor has been stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <zmq.hpp>

#include "absl/status/status.h"
#include "millrace/net/context.h"

namespace millrace::net {

struct ConnectionChange {
  std::uint16_t event = 0;  // ZMQ_EVENT_*
  std::int32_t value = 0;   // a descriptor, an errno or a protocol error, by event
};

class SocketMonitor {
 public:
  using Sink = std::function<void(const ConnectionChange&)>;

  SocketMonitor() = default;
  ~SocketMonitor() { Stop(); }
  SocketMonitor(const SocketMonitor&) = delete;
  SocketMonitor& operator=(const SocketMonitor&) = delete;

  // `sink` is called from the monitor's thread and must not wait for anything. `events` are the few that are needed.
  absl::Status Start(SocketContext& context, zmq::socket_t& watched, int events, Sink sink);
  // Returns after the last call of the sink. Before the watched socket is closed.
  void Stop();

 private:
  zmq::socket_t* watched_ = nullptr;
  std::thread reader_;
};

}  // namespace millrace::net
