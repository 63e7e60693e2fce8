// SPDX-License-Identifier: Apache-2.0
// Starts one process with nothing of ours but what is named: default signal mask and dispositions, only the given
// descriptors, a group or session of its own. By posix_spawn, which shares our memory until the exec and so costs the
// same from a process of ten gigabytes.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/fd.h"
#include "millrace/exec/environment.h"

namespace millrace::exec {

struct SpawnRequest {
  std::string program;  // a path; relative ones start at `directory`
  std::vector<std::string> argv;
  Environment env;                               // the whole of it
  std::filesystem::path directory;               // empty: ours
  std::vector<std::pair<int, int>> descriptors;  // ours -> the child's. Without a 0 it reads /dev/null; without 1 and 2
                                                 // it shares ours. Everything else is closed.
  bool own_session = false;                      // a session of its own, else only a process group of its own
};

// A started child that nobody has waited for yet: its pid cannot be reused before Reap. `pidfd` is readable once it
// ended.
struct Child {
  pid_t pid = 0;
  UniqueFd pidfd;
};

struct ExitStatus {
  int code = 0;    // as shells say it: 128 + signal for one that was killed
  int signal = 0;  // 0: ended by itself
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};
ExitStatus ExitStatusOfWait(int wait_status);

// NotFound and PermissionDenied speak of the program; a directory that is not there is FailedPrecondition.
absl::StatusOr<Child> Spawn(const SpawnRequest& request);

absl::StatusOr<UniqueFd> OpenPidFd(pid_t pid);

}  // namespace millrace::exec
