// SPDX-License-Identifier: Apache-2.0
// Files in the folder of a test, as people and other programs would leave them.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "tests/support/temporary.h"

namespace millrace::content {

using TestFolder = test::TemporaryDirectory;

inline void WriteFile(const std::filesystem::path& file, std::string_view text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}
inline std::string ReadFile(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
// How many files are below, links and directories not counted.
inline std::size_t CountFiles(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    count += entry.is_regular_file() && !entry.is_symlink() ? 1 : 0;
  }
  return count;
}
inline struct stat StatOf(const std::filesystem::path& file) {
  struct stat found {};
  if (lstat(file.c_str(), &found) != 0) std::abort();
  return found;
}

}  // namespace millrace::content
