// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/host_channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "millrace/base/status.h"

namespace millrace::exec {

absl::StatusOr<std::unique_ptr<HostChannel>> HostChannel::FromFd(int fd, std::size_t max_frame) {
  int type = 0;
  socklen_t length = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM) {
    return FailedPrecondition("descriptor %d is not a channel to a worker: module hosts are started by workers only",
                              fd);
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);  // what modules start must not hold it
  return std::unique_ptr<HostChannel>(new HostChannel(fd, max_frame));
}

absl::StatusOr<std::optional<std::string>> HostChannel::Receive() {
  char buffer[65536];
  while (next_ == received_.size()) {
    MILLRACE_RETURN_IF_ERROR(broken_);
    received_.clear();
    next_ = 0;
    const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    // A worker that was killed with unread bytes resets the channel: an end like any other.
    if (n == 0 || (n < 0 && errno == ECONNRESET)) return std::optional<std::string>();
    if (n < 0) return ErrnoStatus(errno, "read from the worker");
    broken_ = reader_.Feed({buffer, static_cast<std::size_t>(n)}, &received_);
  }
  return std::optional<std::string>(std::move(received_[next_++]));
}

absl::Status HostChannel::Send(std::string_view frame) {
  MILLRACE_RETURN_IF_ERROR(CheckFrameSize(frame.size(), max_frame_));
  auto size = static_cast<std::uint32_t>(frame.size());
  iovec parts[2] = {{&size, sizeof size}, {const_cast<char*>(frame.data()), frame.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  const std::lock_guard lock(sending_);
  while (parts[0].iov_len + parts[1].iov_len > 0) {
    const ssize_t n = sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "write to the worker");
    auto sent = static_cast<std::size_t>(n);
    for (iovec& part : parts) {
      const std::size_t step = std::min(sent, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + step;
      part.iov_len -= step;
      sent -= step;
    }
  }
  return absl::OkStatus();
}

}  // namespace millrace::exec
