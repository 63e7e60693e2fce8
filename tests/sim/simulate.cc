// SPDX-License-Identifier: Apache-2.0
#include "simulate.h"

#include "absl/strings/str_format.h"

namespace millrace::sim {

Verdict PlaySeed(std::uint64_t seed, FaultSet allowed, bool trace) {
  const Plan plan = MakePlan(seed, allowed);
  World world(plan, trace);
  return world.Play();
}

std::string Explain(std::uint64_t seed, FaultSet allowed, const Verdict& verdict) {
  FaultSet needed = MakePlan(seed, allowed).faults;
  Verdict smallest = verdict;
  for (int i = 0; i < kFaults; ++i) {
    FaultSet fewer = needed;
    fewer.Remove(static_cast<Fault>(i));
    if (!needed.Has(static_cast<Fault>(i))) continue;
    const Verdict without = PlaySeed(seed, fewer);
    if (without.problem.empty()) continue;
    needed = fewer;
    smallest = without;
  }
  return absl::StrFormat("seed %d: %s\n  still fails with: %s\n  see it: millrace-sim --seed %d --faults %s --trace",
                         seed, smallest.problem, needed.Text(), seed, needed.Text());
}

}  // namespace millrace::sim
