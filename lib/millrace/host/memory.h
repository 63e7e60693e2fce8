// SPDX-License-Identifier: Apache-2.0
// How our programs end when the system gives them no memory or no thread: in one line, with EX_OSERR, as if killed.
#pragma once

namespace millrace::host {

// From now on, std::bad_alloc and std::system_error that nobody catches end the process with kNoResources; what else is
// not caught still aborts. Nothing is unwound or written after it, so that what counts is what is on disk, and nothing
// is allocated on the way. To be called first in a main().
void EndPlainlyWithoutMemory();

}  // namespace millrace::host
