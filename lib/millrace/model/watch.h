// SPDX-License-Identifier: Apache-2.0
// How a client waits for the end of a run without asking again and again.
#pragma once

#include <cstdint>

namespace millrace {

// As `since` of a kRun: the answer comes once the run has ended. At most one such question of a connection and run is
// open, the latest one; an older broker answers at once, whatever the state of the run.
inline constexpr std::uint64_t kUntilEnded = ~std::uint64_t{0};

}  // namespace millrace
