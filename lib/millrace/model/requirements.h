// SPDX-License-Identifier: Apache-2.0
// What a task demands of the worker that runs it. Matching is exact and ignores case; there is no "close enough".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace millrace {

struct Requirements {
  std::vector<std::string> os{};     // any of: "linux", "macos", "windows"; empty = any
  std::vector<std::string> arch{};   // any of: "x86_64", "aarch64"
  std::vector<std::string> tools{};  // all of: "cmake" or with a version: "cmake>=3.20", also == > <= <
  std::vector<std::string> tags{};   // all of
  std::int64_t cpus = 1;             // slots the task takes while it runs; 0 = none (a task that only waits)
  std::int64_t memory = 0;           // bytes
  std::map<std::string, std::int64_t> resources{};  // countable, e.g. {"gpu", 1}

  friend bool operator==(const Requirements&, const Requirements&) = default;
  friend auto operator<=>(const Requirements&, const Requirements&) = default;
};

}  // namespace millrace
