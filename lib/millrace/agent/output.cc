// SPDX-License-Identifier: Apache-2.0
#include "millrace/agent/output.h"

#include <algorithm>
#include <utility>

#include "millrace/agent/timing.h"

namespace millrace::agent {
namespace {

constexpr std::size_t kTailBytes = 4096;
constexpr std::size_t kTailLines = 20;
constexpr std::size_t kMessageBytes = 32u << 10;
constexpr std::size_t kBufferBytes = 256u << 10;  // kept while there is nobody to send it to

}  // namespace

void OutputTail::Append(std::string_view text) {
  if (text.size() > kTailBytes) text.remove_prefix(text.size() - kTailBytes);
  text_ += text;
  if (text_.size() > 4 * kTailBytes) text_.erase(0, text_.size() - kTailBytes);
}

std::string OutputTail::Text() const {
  std::string_view tail = text_;
  while (!tail.empty() && (tail.back() == '\n' || tail.back() == '\r')) tail.remove_suffix(1);
  if (tail.size() > kTailBytes) {
    tail.remove_prefix(tail.size() - kTailBytes);
    const std::size_t whole_line = tail.find('\n');
    if (whole_line != std::string_view::npos) tail.remove_prefix(whole_line + 1);
  }
  std::size_t cut = tail.size();
  for (std::size_t lines = 0; lines < kTailLines; ++lines) {
    cut = cut == 0 ? std::string_view::npos : tail.rfind('\n', cut - 1);
    if (cut == std::string_view::npos) return std::string(tail);
  }
  return std::string(tail.substr(cut + 1));
}

void OutputBuffer::Add(OutputChunk chunk, Instant now) {
  if (chunk.text.empty()) return;
  bytes_ += chunk.text.size();
  if (!chunks_.empty() && chunks_.back().attempt == chunk.attempt && chunks_.back().is_stderr == chunk.is_stderr &&
      chunks_.back().text.size() < kMessageBytes) {
    chunks_.back().text += chunk.text;
  } else {
    chunks_.push_back(std::move(chunk));
  }
  while (bytes_ > kBufferBytes && chunks_.size() > 1) {
    bytes_ -= chunks_.front().text.size();
    chunks_.pop_front();
  }
  if (due_ == kNever) due_ = After(now, kOutputBatch);
  if (bytes_ >= kMessageBytes) due_ = now;
}

std::vector<Output> OutputBuffer::Take(SessionId session) {
  std::vector<Output> messages;
  std::size_t room = 0;
  for (OutputChunk& chunk : chunks_) {
    if (messages.empty() || room < chunk.text.size()) {
      messages.emplace_back();
      messages.back().session = session;
      room = kMessageBytes;
    }
    room -= std::min(room, chunk.text.size());
    messages.back().chunks.push_back(std::move(chunk));
  }
  chunks_.clear();
  bytes_ = 0;
  due_ = kNever;
  return messages;
}

}  // namespace millrace::agent
