// SPDX-License-Identifier: Apache-2.0
// Control groups (cgroup v2): one for the module host of each slot and all that it starts, where we may make some. They
// come on top of what a supervisor does without them: `cgroup.kill` ends a tree in one step, whatever it is up to, and
// the memory controller holds it to a limit exactly.
//
// They are made below the group that this process was started in: by a service manager that delegates it, in a
// container with a writable /sys/fs/cgroup, or as root. With controllers switched on a group may have processes or
// groups below it, not both. Therefore a worker that is alone in its group moves itself into one of its own
// (millrace-worker) first; one that is not alone switches nothing on, and limits are held by looking (memory.h).
// The supervisor stays outside, or it would kill itself.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace millrace::exec {

// The folder of a process's group in the one hierarchy of version 2, also where it stands beside version 1; "" where
// there is none within sight. The texts are /proc/PID/cgroup and /proc/PID/mountinfo.
std::filesystem::path FindCgroup(std::string_view cgroups, std::string_view mountinfo);

// The folder in which this process makes groups for its slots, found and prepared at the first call; "" without.
const std::filesystem::path& SlotCgroups();

// One group by its folder. The empty path is none: nothing is done, and all that is asked is refused.
class Cgroup {
 public:
  Cgroup() = default;
  explicit Cgroup(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // A new group for the slot with this mark (leftovers.h); none where that is not possible.
  static Cgroup Make(const std::filesystem::path& parent, std::string_view mark);
  // The one that this process is in; none where there is none within sight.
  static Cgroup OfThisProcess();
  // The mark of such a group by the name of its folder; "" when it is no such group.
  static std::string_view MarkOf(std::string_view name);

  bool exists() const { return !folder_.empty(); }
  const std::filesystem::path& folder() const { return folder_; }

  bool Add(pid_t pid) const;
  // KILL to all in it and below it. False where the kernel (before 5.14) cannot.
  bool Kill() const;
  // With all groups below it. False while processes are left.
  bool Remove() const;
  // Both. Waits for the dying to be gone, a fifth of a second at most.
  bool KillAndRemove() const;

  // Bytes for all in it together, on top of what they hold now; 0 lifts the limit. No swap, and all die together.
  // False without a memory controller.
  bool LimitMemory(std::int64_t limit) const;
  // What the kernel has counted since it was made: how often its limit left no way out, and how many processes in it
  // were killed for want of memory, by that limit or by one further out.
  struct MemoryEvents {
    std::int64_t over_limit = 0;
    std::int64_t kills = 0;
  };
  MemoryEvents CountMemoryEvents() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace millrace::exec
