// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/build_id.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>

#include "millrace/base/digest.h"

namespace millrace {
namespace {

std::string HashOfExecutable() {
  std::ifstream executable("/proc/self/exe", std::ios::binary);
  std::array<char, 1 << 16> chunk{};
  Hasher hasher;
  std::uint64_t total = 0;
  while (executable.read(chunk.data(), chunk.size()) || executable.gcount() > 0) {
    const auto count = static_cast<std::size_t>(executable.gcount());
    hasher.Add({chunk.data(), count});
    total += count;
  }
  if (total > 0 && executable.eof()) return hasher.Finish().Hex().substr(0, 16);
  return "unknown-" + std::to_string(getpid()) + "-" +
         std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
}

}  // namespace

const std::string& BuildId() {
  static const std::string id = HashOfExecutable();
  return id;
}

}  // namespace millrace
