// SPDX-License-Identifier: Apache-2.0
// What the threads that write to the disk have in common: how they wait for work, and which trouble they wait out.
#pragma once

#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <vector>

#include "absl/status/status.h"
#include "millrace/base/time.h"
#include "millrace/net/mailbox.h"
#include "millrace/serve/clock.h"

namespace millrace::serve {

// A limit on the size of files is a full disk to them, not a reason to die.
inline void BlockFileSizeSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

// No room, a read-only disk, a lock of another program: the same may be tried again. After anything else it is not
// known what the disk holds.
inline bool Passes(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kPermissionDenied || status.code() == absl::StatusCode::kUnavailable;
}

// Sleeps until there is work, at most until `until`, and puts all there is in the place of what was in `jobs`.
template <class Job>
void AwaitJobs(net::Mailbox<Job>& mailbox, Instant until, std::vector<Job>& jobs) {
  int patience_ms = -1;
  if (until != kNever) {
    const Duration patience = std::max(until - Now(), Duration::zero());
    // One more than the milliseconds that are left: never early, never in a circle.
    patience_ms = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(patience).count() + 1);
  }
  pollfd item{mailbox.fd(), POLLIN, 0};
  poll(&item, 1, patience_ms);
  jobs.clear();
  mailbox.DrainInto(jobs);
}

}  // namespace millrace::serve
