// SPDX-License-Identifier: Apache-2.0
// A small seeded generator (splitmix64, Steele, Lea and Flood 2014): the same seed gives the same numbers everywhere,
// which the brains' jitter and every random test rely on. Not for secrets.
#pragma once

#include <cstdint>

namespace millrace {

class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(seed) {}

  constexpr std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound); the bias for bounds far below 2^64 is not measurable. `bound` > 0.
  constexpr std::uint64_t Below(std::uint64_t bound) { return Next() % bound; }
  // Uniform in [0, 1).
  constexpr double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

// A number from the operating system's entropy, for incarnations and seeds.
std::uint64_t EntropyFromSystem();

}  // namespace millrace
