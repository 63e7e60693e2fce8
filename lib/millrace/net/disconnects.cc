// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/disconnects.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::net {

Disconnects::~Disconnects() {
  if (timer_ >= 0) close(timer_);
}

absl::Status Disconnects::Open() {
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  return timer_ >= 0 ? absl::OkStatus() : ErrnoStatus(errno, "timerfd_create");
}

void Disconnects::Closed(int descriptor) {
  {
    const std::lock_guard lock(mutex_);
    closed_.insert(descriptor);
  }
  WakeAfter(std::chrono::nanoseconds(1));
}

absl::flat_hash_set<int> Disconnects::Take() {
  std::uint64_t expirations = 0;
  // Before the list is looked at: what is added after this makes the timer expire again.
  while (read(timer_, &expirations, sizeof(expirations)) < 0 && errno == EINTR) {
  }
  const std::lock_guard lock(mutex_);
  return std::exchange(closed_, {});
}

void Disconnects::WakeAfter(std::chrono::nanoseconds delay) {
  itimerspec when{};
  const auto nanoseconds = std::max<std::int64_t>(delay.count(), 1);  // 0 would disarm it
  when.it_value.tv_sec = nanoseconds / 1'000'000'000;
  when.it_value.tv_nsec = nanoseconds % 1'000'000'000;
  timerfd_settime(timer_, 0, &when, nullptr);
}

}  // namespace millrace::net
