// SPDX-License-Identifier: Apache-2.0
// Where the brains' Instants come from: the steady clock, read by shells only.
#pragma once

#include <chrono>
#include <cstdint>

#include "millrace/base/time.h"

namespace millrace::serve {

inline Instant Now() {
  return Instant(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

// For the poller; kNever stays "never".
inline std::chrono::steady_clock::time_point ToSteady(Instant instant) {
  if (instant == kNever) return std::chrono::steady_clock::time_point::max();
  return std::chrono::steady_clock::time_point(instant.time_since_epoch());
}

// Wall-clock time at Instant zero: for display only.
inline Duration UnixAtZero() {
  const auto unix_now = std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch());
  return unix_now - Now().time_since_epoch();
}

inline std::int64_t UnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace millrace::serve
