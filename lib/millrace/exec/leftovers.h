// SPDX-License-Identifier: Apache-2.0
// Finds processes that have lost their supervisor, by a mark in their environment.
//
// A supervisor kills its tree when its worker dies, a worker cleans up when its supervisor dies; when both die at once
// (the kernel's out-of-memory killer, kill -9 of a whole group) the next worker on this machine does it at its start.
// The mark is "NAMESPACE-PID-START-N": the pid namespace, pid and start time of the worker, and the number of the slot.
// It needs no file, and cannot be mistaken: not after a pid was reused, and not for a container's workers, seen from
// outside. A cgroup of a slot has the mark in its name (cgroup.h), and is emptied and removed in the same way.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace millrace::exec {

// A mark for a slot of this process, never given twice.
std::string NewSlotMark();

// Kills what bears `mark`, and what is left of the session of `supervisor` (0 = none), whose process is dead. Until
// nothing is left, for at most a second. Returns how many it signalled.
int KillMarked(std::string_view mark, pid_t supervisor);

// Removes the temporary folders ("millrace-MARK-PID-...", modules/scratch.h) of a process that bore this mark and is
// dead.
void RemoveScratch(std::string_view mark, pid_t pid);

// Kills all marked processes whose worker is dead, and what is in its slots' cgroups. For the start of a worker;
// returns how many it signalled, not counting those of the kernel. Their temporary folders go too.
int KillLeftovers();

}  // namespace millrace::exec
