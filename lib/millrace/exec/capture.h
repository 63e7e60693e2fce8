// SPDX-License-Identifier: Apache-2.0
// Keeps the beginning and the end of a stream in bounded memory: how it started and why it failed are what is asked
// for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace millrace::exec {

class Capture {
 public:
  // Keeps at most `limit` bytes: the first half, and the latest half.
  explicit Capture(std::size_t limit) : head_limit_(limit - limit / 2), tail_limit_(limit / 2) {}

  void Add(std::string_view chunk) {
    const std::size_t room = head_limit_ - head_.size();
    head_.append(chunk.substr(0, room));
    if (chunk.size() <= room) return;
    tail_.append(chunk.substr(room));
    // Cut at twice the limit only, so that each byte is moved a bounded number of times.
    if (tail_.size() > 2 * tail_limit_) Trim();
  }

  // All of it, or head and tail with a line between them that says how many bytes are missing. Once.
  std::string Take() {
    Trim();
    if (dropped_ == 0) {
      head_ += tail_;
    } else {
      absl::StrAppend(&head_, "\n[... ", dropped_, " bytes left out ...]\n", tail_);
    }
    return std::move(head_);
  }
  // Final after Take.
  std::uint64_t dropped() const { return dropped_; }

 private:
  void Trim() {
    if (tail_.size() <= tail_limit_) return;
    dropped_ += tail_.size() - tail_limit_;
    tail_.erase(0, tail_.size() - tail_limit_);
  }

  std::size_t head_limit_;
  std::size_t tail_limit_;
  std::string head_;
  std::string tail_;
  std::uint64_t dropped_ = 0;
};

}  // namespace millrace::exec
