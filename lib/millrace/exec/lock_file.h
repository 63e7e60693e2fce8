// SPDX-License-Identifier: Apache-2.0
// Holds a directory or the like for one process: flock on a file that names the holder. The kernel lets go of it when
// the process dies, so that no stale lock is ever in the way; the file itself stays.
#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/base/fd.h"

namespace millrace::exec {

class LockFile {
 public:
  // Creates the file where needed. FailedPrecondition, with the path, the holder's pid and its program, when another
  // has it: another process, or another LockFile of this one.
  static absl::StatusOr<LockFile> Acquire(const std::filesystem::path& path);

  LockFile(LockFile&&) noexcept = default;
  LockFile& operator=(LockFile&&) noexcept = default;
  ~LockFile() = default;  // lets go

  const std::filesystem::path& path() const { return path_; }

 private:
  LockFile(std::filesystem::path path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::filesystem::path path_;
  UniqueFd fd_;
};

}  // namespace millrace::exec
