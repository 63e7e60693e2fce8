// SPDX-License-Identifier: Apache-2.0
// Which artifacts of its dependencies an attempt is to find in its work directory.
#pragma once

#include <span>
#include <vector>

#include "millrace/agent/backlog.h"
#include "millrace/model/artifact.h"

namespace millrace::agent {

// By entry, in the order of the needs. A dependency that did not succeed has none, and leaves nothing to be found.
std::vector<Consumed> ConsumedOf(std::span<const Consume> consumes, std::span<const Needed> needs);

}  // namespace millrace::agent
