// SPDX-License-Identifier: Apache-2.0
// A Status that knows more than a code and a text: that it is a skip, or which exit code and output it stands for. The
// runner turns these into an outcome; to everyone else they are plain errors and can be handed up and annotated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "millrace/model/outcome.h"

namespace millrace {

// Return this from Run to end the task as skipped, for `reason`.
absl::Status Skip(std::string_view reason);
bool IsSkip(const absl::Status& status);

// Exit code 75 (EX_TEMPFAIL of sysexits.h) says "try again later".
inline constexpr std::int32_t kTemporaryFailure = 75;

// A command that ended badly. Unavailable for exit 75 and for death by a signal, which are worth another try.
absl::Status CommandFailed(std::string_view program, std::int32_t exit_code, std::int32_t signal,
                           std::string_view output);

// `status` as the failure of an attempt: message, exit code, signal, output, and whether it is transient.
Failure FailureOf(const absl::Status& status);

// The last lines of `text`: at most `lines` and `bytes`, whole ones unless a single one is longer.
std::string_view LastLines(std::string_view text, std::size_t lines = 20, std::size_t bytes = 4096);

}  // namespace millrace
