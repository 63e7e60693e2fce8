// SPDX-License-Identifier: Apache-2.0
// What running attempts print: the last lines of each, for its failure, and everything in batches, for people who
// watch. Best effort by design: while there is no broker the oldest lines go first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/base/time.h"
#include "millrace/model/message.h"

namespace millrace::agent {

// The last 20 lines of an attempt, at most 4 KiB.
class OutputTail {
 public:
  void Append(std::string_view text);
  std::string Text() const;
  void Clear() { text_.clear(); }

 private:
  std::string text_;
};

class OutputBuffer {
 public:
  void Add(OutputChunk chunk, Instant now);
  // When what is here should be on its way; kNever when there is nothing.
  Instant DueAt() const { return due_; }
  bool empty() const { return chunks_.empty(); }
  // Everything, in messages of a moderate size.
  std::vector<Output> Take(SessionId session);

 private:
  std::deque<OutputChunk> chunks_;
  std::size_t bytes_ = 0;
  Instant due_ = kNever;
};

}  // namespace millrace::agent
