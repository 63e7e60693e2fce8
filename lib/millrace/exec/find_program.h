// SPDX-License-Identifier: Apache-2.0
// Finds a program the way a shell would, and says what was looked at when there is none.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace millrace::exec {

// `name` with a slash is a path (relative ones start at `directory`); else it is searched for in `path`, a list like
// PATH. Returns the path to execute. NotFound names the program, the PATH, and the nearest names there are.
absl::StatusOr<std::string> FindProgram(std::string_view name, std::string_view path,
                                        const std::filesystem::path& directory);

}  // namespace millrace::exec
