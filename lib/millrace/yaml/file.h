// SPDX-License-Identifier: Apache-2.0
// Whole small files, bounded.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace millrace::yaml {

// The content of the file, or of standard input for "-". Stops reading soon after `max_bytes`, so that the
// caller's own check of the size sees it exceeded; NotFound, PermissionDenied and so on as the system says, naming the
// path.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t max_bytes);

}  // namespace millrace::yaml
