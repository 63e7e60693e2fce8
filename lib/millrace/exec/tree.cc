// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/tree.h"

#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string_view>

#include "millrace/base/fd.h"
#include "millrace/exec/small_file.h"
#include "millrace/exec/spawn.h"

namespace millrace::exec {
namespace {

// The names in a folder of /proc that are numbers.
std::vector<pid_t> Numbers(const std::string& folder) {
  std::vector<pid_t> numbers;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(folder.c_str()), closedir);
  if (!directory) return numbers;
  while (const dirent* entry = readdir(directory.get())) {
    const int number = std::atoi(entry->d_name);
    if (number > 0) numbers.push_back(number);
  }
  return numbers;
}

// Kernels without CONFIG_PROC_CHILDREN have no such files; there a scan of all processes takes their place.
bool HasChildrenFiles() {
  static const bool has = [] {
    const std::string self = std::to_string(getpid());
    return access(("/proc/" + self + "/task/" + self + "/children").c_str(), R_OK) == 0;
  }();
  return has;
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  const std::string folder = "/proc/" + std::to_string(pid) + "/task";
  for (const pid_t thread : Numbers(folder)) {
    const std::string text = ReadSmallFile(folder + "/" + std::to_string(thread) + "/children");
    const char* at = text.c_str();
    for (char* end = nullptr; const long child = std::strtol(at, &end, 10); at = end) {
      children.push_back(static_cast<pid_t>(child));
    }
  }
  return children;
}

std::multimap<pid_t, pid_t> ChildrenByParent(const std::vector<ProcessInfo>& processes) {
  std::multimap<pid_t, pid_t> children;
  for (const ProcessInfo& process : processes) children.emplace(process.parent, process.pid);
  return children;
}

bool SendTo(const UniqueFd& pidfd, int signal) {
  return syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

}  // namespace

std::optional<ProcessInfo> ReadProcess(pid_t pid) {
  const std::string text = ReadSmallFile("/proc/" + std::to_string(pid) + "/stat");
  // The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  ProcessInfo info;
  info.pid = pid;
  unsigned long long start_time = 0;
  const int fields = std::sscanf(text.c_str() + name_end + 1,
                                 " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                                 &info.state, &info.parent, &info.group, &info.session, &start_time);
  if (fields != 5) return std::nullopt;
  info.start_time = start_time;
  return info;
}

std::vector<ProcessInfo> AllProcesses() {
  std::vector<ProcessInfo> processes;
  for (const pid_t pid : Numbers("/proc")) {
    if (std::optional<ProcessInfo> info = ReadProcess(pid)) processes.push_back(*info);
  }
  return processes;
}

std::vector<pid_t> Descendants(pid_t root) {
  std::multimap<pid_t, pid_t> by_parent;
  if (!HasChildrenFiles()) by_parent = ChildrenByParent(AllProcesses());
  std::vector<pid_t> found{root};
  std::set<pid_t> known{root};
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::vector<pid_t> children;
    if (HasChildrenFiles()) {
      children = ChildrenOf(found[i]);
    } else {
      const auto [first, last] = by_parent.equal_range(found[i]);
      for (auto it = first; it != last; ++it) children.push_back(it->second);
    }
    for (const pid_t child : children) {
      if (known.insert(child).second) found.push_back(child);
    }
  }
  found.erase(found.begin());
  return found;
}

int KillDescendants(pid_t root, int signal, pid_t keep) {
  const std::vector<pid_t> pids = Descendants(root);
  std::set<pid_t> ancestors(pids.begin(), pids.end());
  ancestors.insert(root);
  // All are made sure of before the first is signalled: its end would give its children another parent.
  std::vector<UniqueFd> targets;
  for (const pid_t pid : pids) {
    if (pid == keep) continue;
    absl::StatusOr<UniqueFd> pidfd = OpenPidFd(pid);
    if (!pidfd.ok()) continue;
    const std::optional<ProcessInfo> info = ReadProcess(pid);
    if (!info || !info->alive() || ancestors.count(info->parent) == 0) continue;
    targets.push_back(*std::move(pidfd));
  }
  int signalled = 0;
  for (const UniqueFd& target : targets) signalled += SendTo(target, signal) ? 1 : 0;
  return signalled;
}

bool SignalProcess(pid_t pid, std::uint64_t start_time, int signal) {
  const absl::StatusOr<UniqueFd> pidfd = OpenPidFd(pid);
  if (!pidfd.ok()) return false;
  const std::optional<ProcessInfo> info = ReadProcess(pid);
  return info && info->alive() && info->start_time == start_time && SendTo(*pidfd, signal);
}

void ProcessTree::Look() {
  const std::vector<ProcessInfo> processes = AllProcesses();
  const std::multimap<pid_t, pid_t> children = ChildrenByParent(processes);
  std::map<pid_t, const ProcessInfo*> by_pid;
  std::vector<pid_t> members;
  for (const ProcessInfo& process : processes) {
    by_pid[process.pid] = &process;
    const auto seen = seen_.find(process.pid);
    if (process.group == leader_ || (seen != seen_.end() && seen->second == process.start_time)) {
      members.push_back(process.pid);
    }
  }
  std::set<pid_t> known(members.begin(), members.end());
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto [first, last] = children.equal_range(members[i]);
    for (auto it = first; it != last; ++it) {
      if (known.insert(it->second).second) members.push_back(it->second);
    }
  }
  seen_.clear();
  for (const pid_t pid : members) {
    if (by_pid[pid]->alive()) seen_[pid] = by_pid[pid]->start_time;
  }
}

void ProcessTree::Signal(int signal) {
  Look();
  kill(-leader_, signal);  // at once, before one of them can react by starting others
  for (const auto& [pid, start_time] : seen_) {
    const std::optional<ProcessInfo> info = ReadProcess(pid);
    if (info && info->group != leader_) SignalProcess(pid, start_time, signal);
  }
}

bool ProcessTree::Empty() {
  Look();
  return seen_.empty();
}

}  // namespace millrace::exec
