// SPDX-License-Identifier: Apache-2.0
// What one attempt prints: handed on as it comes, its end kept for the report of a failure.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace millrace {

class TaskOutput {
 public:
  using Sink = std::function<void(std::string_view text, bool is_stderr)>;

  // `sink` is called from whichever thread writes, one call at a time. `settle` brings in what was printed elsewhere
  // and has not arrived yet, such as the standard streams of the process; it may call Write.
  explicit TaskOutput(Sink sink, std::function<void()> settle = {})
      : sink_(std::move(sink)), settle_(std::move(settle)) {}
  TaskOutput(const TaskOutput&) = delete;
  TaskOutput& operator=(const TaskOutput&) = delete;

  void Write(std::string_view text, bool is_stderr);
  void Settle() const {
    if (settle_) settle_();
  }
  // The last lines written to either stream.
  std::string Tail() const;

 private:
  Sink sink_;
  std::function<void()> settle_;
  mutable std::mutex mutex_;
  std::string tail_;
};

}  // namespace millrace
