// SPDX-License-Identifier: Apache-2.0
// Frames on a byte stream between a worker and its module host: a 32-bit length in the machine's byte order (both are
// the same program on the same machine), then as many bytes. Empty frames are frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/base/status.h"

namespace millrace::exec {

inline constexpr std::size_t kFrameHeader = sizeof(std::uint32_t);
// Room for the largest payload (100 MiB by default) and what is said about it.
inline constexpr std::size_t kDefaultMaxFrame = std::size_t{128} << 20;

inline absl::Status CheckFrameSize(std::size_t size, std::size_t max_frame) {
  if (size <= max_frame && size <= UINT32_MAX) return absl::OkStatus();
  return ResourceExhausted("a message of %d bytes between worker and module is over the limit of %d", size, max_frame);
}

inline void AppendFrame(std::string_view frame, std::string* out) {
  const auto size = static_cast<std::uint32_t>(frame.size());
  out->append(reinterpret_cast<const char*>(&size), sizeof size);
  out->append(frame);
}

// Feed bytes as they come, get frames. Owns no descriptor. Memory is taken as bytes arrive, not as a length promises.
class FrameReader {
 public:
  explicit FrameReader(std::size_t max_frame) : max_frame_(max_frame) {}

  // Appends the frames that are now complete. After an error the stream has no meaning any more.
  absl::Status Feed(std::string_view bytes, std::vector<std::string>* frames) {
    buffer_.append(bytes);
    std::size_t at = 0;
    while (buffer_.size() - at >= kFrameHeader) {
      std::uint32_t size = 0;
      std::memcpy(&size, buffer_.data() + at, sizeof size);
      MILLRACE_RETURN_IF_ERROR(CheckFrameSize(size, max_frame_));
      if (buffer_.size() - at - kFrameHeader < size) break;
      frames->emplace_back(buffer_, at + kFrameHeader, size);
      at += kFrameHeader + size;
    }
    buffer_.erase(0, at);
    return absl::OkStatus();
  }
  bool mid_frame() const { return !buffer_.empty(); }

 private:
  std::size_t max_frame_;
  std::string buffer_;
};

}  // namespace millrace::exec
