// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "millrace/base/status.h"

namespace millrace::yaml {

absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t max_bytes) {
  const bool standard_input = path == "-";
  const int file = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return ErrnoStatus(errno, "open " + path);
  std::string text;
  int error = 0;
  char buffer[16384];
  while (text.size() <= max_bytes) {
    const ssize_t got = ::read(file, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  if (!standard_input) ::close(file);
  if (error != 0) return ErrnoStatus(error, "read " + path);
  return text;
}

}  // namespace millrace::yaml
