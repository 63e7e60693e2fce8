// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/wakeup.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace millrace::net {

Wakeup::Wakeup() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) std::abort();
}

Wakeup::~Wakeup() { close(fd_); }

void Wakeup::Signal() {
  const std::uint64_t one = 1;
  // EAGAIN means the counter is full, and so the descriptor is readable already.
  while (write(fd_, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

void Wakeup::Drain() {
  std::uint64_t count = 0;
  while (read(fd_, &count, sizeof(count)) < 0 && errno == EINTR) {
  }
}

}  // namespace millrace::net
