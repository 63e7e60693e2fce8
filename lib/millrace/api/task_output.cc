// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/task_output.h"

#include <utility>

#include "millrace/api/failure_status.h"

namespace millrace {
namespace {

constexpr std::size_t kKeptBytes = 4096;

}  // namespace

void TaskOutput::Mask(std::shared_ptr<const exec::Masks> masks) {
  const std::lock_guard lock(mutex_);
  masks_ = std::move(masks);
  out_.emplace(*masks_);
  err_.emplace(*masks_);
}

void TaskOutput::Write(std::string_view text, bool is_stderr) {
  const std::lock_guard lock(mutex_);
  if (std::optional<exec::MaskStream>& stream = is_stderr ? err_ : out_) {
    Show(stream->Feed(text), is_stderr);
  } else {
    Show(text, is_stderr);
  }
}

void TaskOutput::End() {
  const std::lock_guard lock(mutex_);
  if (out_) Show(out_->End(), false);
  if (err_) Show(err_->End(), true);
}

void TaskOutput::Show(std::string_view text, bool is_stderr) {
  if (text.empty()) return;
  tail_.append(text.substr(text.size() - std::min(text.size(), kKeptBytes)));
  // Cut at four times the limit only, so that each byte is moved a bounded number of times.
  if (tail_.size() > 4 * kKeptBytes) tail_.erase(0, tail_.size() - kKeptBytes);
  if (sink_) sink_(text, is_stderr);
}

std::string TaskOutput::Tail() const {
  const std::lock_guard lock(mutex_);
  return std::string(LastLines(tail_, 20, kKeptBytes));
}

}  // namespace millrace
