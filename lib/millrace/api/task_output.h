// SPDX-License-Identifier: Apache-2.0
// What one attempt prints: its secrets masked, handed on as it comes, its end kept for the report of a failure.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "millrace/exec/mask.h"

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

  // From now on nothing that looks like a secret of `masks` gets out: also not what comes behind the end of the module,
  // from threads and children that it left.
  void Mask(std::shared_ptr<const exec::Masks> masks);
  void Write(std::string_view text, bool is_stderr);
  // Hands on what was kept because a secret may begin so.
  void End();
  void Settle() const {
    if (settle_) settle_();
  }
  // The last lines written to either stream.
  std::string Tail() const;

 private:
  Sink sink_;
  std::function<void()> settle_;
  void Show(std::string_view text, bool is_stderr);

  mutable std::mutex mutex_;
  std::string tail_;
  std::shared_ptr<const exec::Masks> masks_;  // of the two streams
  std::optional<exec::MaskStream> out_;
  std::optional<exec::MaskStream> err_;
};

}  // namespace millrace
