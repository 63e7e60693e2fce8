// SPDX-License-Identifier: Apache-2.0
// Jobs that several cases run.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/fleet.h"
#include "bench/modules.h"

namespace millrace::bench {

// `tasks` independent tasks of M (a Token), each with 16 bytes of its own.
template <class M>
JobSpec FlatJob(std::int64_t tasks) {
  JobSpec job = JobOf<M>("flat");
  job.tasks.resize(static_cast<std::size_t>(tasks));
  std::array<char, 17> text{};
  for (std::size_t i = 0; i < job.tasks.size(); ++i) {
    std::snprintf(text.data(), text.size(), "%016zx", i);
    job.tasks[i].name = "t" + std::to_string(i);
    job.tasks[i].inputs = EncodeValue(M{.text = text.data()});
  }
  return job;
}

// A random graph of Nodes in which each but the first few needs three different earlier ones, near or far alike. What
// the last one results in goes to `last`, so that a run can be held to it.
inline JobSpec RandomGraph(std::int64_t tasks, std::uint64_t seed, std::uint64_t* last) {
  JobSpec job = JobOf<Node>("graph");
  job.tasks.resize(static_cast<std::size_t>(tasks));
  Random random(seed);
  std::vector<std::uint64_t> results(job.tasks.size());
  for (std::size_t i = 0; i < job.tasks.size(); ++i) {
    TaskSpec& task = job.tasks[i];
    task.name = "t" + std::to_string(i);
    task.inputs = EncodeValue(Node{.number = i});
    std::uint64_t sum = 0;
    while (task.needs.size() < std::min<std::size_t>(i, 3)) {
      const auto needed = static_cast<std::uint32_t>(random.Below(i));
      bool twice = false;
      for (const Dependency& other : task.needs) twice |= other.task == needed;
      if (twice) continue;
      task.needs.push_back({needed, DependencyKind::kRequired, -1});
      sum += results[needed];
    }
    results[i] = Mix(i, sum);
  }
  if (last != nullptr) *last = results.empty() ? 0 : results.back();
  return job;
}

}  // namespace millrace::bench
