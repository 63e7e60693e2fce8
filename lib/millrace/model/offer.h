// SPDX-License-Identifier: Apache-2.0
// What a worker offers: the other side of Requirements.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace millrace {

struct Tool {
  std::string name;
  std::string version;  // "" when the tool does not say
  friend bool operator==(const Tool&, const Tool&) = default;
};

// A module this worker can run. The fingerprint covers the types of its inputs, dependencies and result: a task is only
// sent to a worker whose module has the task's fingerprint.
struct OfferedModule {
  std::string name;
  std::uint64_t fingerprint = 0;
  friend bool operator==(const OfferedModule&, const OfferedModule&) = default;
};

struct Offer {
  std::string os;
  std::string arch;
  std::vector<Tool> tools;
  std::vector<std::string> tags;
  std::vector<OfferedModule> modules;
  std::int64_t cpus = 1;  // slots
  std::int64_t memory = 0;
  std::map<std::string, std::int64_t> resources;
  friend bool operator==(const Offer&, const Offer&) = default;
};

}  // namespace millrace
