// SPDX-License-Identifier: Apache-2.0
// Thousands of short random histories with faults, each from a seed. MILLRACE_SEED=N plays one, MILLRACE_SEEDS=N more.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "random_world.h"

namespace millrace::sched {
namespace {

TEST(RandomTest, A01_A07_A09_A51_EveryRunEndsAndNothingIsCommittedTwice) {
  std::uint64_t first = 1;
  std::uint64_t count = 600;
  if (const char* seed = std::getenv("MILLRACE_SEED")) {
    first = std::stoull(seed);
    count = 1;
  }
  if (const char* seeds = std::getenv("MILLRACE_SEEDS")) count = std::stoull(seeds);
  int failed = 0;
  for (std::uint64_t seed = first; seed < first + count && failed < 5; ++seed) {
    const std::string problem = RandomWorld(seed).Play();
    if (problem.empty()) continue;
    ++failed;
    ADD_FAILURE() << "MILLRACE_SEED=" << seed << ": " << problem;
  }
}

TEST(RandomTest, TheSameSeedGivesTheSameHistory) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(RandomWorld(seed).Play(), RandomWorld(seed).Play());
  }
}

}  // namespace
}  // namespace millrace::sched
