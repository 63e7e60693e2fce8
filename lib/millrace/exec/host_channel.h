// SPDX-License-Identifier: Apache-2.0
// The module host's end of its channel to the worker: blocking, frame by frame. When the worker or the supervisor goes,
// so does the channel, and a host that sees its end has nothing left to live for.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/fd.h"
#include "millrace/exec/frame.h"

namespace millrace::exec {

// The descriptor on which a module host finds its channel.
inline constexpr int kHostChannelFd = 3;

class HostChannel {
 public:
  // Takes the descriptor over. Refuses what is no stream socket: then the program was not started by a worker.
  static absl::StatusOr<std::unique_ptr<HostChannel>> FromFd(int fd, std::size_t max_frame = kDefaultMaxFrame);

  // The next frame; nullopt at the end of the channel. One thread at a time.
  absl::StatusOr<std::optional<std::string>> Receive();

  // Any thread; blocks while the worker does not read. Refuses frames over the limit, and the channel stays usable.
  absl::Status Send(std::string_view frame);

 private:
  HostChannel(int fd, std::size_t max_frame) : fd_(fd), max_frame_(max_frame), reader_(max_frame) {}

  UniqueFd fd_;
  const std::size_t max_frame_;
  std::mutex sending_;
  // Of the receiving thread.
  FrameReader reader_;
  std::vector<std::string> received_;  // from next_ on not yet handed out
  std::size_t next_ = 0;
  absl::Status broken_;  // what follows the received ones
};

}  // namespace millrace::exec
