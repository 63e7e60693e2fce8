// SPDX-License-Identifier: Apache-2.0
// The ground for commands: a loop that spawns them, so many at once, with pipes for their output and a pidfd for their
// end, and nothing else. By itself, or below a supervisor such as each slot of a worker has.
#pragma once

#include <cstdint>
#include <optional>

namespace millrace::bench {

// Commands (/bin/true) per second.
double SpawnsPerSecond(std::int64_t commands, int at_once);

// The same, divided between `slots` loops, one command at once each, below supervisors.
double SupervisedSpawnsPerSecond(std::int64_t commands, int slots);

// In main() after MaybeRunChild: when this process was started to be such a loop it is one.
std::optional<int> MaybeRunSpawnLoop(int argc, char** argv);

}  // namespace millrace::bench
