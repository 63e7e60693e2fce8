// SPDX-License-Identifier: Apache-2.0
// A case, so many times, for tools/bench-check to count the instructions of: `instructions CASE ROUNDS`. Without
// arguments it names the cases, with what one round is divided by.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/cases.h"

int main(int argc, char** argv) {
  for (const auto& one : millrace::bench::PureCases()) {
    if (argc == 1) std::printf("%s %.0f\n", one.name.c_str(), one.items);
    if (argc != 3 || one.name != argv[1]) continue;
    const std::function<void()> round = one.prepare();
    round();  // what happens only once does not count
    for (int i = std::atoi(argv[2]); i > 0; --i) millrace::bench::Counted(round);
    return 0;
  }
  if (argc == 1) return 0;
  std::fprintf(stderr, "usage: instructions [CASE ROUNDS]; without arguments it names the cases\n");
  return 2;
}
