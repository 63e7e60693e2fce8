// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/monitor.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <utility>

#include "millrace/net/sanitizer.h"
#include "millrace/net/socket.h"

namespace millrace::net {
namespace {

// Blocks until something arrives; false when the context ends.
bool ReceiveBlocking(zmq::socket_t& socket, zmq::message_t& frame) {
  while (zmq_msg_recv(frame.handle(), socket.handle(), 0) < 0) {
    if (zmq_errno() != EINTR) return false;
  }
  AfterTakeOver();
  return true;
}

void ReadEvents(zmq::socket_t socket, const SocketMonitor::Sink& sink) {
  zmq::message_t frame;
  while (ReceiveBlocking(socket, frame)) {
    ConnectionChange change;
    if (frame.size() >= sizeof(change.event) + sizeof(change.value)) {
      const char* data = frame.data<char>();
      std::memcpy(&change.event, data, sizeof(change.event));
      std::memcpy(&change.value, data + sizeof(change.event), sizeof(change.value));
    }
    DropRest(socket, frame);  // the address
    if (change.event == ZMQ_EVENT_MONITOR_STOPPED) return;
    sink(change);
  }
}

std::string FreshAddress() {
  static std::atomic<std::uint64_t> next{1};
  return "inproc://millrace.monitor." + std::to_string(next++);
}

}  // namespace

absl::Status SocketMonitor::Start(SocketContext& context, zmq::socket_t& watched, int events, Sink sink) {
  const std::string address = FreshAddress();
  if (zmq_socket_monitor(watched.handle(), address.c_str(), events | ZMQ_EVENT_MONITOR_STOPPED) != 0) {
    return ZmqStatus(zmq_errno(), "monitoring a socket");
  }
  try {
    zmq::socket_t reader(context.native(), zmq::socket_type::pair);
    reader.set(zmq::sockopt::linger, 0);
    reader.connect(address);
    watched_ = &watched;
    BeforeHandOver();
    reader_ = std::thread(
        [socket = std::move(reader), sink = std::move(sink)]() mutable { ReadEvents(std::move(socket), sink); });
  } catch (const zmq::error_t& error) {
    zmq_socket_monitor(watched.handle(), nullptr, 0);
    return ZmqStatus(error.num(), "monitoring a socket");
  }
  return absl::OkStatus();
}

void SocketMonitor::Stop() {
  if (!reader_.joinable()) return;
  zmq_socket_monitor(watched_->handle(), nullptr, 0);
  reader_.join();
}

}  // namespace millrace::net
