// SPDX-License-Identifier: Apache-2.0
// The supervisor: a small process between a worker and the module host of one slot, so that nothing a module starts can
// outlive the worker. It is this same program, started again with a hidden first argument.
//
// Why a process of its own: a process group misses what calls setsid; PR_SET_PDEATHSIG dies with the *thread* that
// forked, and is cleared for grandchildren; a cgroup needs privileges. A child subreaper needs none: every orphan below
// it becomes its child, daemons too, and it learns of its worker's death, also by kill -9, from the end of their
// socket. It lives in a session of its own and ignores what a terminal or a service manager sends to everybody: the
// worker decides.
#pragma once

#include <optional>

namespace millrace::exec {

// First of all in main(), before threads, sockets or options: when this process was started to be a supervisor it
// becomes one, and the value is what main() must return. Else nullopt.
std::optional<int> MaybeRunSupervisor(int argc, char** argv);

// Whether MaybeRunSupervisor was called. A program that starts slots without it would start itself for ever.
bool SupervisorIsPossible();

}  // namespace millrace::exec
