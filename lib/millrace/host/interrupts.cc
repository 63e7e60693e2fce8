// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/interrupts.h"

#include <poll.h>

#include <array>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::host {

absl::StatusOr<std::unique_ptr<Interrupts>> Interrupts::Begin() {
  exec::IgnoreSigpipe();
  MILLRACE_ASSIGN_OR_RETURN(exec::SignalFd signals, exec::SignalFd::Create({SIGINT, SIGTERM, SIGHUP}));
  return std::unique_ptr<Interrupts>(new Interrupts(std::move(signals)));
}

Interrupts::Interrupts(exec::SignalFd signals) : signals_(std::move(signals)), thread_([this] { Listen(); }) {}

Interrupts::~Interrupts() {
  end_.Signal();
  thread_.join();
}

void Interrupts::SetHandler(std::function<void(int)> handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
  if (handler_ && count_ > 0) handler_(count_);
}

void Interrupts::Listen() {
  while (true) {
    std::array<pollfd, 2> items = {pollfd{signals_.fd(), POLLIN, 0}, pollfd{end_.fd(), POLLIN, 0}};
    poll(items.data(), items.size(), -1);
    if ((items[1].revents & POLLIN) != 0) return;
    for ([[maybe_unused]] const auto& signal : signals_.Take()) {
      const std::lock_guard lock(mutex_);
      ++count_;
      if (handler_) handler_(count_);
    }
  }
}

}  // namespace millrace::host
