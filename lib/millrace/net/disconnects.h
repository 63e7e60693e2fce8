// SPDX-License-Identifier: Apache-2.0
// Which connections have closed, told by a monitor's thread to a router's; internal to net. The descriptor it offers to
// poll is a timer, so that a hint that could not be confirmed yet wakes the router again by itself.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"

namespace millrace::net {

class Disconnects {
 public:
  Disconnects() = default;
  ~Disconnects();
  Disconnects(const Disconnects&) = delete;
  Disconnects& operator=(const Disconnects&) = delete;

  absl::Status Open();
  int fd() const { return timer_; }

  // From the monitor's thread. A stranger can make these at will, so each descriptor is kept once.
  void Closed(int descriptor);
  void HandshakeFailed() { failed_handshakes_.fetch_add(1, std::memory_order_relaxed); }

  // From the router's thread: the descriptors closed since the last call.
  absl::flat_hash_set<int> Take();
  void WakeAfter(std::chrono::nanoseconds delay);

  std::uint64_t failed_handshakes() const { return failed_handshakes_.load(std::memory_order_relaxed); }

 private:
  int timer_ = -1;
  std::mutex mutex_;
  absl::flat_hash_set<int> closed_;
  std::atomic<std::uint64_t> failed_handshakes_{0};
};

}  // namespace millrace::net
