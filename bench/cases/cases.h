// SPDX-License-Identifier: Apache-2.0
// The cases of millrace-bench. Whatever a ratio compares is measured in turns, in one run: machines have moods.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/samples.h"

namespace millrace::bench {

// Of which each case takes what it knows.
struct CaseOptions {
  std::int64_t tasks = 0;
  std::int64_t rounds = 5;
  std::int64_t singles = 200;            // tasks of a round that are measured one by one
  std::int64_t round_trips = 2'000'000;  // of bare ZeroMQ in a round
  std::int64_t bytes = 64 << 20;
  std::int64_t width = 1024;
  std::int64_t steps = 16;
  std::vector<std::string> variants{};  // empty: all of the case's
};

// No-op tasks with inputs of 16 bytes: in process, journalled, isolated, with keys.
Report RunMap(const CaseOptions& options);
// A random graph, three dependencies a task.
Report RunDag(const CaseOptions& options);
// /bin/true against a bare loop that spawns it.
Report RunCommands(const CaseOptions& options);
// One task at a time, and a chain of them, against bare round trips.
Report RunLatency(const CaseOptions& options);
// The finest tasks of Task Bench's patterns at which half of the processors' time is theirs.
Report RunMetg(const CaseOptions& options);
// What a waiting task costs the broker.
Report RunMemory(const CaseOptions& options);
// How long the acceptance of a large job takes, and for how long others wait meanwhile.
Report RunAccept(const CaseOptions& options);
// A large result over one hop, and how long small questions take meanwhile.
Report RunBulk(const CaseOptions& options);

}  // namespace millrace::bench
