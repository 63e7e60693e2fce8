// SPDX-License-Identifier: Apache-2.0
// Holds the processes of one attempt to a memory limit where no cgroup can: by looking, for as long as it runs.
//
// What counts is what the processes hold in memory and in swap, pages that several share divided among them (PSS), from
// /proc/PID/smaps_rollup; where that may not be read (setuid programs), what /proc/PID/status says. The first is dear,
// so it is asked only when the second, which is never less, is over the limit. What the module host held when the
// attempt began is not counted: an earlier attempt may have left it there.
//
// When the next look is due follows from what is still free: nothing grows faster than kFastestGrowth for long. And no
// look may cost more than a tenth of the time, however many processes there are. So an attempt goes over its limit by
// what it can take in the meantime, some tens of megabytes, and what lives for less than that is not seen.
//
// RLIMIT_DATA and RLIMIT_AS would be exact, but limit what a process reserves, not what it uses: thread stacks, the
// heaps of Java and Go, sanitizers. Programs that take little would fail. They also know nothing of a tree.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "millrace/base/time.h"

namespace millrace::exec {

// Bytes of memory and swap that a process holds, shared pages in full; 0 when it is gone.
std::int64_t ResidentBytes(pid_t pid);
// The same with its share of shared pages, if we may know.
std::int64_t ProportionalBytes(pid_t pid);
// Of several: exact when it is over `enough`, else some upper bound that is not.
std::int64_t MemoryOf(const std::vector<pid_t>& processes, std::int64_t enough);

class MemoryWatch {
 public:
  static constexpr std::int64_t kFastestGrowth = std::int64_t{2} << 30;  // bytes a second
  static constexpr Duration kShortestPause = std::chrono::milliseconds(10);
  static constexpr Duration kLongestPause = std::chrono::milliseconds(250);

  // From now on, until Stop: the first look is due at once.
  void Start(std::int64_t limit);
  void Stop() { limit_ = 0; }
  bool on() const { return limit_ > 0; }
  std::int64_t limit() const { return limit_; }
  Duration next_look() const { return next_look_; }  // on the clock of Look's `now`

  // Looks at all that is below `supervisor`, among it the host. What they use, when that is over the limit. `clock`
  // is asked twice, since a look takes its time.
  std::optional<std::int64_t> Look(pid_t supervisor, pid_t host, Duration (*clock)());

  // The pause after a look that took `cost`, with `room` bytes left.
  static Duration PauseAfter(std::int64_t room, Duration cost);

 private:
  std::int64_t limit_ = 0;
  std::optional<std::int64_t> before_;  // what the host held when the attempt began
  Duration next_look_{};
};

}  // namespace millrace::exec
