// SPDX-License-Identifier: Apache-2.0
// Lets nobody in while few descriptors are left, so that strangers cannot take those for which files are opened.
//
// ZeroMQ accepts whoever comes until there is no descriptor left, has no option for it, and then tries in a circle. It
// accepts by accept4(2), and in this program that is the function below: the system looks a library's names up in the
// program first. A program of somebody else that serves as a broker keeps its own.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace {

// For files of results and of the data directory, and for the connections of the HTTP plane, which are bounded by
// themselves. Of a small limit half.
constexpr rlim_t kKeptDescriptors = 128;

// Descriptors are given out from the lowest free one on: below this one all are taken.
bool IsOneOfTheLast(int descriptor) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  return static_cast<rlim_t>(descriptor) >= limit.rlim_cur - std::min(kKeptDescriptors, limit.rlim_cur / 2);
}

}  // namespace

extern "C" __attribute__((visibility("default"), used)) int accept4(int listener, sockaddr* address, socklen_t* size,
                                                                    int flags) {
  const auto accepted = static_cast<int>(syscall(SYS_accept4, listener, address, size, flags));
  if (accepted < 0 || !IsOneOfTheLast(accepted)) return accepted;
  close(accepted);
  errno = ECONNABORTED;  // the one who came will come again
  return -1;
}
