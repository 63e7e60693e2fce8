// SPDX-License-Identifier: Apache-2.0
// What a recorded run would have taken on other workers: the real scheduler decides, in virtual time.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/replay/recording.h"

namespace millrace::replay {

struct Simulation {
  std::vector<std::int64_t> slots;  // of each worker
  Duration makespan{};
  RunState state = RunState::kSucceeded;
  Duration work{};   // of all that ran, in slots: a task that takes two counts twice
  Duration path{};   // the longest path of tasks that need each other: no number of workers is faster
  Duration bound{};  // the same, or the work spread over all slots, whichever is longer

  std::int64_t AllSlots() const;
  // The share of the slots' time that was used, 0 to 1.
  double Efficiency() const;
};

// FailedPrecondition when no worker has as many slots as the widest task takes.
absl::StatusOr<Simulation> Simulate(const Recording& recording, std::vector<std::int64_t> slots);

}  // namespace millrace::replay
