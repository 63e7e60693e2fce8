// SPDX-License-Identifier: Apache-2.0
// What whoever looks at a failed task wants to know first: how it ended, where, whether others failed there, and how it
// is run again here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "millrace/base/ids.h"
#include "millrace/model/view.h"

namespace millrace::report {

// "SIGKILL"; "signal 99" for one without a name.
std::string SignalName(int signal);
// "out of memory", "signal 9 (SIGKILL)", "exit code 7", "std::runtime_error thrown", "over its timeout", "its worker
// was lost"; "" when nothing of that is known.
std::string HowItEnded(const TaskView& task);
bool HasFailed(const TaskView& task);

// Of a failed task: the host on which it failed, "" when that is not known.
const std::string& HostOf(const TaskView& task);

// One word for /bin/sh, quoted where it must be.
std::string ShellWord(std::string_view text);
// The command that runs the task again on the machine where it is typed. `program`: one that has its module. `source`:
// the options that say where its record is, quoted already: "--data-dir DIR".
std::string RerunCommand(std::string_view program, RunId run, const std::string& task, std::string_view source);

}  // namespace millrace::report
