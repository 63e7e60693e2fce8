// SPDX-License-Identifier: Apache-2.0
// What can be had of a damaged journal: a new one with everything before the damage, the old one kept beside it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/statusor.h"

namespace millrace::store {

struct Salvaged {
  std::uint64_t records = 0;   // in the new journal, counted from 1 again
  std::string damage;          // "" = there was none, and nothing was changed
  std::filesystem::path kept;  // where the old file is now
};

// The caller holds the data directory. FailedPrecondition for a file of another program or of a newer Millrace: that is
// no damage, and is left alone. NotFound when there is none.
absl::StatusOr<Salvaged> Salvage(const std::filesystem::path& journal);

}  // namespace millrace::store
