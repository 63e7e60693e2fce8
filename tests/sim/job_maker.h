// SPDX-License-Identifier: Apache-2.0
// Random pipelines, and what their tasks do when they run.
#pragma once

#include <cstdint>

#include "plan.h"

namespace millrace::sim {

// The run number `number` of the plan, without its times.
PlannedRun MakeRun(const Plan& plan, std::uint32_t number);

}  // namespace millrace::sim
