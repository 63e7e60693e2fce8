// SPDX-License-Identifier: Apache-2.0
// Wakes a poll from another thread: a descriptor that is readable from Signal() until Drain().
#pragma once

namespace millrace::net {

class Wakeup {
 public:
  Wakeup();  // aborts when the process is out of descriptors: without one nothing could ever be told
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  void Signal();  // any thread; never blocks
  // Call before looking at what was signalled, so that a later signal is not lost.
  void Drain();
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace millrace::net
