// SPDX-License-Identifier: Apache-2.0
// Copies a file, or a folder with all that is in it; permissions and symbolic links survive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "millrace/api/api.h"

namespace millrace::modules {

struct Copied {
  std::int64_t files = 0;
  std::int64_t bytes = 0;
  friend bool operator==(const Copied&, const Copied&) = default;
};

struct Copy {
  static constexpr std::string_view kName = "copy";
  static constexpr std::string_view kVersion = "1";

  // Both relative to the work directory. `to` is the copy itself, not the folder to put it in; what is there already is
  // replaced file by file, and files that only it has stay.
  std::string from;
  std::string to;

  absl::StatusOr<Copied> Run(Context& context) const;
};

}  // namespace millrace::modules
