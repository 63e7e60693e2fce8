// SPDX-License-Identifier: Apache-2.0
// The small pieces of work that are measured one by one: by time (micro.cc), and by instructions (instructions.cc).
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace millrace::bench {

struct Case {
  std::string name;
  double items = 1;  // that one round is divided by: tasks, bytes
  // What a round needs is made once, outside of what is measured.
  std::function<std::function<void()>()> prepare;
};

// Of the codec, LZ4 and the scheduler: what depends on nothing but the processor.
std::vector<Case> PureCases();
// Of the journal and of processes: what the system does with it counts, too.
std::vector<Case> SystemCases();

// One round of a case: what callgrind counts is what happens inside.
void Counted(const std::function<void()>& round);

}  // namespace millrace::bench
