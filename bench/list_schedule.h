// SPDX-License-Identifier: Apache-2.0
// What a makespan is measured by: a bound that no schedule can beat, and the classic list schedule, which knows every
// duration and hands out work in no time.
#pragma once

#include <cstddef>

#include "bench/dag.h"

namespace millrace::bench {

struct Bounds {
  Duration work;   // all tasks together, by slots
  Duration path;   // the longest one
  Duration lower;  // the best bound: of these, and of every set of tasks that are ready late and have much behind them
};
Bounds BoundsOf(const Dag& dag, std::size_t slots);

// Whenever a slot is free, the ready task that begins the longest path takes it; the first of the file among equals.
Duration ListSchedule(const Dag& dag, std::size_t slots);

}  // namespace millrace::bench
