// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and TERM as calls: the first asks to stop in order, the second at once.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/statusor.h"
#include "millrace/exec/signals.h"
#include "millrace/net/wakeup.h"

namespace millrace::host {

class Interrupts {
 public:
  // Early in main(), before there are other threads.
  static absl::StatusOr<std::unique_ptr<Interrupts>> Begin();
  ~Interrupts();

  // Called on a thread of its own with the number of signals so far, 1 for the first; one that came before is told at
  // once. An empty function takes the handler away; a call under way is waited for.
  void SetHandler(std::function<void(int count)> handler);

 private:
  explicit Interrupts(exec::SignalFd signals);
  void Listen();

  exec::SignalFd signals_;
  net::Wakeup end_;
  std::mutex mutex_;
  std::function<void(int)> handler_;
  int count_ = 0;
  std::thread thread_;
};

}  // namespace millrace::host
