// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/output_stream.h"

#include <utility>

namespace millrace {

void OutputStream::Write(AttemptId attempt, std::string_view text, bool is_stderr) {
  bool begins = false;
  {
    const std::lock_guard lock(mutex_);
    if (pending_.attempt != attempt || pending_.is_stderr != is_stderr) SendLocked();
    while (!text.empty()) {
      if (pending_.text.empty()) {
        pending_.attempt = attempt;
        pending_.is_stderr = is_stderr;
        since_ = Clock::now();
        begins = true;
      }
      const std::string_view part = text.substr(0, kLargestChunk - pending_.text.size());
      pending_.text.append(part);
      text.remove_prefix(part.size());
      if (pending_.text.size() >= kLargestChunk) SendLocked();
    }
  }
  if (begins) wake_();
}

void OutputStream::Flush() {
  const std::lock_guard lock(mutex_);
  SendLocked();
}

std::optional<OutputStream::Clock::time_point> OutputStream::FlushIfDue(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (pending_.text.empty()) return std::nullopt;
  if (since_ + kLongestWait > now) return since_ + kLongestWait;
  SendLocked();
  return std::nullopt;
}

void OutputStream::SendLocked() {
  if (pending_.text.empty()) return;
  send_(std::exchange(pending_, {}));
}

}  // namespace millrace
