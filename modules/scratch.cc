// SPDX-License-Identifier: Apache-2.0
#include "modules/scratch.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "millrace/base/status.h"

namespace millrace::modules {

absl::StatusOr<Scratch> Scratch::Create() {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  if (error) return FailedPrecondition("no folder for temporary files: %s (set TMPDIR)", error.message());
  // Whoever finds it when we are dead is to see whose it was: exec/leftovers.h.
  const char* const slot = std::getenv("MILLRACE_SLOT");
  const std::string owner = slot == nullptr ? "" : absl::StrFormat("%s-%d-", slot, getpid());
  std::string path = (parent / absl::StrFormat("millrace-%sXXXXXX", owner)).string();
  if (mkdtemp(path.data()) == nullptr) return ErrnoStatus(errno, "mkdtemp " + path);
  return Scratch(std::move(path));
}

Scratch::~Scratch() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace millrace::modules
