// SPDX-License-Identifier: Apache-2.0
// How our programs end, after sysexits.h: scripts and service managers decide by these numbers.
#pragma once

#include <system_error>

#include "absl/status/status.h"

namespace millrace::host {

enum ExitCode : int {
  kSucceeded = 0,
  kRunFailed = 1,     // the run has a failed module, or the answer is no
  kUsage = 64,        // unknown option, missing argument
  kBadInput = 65,     // a pipeline file that is refused
  kNoInput = 66,      // a file that is not there
  kUnreachable = 69,  // no broker
  kOurFault = 70,
  kNoResources = 71,  // no memory, no thread
  kDisk = 74,
  kTryAgain = 75,  // the broker is lost, or busy
  kVersions = 76,  // the other side speaks another version
  kNotAllowed = 77,
  kBadConfig = 78,     // a setting with a bad value, keys that are missing
  kInterrupted = 130,  // Ctrl-C
};

// The error of a thread that could not be started.
absl::Status NoThread(const std::system_error& error);

// What a program that cannot go on because of `status` exits with.
int ExitCodeOf(const absl::Status& status);

}  // namespace millrace::host
