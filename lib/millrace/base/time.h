// SPDX-License-Identifier: Apache-2.0
// Time as the brains know it: handed in, never asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace millrace {

// A clock without now(): a brain that wants the time must be given it, or it does not compile. Shells make Instants
// from the steady clock (serve/clock.h), scenarios and simulators from counters.
struct BrainClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BrainClock>;
  static constexpr bool is_steady = true;
};

using Duration = BrainClock::duration;
using Instant = BrainClock::time_point;

inline constexpr Instant kNever = Instant::max();

// "10m", "1h30m", "250ms", "2.5s", "90" (seconds). Units: ns us ms s m h d. Refuses negatives, overflow and rubbish.
absl::StatusOr<Duration> ParseDuration(std::string_view text);
// The shortest exact-looking form for people: "1h02m", "2m05s", "3.4s", "120ms", "17us".
std::string FormatDuration(Duration duration);

}  // namespace millrace
