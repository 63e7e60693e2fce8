// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/detect.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <sstream>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace millrace::exec {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// The words of a small file; none if it cannot be read.
std::vector<std::string> Words(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istream_iterator<std::string>(file), {}};
}

std::optional<std::int64_t> NumberIn(const std::filesystem::path& path, std::size_t word = 0) {
  const std::vector<std::string> words = Words(path);
  std::int64_t value = 0;
  if (word >= words.size() || !absl::SimpleAtoi(words[word], &value)) return std::nullopt;
  return value;
}

// The directories of our cgroup for `controller` ("" = the unified hierarchy of v2), from ours up to the root: a limit
// at any of them holds. In a container our path may lie outside of what is mounted; then the root is ours.
std::vector<std::filesystem::path> CgroupDirs(const std::filesystem::path& root, const std::string& controller) {
  std::ifstream file(root / "proc/self/cgroup");
  std::vector<std::filesystem::path> dirs;
  std::string line;
  while (std::getline(file, line)) {  // ID:CONTROLLERS:PATH
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool ours =
        controller.empty() ? controllers == ",," : controllers.find("," + controller + ",") != std::string::npos;
    if (!ours) continue;
    const std::filesystem::path mount = root / "sys/fs/cgroup" / controller;
    const std::filesystem::path below = std::filesystem::path(line.substr(second + 1)).relative_path();
    for (std::filesystem::path part = below; !part.empty(); part = part.parent_path()) dirs.push_back(mount / part);
    dirs.push_back(mount);
  }
  return dirs;
}

std::int64_t CgroupCpus(const std::filesystem::path& root) {
  std::int64_t cpus = kUnlimited;
  const auto limit = [&cpus](std::optional<std::int64_t> quota, std::optional<std::int64_t> period) {
    if (!quota.has_value() || !period.has_value() || *quota <= 0 || *period <= 0) return;
    cpus = std::min(cpus, (*quota - 1) / *period + 1);
  };
  for (const std::filesystem::path& dir : CgroupDirs(root, "")) {
    limit(NumberIn(dir / "cpu.max", 0), NumberIn(dir / "cpu.max", 1));  // "max 100000": no number, no limit
  }
  for (const std::filesystem::path& dir : CgroupDirs(root, "cpu")) {
    limit(NumberIn(dir / "cpu.cfs_quota_us"), NumberIn(dir / "cpu.cfs_period_us"));  // -1: no limit
  }
  return cpus;
}

std::int64_t CgroupMemory(const std::filesystem::path& root) {
  std::int64_t bytes = kUnlimited;
  for (const std::filesystem::path& dir : CgroupDirs(root, "")) {
    bytes = std::min(bytes, NumberIn(dir / "memory.max").value_or(kUnlimited));
  }
  for (const std::filesystem::path& dir : CgroupDirs(root, "memory")) {
    bytes = std::min(bytes, NumberIn(dir / "memory.limit_in_bytes").value_or(kUnlimited));
  }
  return bytes;
}

std::int64_t AllowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return std::max(1u, std::thread::hardware_concurrency());  // over 1024 cpus
}

std::int64_t MachineMemory(const std::filesystem::path& root) {
  std::ifstream file(root / "proc/meminfo");
  std::string name;
  std::int64_t kib = 0;
  while (file >> name) {
    if (name == "MemTotal:" && file >> kib) return kib * 1024;
    std::getline(file, name);
  }
  return 0;
}

std::string Known(std::string name, std::initializer_list<std::pair<std::string_view, std::string_view>> aliases) {
  absl::AsciiStrToLower(&name);
  for (const auto& [theirs, ours] : aliases) {
    if (name == theirs) return std::string(ours);
  }
  return name;
}

// The first number of `line` with a dot in it, or without if none is wanted.
std::string NumberOf(std::string_view line, bool dotted) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (!IsDigit(line[i])) continue;
    std::size_t end = i;
    bool has_dot = false;
    while (end < line.size() &&
           (IsDigit(line[end]) || (line[end] == '.' && end + 1 < line.size() && IsDigit(line[end + 1])))) {
      has_dot = has_dot || line[end] == '.';
      ++end;
    }
    const auto is_word = [&line](std::size_t at) {
      return std::isalnum(static_cast<unsigned char>(line[at])) != 0 || line[at] == '_' || line[at] == '-';
    };
    const bool alone = (i == 0 || !is_word(i - 1)) && (end == line.size() || !is_word(end));
    if (dotted ? has_dot : alone) return std::string(line.substr(i, end - i));
    i = end;
  }
  return "";
}

}  // namespace

Machine DetectMachine(const std::filesystem::path& root) {
  Machine machine;
  struct utsname names {};
  if (::uname(&names) == 0) {
    machine.os = Known(names.sysname, {{"darwin", "macos"}});
    machine.arch = Known(names.machine, {{"amd64", "x86_64"}, {"arm64", "aarch64"}});
    machine.hostname = names.nodename;
  }
  machine.cpus = std::max<std::int64_t>(1, std::min(AllowedCpus(), CgroupCpus(root)));
  const std::int64_t memory = MachineMemory(root);
  const std::int64_t limit = CgroupMemory(root);
  machine.memory = memory == 0 && limit == kUnlimited ? 0 : memory == 0 ? limit : std::min(memory, limit);
  return machine;
}

std::string VersionIn(std::string_view output) {
  for (const bool dotted : {true, false}) {
    std::istringstream lines{std::string(output)};
    std::string line;
    while (std::getline(lines, line)) {
      std::string version = NumberOf(line, dotted);
      if (!version.empty()) return version;
    }
  }
  return "";
}

}  // namespace millrace::exec
