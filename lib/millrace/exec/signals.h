// SPDX-License-Identifier: Apache-2.0
// Signals as something to poll, instead of code that runs anywhere at any time.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <initializer_list>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/fd.h"

namespace millrace::exec {

class SignalFd {
 public:
  // Blocks the signals in this thread and in all it starts from now on: to be called before there are others, and
  // before a ZeroMQ context is made. What we start gets the default mask (see Spawn).
  static absl::StatusOr<SignalFd> Create(std::initializer_list<int> signals);
  // Forgets what is pending and restores the former mask of this thread.
  ~SignalFd();
  SignalFd(SignalFd&&) noexcept = default;
  SignalFd& operator=(SignalFd&&) = delete;

  int fd() const { return fd_.get(); }  // poll for POLLIN

  struct Signal {
    int number = 0;
    pid_t sender = 0;  // 0: the kernel
  };
  // What has come since the last call, without waiting. Equal signals that wait at the same time are one.
  std::vector<Signal> Take();

 private:
  SignalFd(UniqueFd fd, const sigset_t& former) : fd_(std::move(fd)), former_(former) {}

  UniqueFd fd_;
  sigset_t former_;
};

// A peer that is gone is an error of the write, never the end of this process.
void IgnoreSigpipe();

}  // namespace millrace::exec
