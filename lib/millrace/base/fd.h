// SPDX-License-Identifier: Apache-2.0
// An owned file descriptor: closed once, by whoever holds it last. -1 is "none".
#pragma once

#include <unistd.h>

namespace millrace {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void Reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);  // never retried: on Linux the descriptor is gone, also after EINTR
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace millrace
