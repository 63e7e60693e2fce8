// SPDX-License-Identifier: Apache-2.0
// Waits: for a rate limit to pass, or as a stand-in for work. Ends early when its task is stopped.
#pragma once

#include <string_view>

#include "millrace/api/api.h"

namespace millrace::modules {

struct Sleep {
  static constexpr std::string_view kName = "sleep";
  static constexpr std::string_view kVersion = "1";

  Duration duration = std::chrono::seconds(1);

  Requirements requirements() const { return {.cpus = 0}; }  // it only waits
  absl::Status Run(Context& context) const;
};

}  // namespace millrace::modules
