// SPDX-License-Identifier: Apache-2.0
// Which instance takes which: parameters resolved to instances, then checked as a graph.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/api/pipeline.h"
#include "millrace/model/job.h"

namespace millrace::detail {

using Needs = std::vector<std::vector<Dependency>>;  // per instance, in the order of its parameters

// Binds every parameter to the instances it takes. `pipeline` is the pipeline's name, for messages.
absl::StatusOr<Needs> ResolveNeeds(std::string_view pipeline, std::span<const Instance> instances);

// InvalidArgument with the path "a -> b -> a", where "->" reads "needs".
absl::Status CheckAcyclic(std::span<const Instance> instances, const Needs& needs);

}  // namespace millrace::detail
