// SPDX-License-Identifier: Apache-2.0
// What a task's processes may not do, whatever they run: gain privileges by a setuid program, leave core files, and use
// more than what the operator of a worker has set. A module host puts it on itself before its first task, and all that
// it starts inherits it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace::exec {

// By their names: cpu (seconds of a process), files (open descriptors), file-size (bytes), processes (of the user,
// which binds everybody but root), memory (bytes of address space of a process), stack (bytes), core (bytes).
using TaskLimits = std::map<std::string, std::int64_t>;

struct Confinement {
  bool new_privileges = false;  // may be gained: by sudo, ping and the like
  TaskLimits limits;
};

const std::vector<std::string>& TaskLimitNames();
// "memory=4GiB", "cpu=10m", "files=100". InvalidArgument with what is allowed and the nearest name.
absl::StatusOr<std::pair<std::string, std::int64_t>> ParseTaskLimit(std::string_view text);
// What ParseTaskLimit reads.
std::string TaskLimitText(const std::string& name, std::int64_t value);

// FailedPrecondition when this process may not hand out as much: its own hard limits are lower.
absl::Status CheckTaskLimits(const TaskLimits& limits);

// One word of a command line, and back.
std::string ConfinementText(const Confinement& confinement);
absl::StatusOr<Confinement> ParseConfinement(std::string_view text);

// Confines this process, for good. Of a limit on cpu time see RenewCpuLimit.
absl::Status Confine(const Confinement& confinement);
// Confines what this thread will start to the privileges that we have, for good.
absl::Status DropNewPrivileges();

// A module host runs one task after the other: the time that it has taken before is not the next one's. Does nothing in
// a process without that limit.
void RenewCpuLimit();
// The same for a process that was just started from here. (Should it have started others in the instant before, these
// have what is left of ours.)
void HoldToCpuLimit(int pid);

}  // namespace millrace::exec
