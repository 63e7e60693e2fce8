// SPDX-License-Identifier: Apache-2.0
// Steps become tasks: a matrix becomes its product, `needs` become indices, and what tasks share moves into tables.
#pragma once

#include <vector>

#include "millrace/model/job.h"
#include "millrace/yaml/pipeline.h"
#include "millrace/yaml/step.h"

namespace millrace::yaml {

// Fills the tables and tasks of `job`. Tasks come in the order of the steps, instances of one step in the order of its
// matrix. Unknown needs, self-references and cycles are problems, as is whatever exceeds the limits of `options`.
void Expand(const std::vector<Step>& steps, const ParseOptions& options, JobSpec& job, Problems& problems);

}  // namespace millrace::yaml
