// SPDX-License-Identifier: Apache-2.0
// Who descends from whom, as /proc tells it, and signals to all of them.
//
// /proc is a moving picture: processes come and go while it is read. Therefore nothing here says "the tree is dead":
// callers signal and look again until nothing is left. A pid is never signalled on trust: it is held by a pidfd, its
// place in the tree or its start time is checked again, and only then the signal goes to what is held.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace::exec {

struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  char state = '?';              // 'Z': dead, not yet waited for
  std::uint64_t start_time = 0;  // clock ticks since boot; with the pid it names a process for good
  bool alive() const { return state != 'Z' && state != 'X'; }
};

std::optional<ProcessInfo> ReadProcess(pid_t pid);
std::vector<ProcessInfo> AllProcesses();

// Everything below `root`, parents before children, without `root` itself. Zombies are listed.
std::vector<pid_t> Descendants(pid_t root);

// Signals all living descendants of `root` except `keep` (0 = none); what is below `keep` is signalled. Returns how
// many.
int KillDescendants(pid_t root, int signal, pid_t keep = 0);

// Signals the very process that had this pid and start time. False when it is gone.
bool SignalProcess(pid_t pid, std::uint64_t start_time, int signal);

// The processes of one command: its process group, and whatever was once seen below one of them, also after it has
// moved to another group, session or parent. The leader must not be waited for as long as this is in use: as a zombie
// it keeps the number of its group from being given to others.
class ProcessTree {
 public:
  explicit ProcessTree(pid_t leader) : leader_(leader) {}

  void Signal(int signal);
  // Looks again. True when none is alive.
  bool Empty();

 private:
  void Look();

  pid_t leader_;
  std::map<pid_t, std::uint64_t> seen_;  // pid -> start time, of those alive at the last look
};

}  // namespace millrace::exec
