// SPDX-License-Identifier: Apache-2.0
// What a child process sees of our environment: an allow-list, so that neither settings of ours (ORCHESTRATOR_URL,
// WORKER_ID, MILLRACE_...) nor whatever else is set where a worker runs leak into modules and make them differ by host.
#pragma once

#include <map>
#include <string>

namespace millrace::exec {

using Environment = std::map<std::string, std::string>;

// The variable that marks every process of a slot (see leftovers.h). It is no setting, and is handed down.
inline constexpr char kSlotVariable[] = "MILLRACE_SLOT";

// PATH, HOME, LANG, LC_ALL, TZ, TMPDIR, USER, SHELL and kSlotVariable as far as we have them, then `extra`, which wins:
// what the pipeline says, and the MILLRACE_INPUTS and the like of one task, arrive through it. A PATH is always there.
Environment ChildEnvironment(Environment extra);

}  // namespace millrace::exec
