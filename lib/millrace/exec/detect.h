// SPDX-License-Identifier: Apache-2.0
// What this machine is and has, for a worker's offer. Looking never fails and never takes long: what cannot be found
// out is left empty, and the start of a worker does not wait for a tool that hangs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/base/time.h"

namespace millrace::exec {

struct Machine {
  std::string os;    // "linux", "macos", else the system's own name in lower case
  std::string arch;  // "x86_64", "aarch64", else the system's own name
  std::string hostname;
  std::int64_t cpus = 1;    // what we may use: affinity and cgroup quota counted, a part of a cpu as one
  std::int64_t memory = 0;  // bytes we may use: the machine's, or the limit of our cgroup; 0 = unknown
};

// `root` is where /proc and /sys are.
Machine DetectMachine(const std::filesystem::path& root = "/");

struct InstalledTool {
  std::string name;
  std::string version;  // "" when the tool did not say in time
  friend bool operator==(const InstalledTool&, const InstalledTool&) = default;
};

// How a tool is asked for its version.
struct ToolProbe {
  std::string name;
  std::vector<std::string> args = {"--version"};
};
// git, cmake, compilers, interpreters, package managers, containers, ...
const std::vector<ToolProbe>& WellKnownTools();

struct ToolSearch {
  std::vector<ToolProbe> probes = WellKnownTools();
  std::string path{};  // a list like PATH; "" = that of this process
  // Generous, for a busy machine: a tool without a version never meets a demand for one.
  Duration tool_limit = std::chrono::seconds(6);    // then a tool is killed and has no version
  Duration total_limit = std::chrono::seconds(12);  // then we go on with what is known
};

// Those of the probes that are on the path, in the order of their names.
std::vector<InstalledTool> DetectTools(const ToolSearch& search = {});

// The first dotted number of the first line that has one ("git version 2.39.5" -> "2.39.5"), else the first whole
// number that stands alone ("openjdk version \"21\""), else "".
std::string VersionIn(std::string_view output);

}  // namespace millrace::exec
