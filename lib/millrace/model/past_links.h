// SPDX-License-Identifier: Apache-2.0
// What the history keeps of a task beside its row, for reports: how it hung together with the others.
#pragma once

#include <cstdint>
#include <vector>

#include "millrace/model/job.h"

namespace millrace {

struct PastLinks {
  std::vector<Dependency> needs{};  // in the order of the pipeline; of very many, those that ended last
  std::uint32_t needs_left_out = 0;
  bool cacheable = false;  // its policy and the run let it come from the cache
  friend bool operator==(const PastLinks&, const PastLinks&) = default;
};

}  // namespace millrace
