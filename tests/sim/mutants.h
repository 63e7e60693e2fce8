// SPDX-License-Identifier: Apache-2.0
// The brains with mistakes that can be switched on, made from mutants.txt when this is built.
#pragma once

#include <cstdint>
#include <vector>

namespace millrace::sim {

struct Mutant {
  const char* name;
  std::uint64_t seeds;  // it is noticed within so many
  const char* faults;
};
extern const std::vector<Mutant> kMutants;
extern int active_mutant;  // counted from 1; 0 = none

}  // namespace millrace::sim
