// SPDX-License-Identifier: Apache-2.0
// Output on its way from the module host to the worker: gathered into chunks, so that a module that prints byte by byte
// does not cost a message per byte, and sent soon, so that people see it live.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "millrace/base/ids.h"
#include "millrace/model/slot.h"

namespace millrace {

class OutputStream {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kLargestChunk = std::size_t{64} << 10;
  static constexpr std::chrono::milliseconds kLongestWait{100};

  // `send` is called by whoever writes or flushes, one call at a time, in order; `wake` when something begins to wait.
  OutputStream(std::function<void(SlotOutput)> send, std::function<void()> wake)
      : send_(std::move(send)), wake_(std::move(wake)) {}

  // What was written for another attempt before is sent first.
  void Write(AttemptId attempt, std::string_view text, bool is_stderr);
  void Flush();
  // Sends what has waited long enough; gives the time when the rest must go, if there is any.
  std::optional<Clock::time_point> FlushIfDue(Clock::time_point now);

 private:
  void SendLocked();

  std::function<void(SlotOutput)> send_;
  std::function<void()> wake_;
  std::mutex mutex_;
  SlotOutput pending_;
  Clock::time_point since_;
};

}  // namespace millrace
