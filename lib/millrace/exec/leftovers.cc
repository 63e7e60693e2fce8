// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/leftovers.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "millrace/base/fd.h"
#include "millrace/exec/cgroup.h"
#include "millrace/exec/environment.h"
#include "millrace/exec/tree.h"

namespace millrace::exec {
namespace {

unsigned long long PidNamespace() {
  struct stat status {};
  return stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

// The mark of a process, or "" for none. Of the processes of others we may not read it, nor could we kill them.
std::string MarkOf(pid_t pid) {
  const UniqueFd fd(open(("/proc/" + std::to_string(pid) + "/environ").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return "";
  std::string text(1, '\0');
  char buffer[16384];
  for (ssize_t n; (n = read(fd.get(), buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  const std::string wanted = std::string(1, '\0') + kSlotVariable + "=";
  const std::size_t at = text.find(wanted);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + wanted.size();
  const std::size_t end = text.find('\0', begin);
  return text.substr(begin, end == std::string::npos ? end : end - begin);
}

constexpr std::string_view kScratchPrefix = "millrace-";

void RemoveScratchThat(const std::function<bool(std::string_view)>& matches) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  if (error) return;
  for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    std::error_code ignored;
    if (!name.starts_with(kScratchPrefix) || !entry.is_directory(ignored) || entry.is_symlink(ignored)) continue;
    if (matches(std::string_view(name).substr(kScratchPrefix.size()))) {
      std::filesystem::remove_all(entry.path(), ignored);  // those of other users stay: we may not
    }
  }
}

// Signals until nothing matches any more: a process may have started another since it was listed. One that takes its
// time to die is signalled again, and counts once.
int KillWhile(const std::function<bool(const ProcessInfo&)>& matches) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  std::set<pid_t> signalled;
  for (bool found = true; found && std::chrono::steady_clock::now() < until;) {
    found = false;
    for (const ProcessInfo& process : AllProcesses()) {
      if (process.pid == getpid() || !process.alive() || !matches(process)) continue;
      found = true;
      if (SignalProcess(process.pid, process.start_time, SIGKILL)) signalled.insert(process.pid);
    }
    if (found) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return static_cast<int>(signalled.size());
}

bool IsOrphanMark(const std::string& mark, unsigned long long our_namespace) {
  unsigned long long space = 0, start_time = 0;
  int worker = 0;
  if (std::sscanf(mark.c_str(), "%llu-%d-%llu-", &space, &worker, &start_time) != 3) return false;
  if (space != our_namespace || our_namespace == 0) return false;
  const std::optional<ProcessInfo> info = ReadProcess(worker);
  return !info || !info->alive() || info->start_time != start_time;
}

}  // namespace

std::string NewSlotMark() {
  static std::atomic<unsigned> slots{0};
  const std::optional<ProcessInfo> self = ReadProcess(getpid());
  return absl::StrFormat("%u-%d-%u-%u", PidNamespace(), getpid(), self ? self->start_time : 0, ++slots);
}

int KillMarked(std::string_view mark, pid_t supervisor) {
  return KillWhile([&](const ProcessInfo& process) {
    if (MarkOf(process.pid) == mark) return true;
    // The number of a session stays taken while it has members, unless it was empty and came to others since: those
    // have a living leader.
    return supervisor > 0 && process.session == supervisor && process.pid != supervisor && !ReadProcess(supervisor);
  });
}

void RemoveScratch(std::string_view mark, pid_t pid) {
  const std::string ours = std::string(mark) + "-" + std::to_string(pid) + "-";
  RemoveScratchThat([&ours](std::string_view name) { return name.starts_with(ours); });
}

int KillLeftovers() {
  const unsigned long long our_namespace = PidNamespace();
  std::vector<Cgroup> cgroups;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(SlotCgroups(), error)) {
    const std::string mark(Cgroup::MarkOf(entry.path().filename().string()));
    if (!IsOrphanMark(mark, our_namespace)) continue;
    cgroups.emplace_back(entry.path()).Kill();  // also what has dropped its mark
  }
  const int signalled = KillWhile([&](const ProcessInfo& process) {
    const std::string mark = MarkOf(process.pid);
    return !mark.empty() && IsOrphanMark(mark, our_namespace);
  });
  for (const Cgroup& cgroup : cgroups) cgroup.KillAndRemove();
  RemoveScratchThat([our_namespace](std::string_view name) { return IsOrphanMark(std::string(name), our_namespace); });
  return signalled;
}

}  // namespace millrace::exec
