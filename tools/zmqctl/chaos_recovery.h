// SPDX-License-Identifier: Apache-2.0
// How long it took until a run went on after something was killed, from what a client saw of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "millrace/base/time.h"
#include "millrace/model/view.h"

namespace millrace::zmqctl {

// A change of a task, in the order in which the client was told. Times count from a common beginning.
struct Seen {
  Duration at{};
  std::uint32_t task = 0;
  TaskState state = TaskState::kWaiting;
  std::string worker;
  std::uint32_t try_number = 0;
};

struct Death {
  Duration at{};
  std::string worker;  // "" = the broker
};

struct Recoveries {
  std::vector<Duration> tasks;   // of a killed worker: until each was assigned again, or had ended
  std::vector<Duration> broker;  // until the first change after its death
};

// A task of a worker counts when the client knew that the worker had it, and when it saw it go on.
Recoveries MeasureRecoveries(std::span<const Seen> seen, std::span<const Death> deaths);

struct Spread {
  std::size_t count = 0;
  Duration median{};
  Duration p99{};
  Duration longest{};
};
Spread SpreadOf(std::vector<Duration> times);

}  // namespace millrace::zmqctl
