// SPDX-License-Identifier: Apache-2.0
// Byte sizes as people write and read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace millrace {

// "100MiB", "2G", "1.5 GiB", "64kB", "4096" (bytes). KiB, MiB, GiB, TiB and the bare letters K, M, G, T count in powers
// of 1024; kB, MB, GB, TB in powers of 1000. Case is ignored. Exact; parts of a byte are rounded to the nearest, a half
// up. Refuses negatives, 8 EiB and more, and rubbish.
absl::StatusOr<std::int64_t> ParseSize(std::string_view text);
// The shortest form for people: "100MiB", "1.5GiB", "512B". Exact when the size is a whole number of its unit.
std::string FormatSize(std::int64_t bytes);

}  // namespace millrace
