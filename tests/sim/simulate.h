// SPDX-License-Identifier: Apache-2.0
// Plays seeds, and finds out what a failing one needs to fail.
#pragma once

#include <cstdint>
#include <string>

#include "fault.h"
#include "world.h"

namespace millrace::sim {

Verdict PlaySeed(std::uint64_t seed, FaultSet allowed = FaultSet::All(), bool trace = false);

// The fewest classes of faults with which the seed still fails, and how; of sets of more than three, one from which no
// class can be spared.
FaultSet SmallestSet(std::uint64_t seed, FaultSet allowed, Verdict& verdict);

// A failure as people read it: what is wrong, with the fewest classes of faults, and how to see it again.
std::string Explain(std::uint64_t seed, FaultSet allowed, const Verdict& verdict);

}  // namespace millrace::sim
