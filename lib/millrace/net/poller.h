// SPDX-License-Identifier: Apache-2.0
// Waits for sockets and descriptors together: the one place where a shell's loop sleeps.
//
// A socket that is readable may hold many messages: receive until it has no more, or a fixed number for fairness, and
// come back. Readiness is level-triggered, so what was left is reported again.
#pragma once

#include <chrono>
#include <memory>
#include <span>

#include "absl/status/statusor.h"

namespace millrace::net {

struct PollItem {
  void* socket = nullptr;  // Router::native() and the like; null = `fd` is meant
  int fd = -1;
  bool want_write = false;  // besides reading; pointless for a Router, whose every peer has a queue of its own

  bool readable = false;  // set by Wait; also true for a descriptor that has hung up
  bool writable = false;
};

class Poller {
 public:
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Sets readiness in `items` and returns how many are ready: 0 when the deadline passed, which time_point::max() never
  // does, and a past one at once. A signal does not end it (use a signalfd).
  absl::StatusOr<int> Wait(std::span<PollItem> items, std::chrono::steady_clock::time_point deadline);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace millrace::net
