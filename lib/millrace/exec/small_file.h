// SPDX-License-Identifier: Apache-2.0
// The small files of /proc and of cgroups: read as a whole, written at once, and gone at any moment.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "millrace/base/fd.h"

namespace millrace::exec {

// "" when it is not there (any more) or not for us.
inline std::string ReadSmallFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  if (!fd.valid()) return text;
  char buffer[4096];
  for (ssize_t n; (n = read(fd.get(), buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  return text;
}

// Of a file that is there: the kernel takes or refuses the whole of it.
inline bool WriteSmallFile(const std::string& path, std::string_view text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return false;
  ssize_t written;
  while ((written = write(fd.get(), text.data(), text.size())) < 0 && errno == EINTR) {
  }
  return written == static_cast<ssize_t>(text.size());
}

}  // namespace millrace::exec
