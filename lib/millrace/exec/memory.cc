// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/memory.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "millrace/exec/small_file.h"
#include "millrace/exec/tree.h"

namespace millrace::exec {
namespace {

constexpr std::int64_t kKilo = 1024;

std::string FileOf(pid_t pid, std::string_view name) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(name);
}

// The number of a line such as "VmRSS:     1234 kB", in bytes; nullopt without such a line.
std::optional<std::int64_t> Field(const std::string& text, std::string_view name) {
  const std::string begin = "\n" + std::string(name) + ":";
  const std::size_t at = text.find(begin);
  if (at == std::string::npos) return std::nullopt;
  return std::strtoll(text.c_str() + at + begin.size(), nullptr, 10) * kKilo;
}

}  // namespace

std::int64_t ResidentBytes(pid_t pid) {
  const std::string status = ReadSmallFile(FileOf(pid, "status"));
  return Field(status, "VmRSS").value_or(0) + Field(status, "VmSwap").value_or(0);
}

std::int64_t ProportionalBytes(pid_t pid) {
  const std::string rollup = ReadSmallFile(FileOf(pid, "smaps_rollup"));
  const std::optional<std::int64_t> share = Field(rollup, "Pss");
  return share ? *share + Field(rollup, "SwapPss").value_or(0) : ResidentBytes(pid);
}

std::int64_t MemoryOf(const std::vector<pid_t>& processes, std::int64_t enough) {
  std::int64_t bound = 0;
  for (const pid_t pid : processes) bound += ResidentBytes(pid);
  if (bound <= enough) return bound;
  std::int64_t exact = 0;
  for (const pid_t pid : processes) exact += ProportionalBytes(pid);
  return exact;
}

void MemoryWatch::Start(std::int64_t limit) {
  limit_ = limit;
  before_.reset();
  next_look_ = {};
}

std::optional<std::int64_t> MemoryWatch::Look(pid_t supervisor, pid_t host, Duration (*clock)()) {
  const Duration begin = clock();
  if (!before_) before_ = ProportionalBytes(host);
  const std::int64_t used = std::max<std::int64_t>(MemoryOf(Descendants(supervisor), limit_ + *before_) - *before_, 0);
  const Duration end = clock();
  next_look_ = end + PauseAfter(limit_ - used, end - begin);
  if (used <= limit_) return std::nullopt;
  return used;
}

Duration MemoryWatch::PauseAfter(std::int64_t room, Duration cost) {
  const std::int64_t free = std::clamp<std::int64_t>(room, 0, kFastestGrowth);
  const Duration until_full(free * Duration(std::chrono::seconds(1)).count() / kFastestGrowth);
  return std::max(std::clamp(until_full, kShortestPause, kLongestPause), cost * 10);
}

}  // namespace millrace::exec
