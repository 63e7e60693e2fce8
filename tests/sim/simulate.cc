// SPDX-License-Identifier: Apache-2.0
#include "simulate.h"

#include "absl/strings/str_format.h"

namespace millrace::sim {

Verdict PlaySeed(std::uint64_t seed, FaultSet allowed, bool trace) {
  const Plan plan = MakePlan(seed, allowed);
  World world(plan, trace);
  return world.Play();
}

namespace {

// The classes of `faults` from which the `picks` of so many are drawn, tried in turn.
bool FailsWithSome(std::uint64_t seed, FaultSet faults, int from, int picks, FaultSet chosen, FaultSet& needed,
                   Verdict& verdict) {
  if (picks == 0) {
    const Verdict tried = PlaySeed(seed, chosen);
    if (tried.problem.empty()) return false;
    needed = chosen;
    verdict = tried;
    return true;
  }
  for (int i = from; i < kFaults; ++i) {
    if (!faults.Has(static_cast<Fault>(i))) continue;
    FaultSet more = chosen;
    more.Add(static_cast<Fault>(i));
    if (FailsWithSome(seed, faults, i + 1, picks - 1, more, needed, verdict)) return true;
  }
  return false;
}

// Leaves out one class after the other until none can be spared.
void LeaveOut(std::uint64_t seed, FaultSet& needed, Verdict& verdict) {
  for (bool fewer = true; fewer;) {
    fewer = false;
    for (int i = 0; i < kFaults; ++i) {
      FaultSet rest = needed;
      rest.Remove(static_cast<Fault>(i));
      if (rest == needed) continue;
      const Verdict without = PlaySeed(seed, rest);
      if (without.problem.empty()) continue;
      needed = rest;
      verdict = without;
      fewer = true;
    }
  }
}

}  // namespace

FaultSet SmallestSet(std::uint64_t seed, FaultSet allowed, Verdict& verdict) {
  constexpr int kTriedTogether = 3;  // all sets up to this size, some hundred schedules
  const FaultSet faults = MakePlan(seed, allowed).faults;
  FaultSet needed = faults;
  for (int picks = 0; picks <= kTriedTogether; ++picks) {
    if (FailsWithSome(seed, faults, 0, picks, {}, needed, verdict)) return needed;
  }
  LeaveOut(seed, needed, verdict);
  return needed;
}

std::string Explain(std::uint64_t seed, FaultSet allowed, const Verdict& verdict) {
  Verdict smallest = verdict;
  const FaultSet needed = SmallestSet(seed, allowed, smallest);
  return absl::StrFormat("seed %d: %s\n  still fails with: %s\n  see it: millrace-sim --seed %d --faults %s --trace",
                         seed, smallest.problem, needed.Text(), seed, needed.Text());
}

}  // namespace millrace::sim
