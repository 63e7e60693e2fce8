// SPDX-License-Identifier: Apache-2.0
// For threads that write to the disk: a limit on the size of files is a full disk to them, not a reason to die.
#pragma once

#include <pthread.h>

#include <csignal>

namespace millrace::serve {

inline void BlockFileSizeSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace millrace::serve
