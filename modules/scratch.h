// SPDX-License-Identifier: Apache-2.0
// A private folder for the length of one attempt.
#pragma once

#include <filesystem>
#include <utility>

#include "absl/status/statusor.h"

namespace millrace::modules {

class Scratch {
 public:
  // Below TMPDIR, readable by us alone.
  static absl::StatusOr<Scratch> Create();
  Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();  // removes it with all that is in it

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit Scratch(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace millrace::modules
