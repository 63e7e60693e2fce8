// SPDX-License-Identifier: Apache-2.0
// Proof that a process on this machine has ended: what turns a closed connection into a dead worker.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::serve {

// A process as /proc names it for good: pids are reused, a pid with its start time is not.
struct WatchedProcess {
  std::uint32_t pid = 0;
  std::uint64_t start_ticks = 0;  // 0 = not watched
};

// Watches `pid` if it is a process on this machine: `host` is ours, and the process is there now.
WatchedProcess Watch(const std::string& host, std::uint32_t pid);
// True only with proof: gone, replaced, a zombie, or on its way out (the kernel closes a dying process's connections
// before it becomes a zombie). False for a process that is not watched.
bool HasEnded(const WatchedProcess& process);

std::string HostName();

}  // namespace millrace::serve
