// SPDX-License-Identifier: Apache-2.0
// What a reader accepts from outside. Every limit is checked before memory is committed to what it bounds.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::wire {

struct Limits {
  std::uint32_t max_depth = 64;                      // containers within containers
  std::size_t max_bytes = 128U << 20;                // of the whole input
  std::size_t max_string = 128U << 20;               // bytes of one string or binary
  std::size_t max_elements = std::size_t{16} << 20;  // of one array, or pairs of one map
  // Memory for decoded values, per byte of input, on top of 1 MiB. A byte of msgpack can stand for a whole
  // default-valued struct, so a small hostile input could otherwise become gigabytes.
  std::size_t max_growth = 64;
};

// For messages of the control and heartbeat channels, which carry nothing large (big payloads ride on the bulk plane).
inline constexpr Limits kFrameLimits = {.max_depth = 16,
                                        .max_bytes = 4U << 20,
                                        .max_string = 2U << 20,
                                        .max_elements = std::size_t{1} << 20,
                                        .max_growth = 64};

}  // namespace millrace::wire
