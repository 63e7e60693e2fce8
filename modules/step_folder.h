// SPDX-License-Identifier: Apache-2.0
// The private folder of a command: an empty one with an empty `inputs` in it. Making and removing it takes longer than
// a short command, so that one which was left as it was given is given to the next command of this process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "modules/scratch.h"

namespace millrace::modules {

class StepFolder {
 public:
  static absl::StatusOr<StepFolder> Take();
  StepFolder(StepFolder&&) = default;
  StepFolder& operator=(StepFolder&&) = delete;
  ~StepFolder();  // keeps it for the next one, or removes it with all that is in it

  std::filesystem::path inputs() const { return scratch_.path() / "inputs"; }
  std::filesystem::path output() const { return scratch_.path() / "output.json"; }

 private:
  // What tells whether anything was made, removed or renamed in a folder: nanoseconds of its last change.
  struct Marks {
    std::int64_t folder = 0;
    std::int64_t inputs = 0;
    friend bool operator==(const Marks&, const Marks&) = default;
  };

  explicit StepFolder(Scratch scratch) : scratch_(std::move(scratch)) {}
  std::optional<Marks> Look() const;
  absl::Status Prepare();

  Scratch scratch_;
  Marks marks_;
};

}  // namespace millrace::modules
