// SPDX-License-Identifier: Apache-2.0
// The test of the test: every mutant of mutants.txt must be noticed by the simulator within its number of seeds, and
// without one nothing may be noticed.
//
// Usage: sim_mutants [NAME]      (only the mutants whose names contain NAME; default all)
#include <cinttypes>
#include <cstdio>
#include <string_view>

#include "mutants.h"
#include "simulate.h"

namespace millrace::sim {
namespace {

constexpr std::uint64_t kCleanSeeds = 300;

// The seed that noticed it, 0 = none.
std::uint64_t NoticedAt(std::uint64_t seeds, FaultSet faults, Verdict& verdict) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    verdict = PlaySeed(seed, faults);
    if (!verdict.problem.empty()) return seed;
  }
  return 0;
}

int Run(std::string_view wanted) {
  int survivors = 0;
  Verdict verdict;
  const std::uint64_t clean = wanted.empty() ? kCleanSeeds : 0;
  if (const std::uint64_t seed = NoticedAt(clean, FaultSet::All(), verdict); seed != 0) {
    std::printf("without a mutant: %s\n", Explain(seed, FaultSet::All(), verdict).c_str());
    return 1;
  }
  for (std::size_t i = 0; i < kMutants.size(); ++i) {
    const Mutant& mutant = kMutants[i];
    if (std::string_view(mutant.name).find(wanted) == std::string_view::npos) continue;
    FaultSet faults;
    if (!FaultSet::Parse(mutant.faults, faults)) {
      std::printf("%s: unknown faults '%s'\n", mutant.name, mutant.faults);
      return 1;
    }
    active_mutant = static_cast<int>(i) + 1;
    const std::uint64_t seed = NoticedAt(mutant.seeds, faults, verdict);
    active_mutant = 0;
    if (seed == 0) {
      ++survivors;
      std::printf("SURVIVED %s: %" PRIu64 " seeds\n", mutant.name, mutant.seeds);
    } else {
      std::printf("%6" PRIu64 "  %s: %s\n", seed, mutant.name, verdict.problem.c_str());
    }
    std::fflush(stdout);
  }
  std::printf("%d of %d mutants survived\n", survivors, static_cast<int>(kMutants.size()));
  return survivors == 0 ? 0 : 1;
}

}  // namespace
}  // namespace millrace::sim

int main(int argc, char** argv) { return millrace::sim::Run(argc > 1 ? argv[1] : ""); }
