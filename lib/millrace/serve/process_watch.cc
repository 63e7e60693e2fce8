// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/process_watch.h"

#include <unistd.h>

#include <array>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/exec/small_file.h"

namespace millrace::serve {
namespace {

constexpr std::uint64_t kExiting = 0x4;  // PF_EXITING of the kernel's include/linux/sched.h

struct ProcessStat {
  char state = '?';
  std::uint64_t flags = 0;
  std::uint64_t start_ticks = 0;
};

// proc(5): fields 3 (state), 9 (flags) and 22 (starttime); the name in field 2 may hold anything, also ')'.
std::optional<ProcessStat> ReadStat(std::uint32_t pid) {
  // Not by a stream: one throws when the process ends between open and read.
  const std::string text = exec::ReadSmallFile(absl::StrFormat("/proc/%u/stat", pid));
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(name_end + 1));
  std::vector<std::string> fields{std::istream_iterator<std::string>(rest), std::istream_iterator<std::string>()};
  if (fields.size() < 20) return std::nullopt;
  ProcessStat stat;
  stat.state = fields[0][0];
  stat.flags = std::strtoull(fields[6].c_str(), nullptr, 10);
  stat.start_ticks = std::strtoull(fields[19].c_str(), nullptr, 10);
  return stat;
}

}  // namespace

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

WatchedProcess Watch(const std::string& host, std::uint32_t pid) {
  if (pid == 0 || host != HostName()) return {};
  const auto stat = ReadStat(pid);
  if (!stat) return {};
  WatchedProcess process;
  process.pid = pid;
  process.start_ticks = stat->start_ticks;
  return process;
}

bool HasEnded(const WatchedProcess& process) {
  if (process.start_ticks == 0) return false;
  const auto stat = ReadStat(process.pid);
  return !stat || stat->start_ticks != process.start_ticks || stat->state == 'Z' || stat->state == 'X' ||
         (stat->flags & kExiting) != 0;
}

}  // namespace millrace::serve
