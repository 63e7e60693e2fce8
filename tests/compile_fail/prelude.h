// SPDX-License-Identifier: Apache-2.0
// What the cases have in common; check.py includes it in front of each. With -DMISTAKE a case has the one mistake that
// it is named after, without it is the correct twin.
#pragma once

#include "millrace/millrace.h"

using namespace millrace;  // NOLINT: as a short program would

struct Restore {
  static constexpr std::string_view kName = "restore";
  absl::Status Run() const { return absl::OkStatus(); }
};
struct Build {
  static constexpr std::string_view kName = "build";
  std::string configuration = "Release";
  absl::StatusOr<int> Run(Context&, From<Restore>) const { return 1; }
};
