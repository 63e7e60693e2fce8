// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/poller.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/net/socket.h"

namespace millrace::net {
namespace {

using Clock = std::chrono::steady_clock;

// Rounded up: a wait that ends before its deadline would turn into a busy loop.
long MillisecondsUntil(Clock::time_point deadline) {
  if (deadline == Clock::time_point::max()) return -1;
  const auto now = Clock::now();
  if (deadline <= now) return 0;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<long>(std::min<std::chrono::milliseconds::rep>(wait, 24L * 3600 * 1000));
}

}  // namespace

struct Poller::Scratch {
  std::vector<zmq_pollitem_t> items;
};

Poller::Poller() : scratch_(std::make_unique<Scratch>()) {}
Poller::~Poller() = default;

absl::StatusOr<int> Poller::Wait(std::span<PollItem> items, Clock::time_point deadline) {
  std::vector<zmq_pollitem_t>& native = scratch_->items;
  native.clear();
  for (PollItem& item : items) {
    const int events = ZMQ_POLLIN | (item.want_write ? ZMQ_POLLOUT : 0);
    native.push_back({item.socket, item.fd, static_cast<short>(events), 0});
    item.readable = false;
    item.writable = false;
  }
  int ready = 0;
  while (true) {
    const long wait = MillisecondsUntil(deadline);
    ready = zmq_poll(native.data(), static_cast<int>(native.size()), wait);
    if (ready > 0) break;
    if (ready < 0 && zmq_errno() != EINTR) return ZmqStatus(zmq_errno(), "polling");
    if (ready == 0 && wait >= 0 && Clock::now() >= deadline) return 0;
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].readable = (native[i].revents & (ZMQ_POLLIN | ZMQ_POLLERR)) != 0;
    items[i].writable = (native[i].revents & ZMQ_POLLOUT) != 0;
  }
  return ready;
}

}  // namespace millrace::net
