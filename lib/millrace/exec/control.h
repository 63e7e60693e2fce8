// SPDX-License-Identifier: Apache-2.0
// What a worker and the supervisor of one of its slots say to each other: fixed structs, one per packet
// (SOCK_SEQPACKET). Both ends are the same program. The end of the socket is itself a message: to the supervisor, that
// its worker is dead.
#pragma once

#include <cstdint>

namespace millrace::exec {

// The hidden first argument; the worker's pid, the folder of the slot's cgroup (or "") and the host's arguments follow.
inline constexpr char kSupervisorWord[] = "--millrace-supervise";
// The descriptor on which a supervisor finds its control socket.
inline constexpr int kControlFd = 3;

enum class ControlKind : std::int32_t {
  // To the supervisor.
  kStartHost,  // carries the host's channel as a descriptor; what is left of the former tree is killed first
  kTerminate,  // TERM to all, KILL after `value` nanoseconds
  kKill,       // KILL to all
  kSweep,      // KILL to all but the host; their memory is no longer limited
  kLimit,      // from now on they may take `value` bytes together, until the next kSweep or kStartHost
  // To the worker.
  kHostStarted,  // value: its pid
  kHostExited,   // code, signal; or value: the errno of a start that failed
  kTreeEmpty,    // nothing is left, after kHostExited
  kTreeSwept,    // nothing but the host is left
  kOutOfMemory,  // before kHostExited: value: the bytes they used, which were over kLimit; 0: the kernel killed some
                 // where no limit of ours was in the way
};

struct ControlMessage {
  ControlKind kind{};
  std::int32_t code = 0;
  std::int32_t signal = 0;
  std::int64_t value = 0;
};

}  // namespace millrace::exec
