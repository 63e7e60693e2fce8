// SPDX-License-Identifier: Apache-2.0
// Finds what can never start because it waits for itself.
#pragma once

#include <vector>

#include "millrace/model/job.h"
#include "millrace/yaml/problems.h"

namespace millrace::yaml {

// A problem for each cycle that a walk over all needs meets, with its path: "a -> b -> a" reads "a needs b needs a".
// steps[t] is the step that task t came from, marks[t][d] the place of its d-th need. Cycles that run through the same
// steps, in other instances, are told once.
void FindCycles(const JobSpec& job, const std::vector<std::uint32_t>& steps,
                const std::vector<std::vector<Mark>>& marks, Problems& problems);

}  // namespace millrace::yaml
