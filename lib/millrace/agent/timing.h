// SPDX-License-Identifier: Apache-2.0
// The worker's fixed times, and arithmetic on Instants that cannot overflow.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "millrace/base/time.h"

namespace millrace::agent {

inline constexpr Duration kResendFirst = std::chrono::seconds(5);        // an unrecorded report is said again,
inline constexpr Duration kResendLimit = std::chrono::seconds(60);       // later and later
inline constexpr Duration kStartedHint = std::chrono::milliseconds(50);  // shorter attempts are not worth a "started"
inline constexpr Duration kNoticeGap = std::chrono::milliseconds(100);   // between two notices of missing orders
inline constexpr Duration kReportBatch = std::chrono::milliseconds(1);   // between two Reports while work is queued
inline constexpr Duration kKeepUnrecorded = std::chrono::seconds(1);     // a report that waits longer goes to the disk,
inline constexpr Duration kKeepLong = std::chrono::seconds(1);           // and at once, if its attempt took this long
inline constexpr Duration kOutputBatch = std::chrono::milliseconds(100);
inline constexpr Duration kFlushGrace = std::chrono::seconds(5);  // of a drain, for its last reports
inline constexpr Duration kExitGrace = std::chrono::seconds(2);   // for killed slots to be gone
inline constexpr Duration kShortestBeat = std::chrono::milliseconds(10);
inline constexpr Duration kLaneService = std::chrono::microseconds(500);  // attempts that take longer do not line up
inline constexpr Duration kLaneWork = std::chrono::milliseconds(2);       // in one slot's lane, as far as is known
inline constexpr std::size_t kLaneLength = 256;                           // attempts in it
inline constexpr Duration kLaneStall = std::chrono::milliseconds(10);     // then those behind are withdrawn
inline constexpr int kBeatsMissed = 3;  // a channel silent for this many intervals is degraded

// `now + wait`, kNever for waits without an end.
constexpr Instant After(Instant now, Duration wait) { return wait > Duration::max() / 2 ? kNever : now + wait; }

}  // namespace millrace::agent
