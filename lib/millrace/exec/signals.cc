// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::exec {

absl::StatusOr<SignalFd> SignalFd::Create(std::initializer_list<int> signals) {
  sigset_t watched, former;
  sigemptyset(&watched);
  for (const int signal : signals) {
    if (sigaddset(&watched, signal) != 0) return InvalidArgument("%d is not a signal", signal);
  }
  if (const int error = pthread_sigmask(SIG_BLOCK, &watched, &former)) return ErrnoStatus(error, "block signals");
  UniqueFd fd(signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) {
    const int error = errno;
    pthread_sigmask(SIG_SETMASK, &former, nullptr);
    return ErrnoStatus(error, "signalfd");
  }
  return SignalFd(std::move(fd), former);
}

SignalFd::~SignalFd() {
  if (!fd_.valid()) return;
  Take();
  pthread_sigmask(SIG_SETMASK, &former_, nullptr);
}

std::vector<SignalFd::Signal> SignalFd::Take() {
  std::vector<Signal> taken;
  signalfd_siginfo info{};
  for (;;) {
    const ssize_t n = read(fd_.get(), &info, sizeof info);
    if (n < 0 && errno == EINTR) continue;
    if (n != sizeof info) return taken;
    Signal signal;
    signal.number = static_cast<int>(info.ssi_signo);
    signal.sender = static_cast<pid_t>(info.ssi_pid);
    taken.push_back(signal);
  }
}

void IgnoreSigpipe() { signal(SIGPIPE, SIG_IGN); }

}  // namespace millrace::exec
