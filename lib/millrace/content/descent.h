// SPDX-License-Identifier: Apache-2.0
// Directories below a root, each opened from the one above it and never through a symbolic link, so that nobody who
// moves things about meanwhile can lead us out. Paths that come in the order of a tree cost one call a directory.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/fd.h"

namespace millrace::content {

class Descent {
 public:
  // The root itself may be reached through links.
  static absl::StatusOr<Descent> Open(const std::filesystem::path& root);

  // The directory at a path ("": the root); it stays open until the next call. FailedPrecondition when something on the
  // way is no directory.
  absl::StatusOr<int> To(std::string_view directory);
  // The one that holds `path`, and the name of it there.
  struct Place {
    int directory = -1;
    std::string name;
  };
  absl::StatusOr<Place> ToHolderOf(std::string_view path);

  int root() const { return root_.get(); }
  // Forgets a directory that was renamed or removed, with all below it.
  void Forget(std::string_view directory);

 private:
  struct Level {
    std::size_t end = 0;  // of its path in at_
    UniqueFd fd;
  };

  explicit Descent(UniqueFd root) : root_(std::move(root)) {}
  // Goes up until where we are holds `directory`, or is it.
  void Up(std::string_view directory);

  UniqueFd root_;
  std::string at_;
  std::vector<Level> levels_;
};

}  // namespace millrace::content
