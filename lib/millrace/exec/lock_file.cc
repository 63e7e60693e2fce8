// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::exec {
namespace {

// "process 4711 (millrace-broker)", as far as it can be found out.
std::string Holder(int fd) {
  char text[32] = {};
  if (pread(fd, text, sizeof text - 1, 0) <= 0) return "another process";
  const long pid = std::strtol(text, nullptr, 10);
  if (pid <= 0) return "another process";
  std::string holder = "process " + std::to_string(pid);
  std::string name;
  if (std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name)) holder += " (" + name + ")";
  return holder;
}

}  // namespace

absl::StatusOr<LockFile> LockFile::Acquire(const std::filesystem::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, "open the lock " + path.string());
  int locked;
  while ((locked = flock(fd.get(), LOCK_EX | LOCK_NB)) != 0 && errno == EINTR) {
  }
  if (locked != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "lock " + path.string());
    return FailedPrecondition("%s is held by %s; stop that one, or use another directory", path.string(),
                              Holder(fd.get()));
  }
  const std::string text = std::to_string(getpid()) + "\n";
  if (ftruncate(fd.get(), 0) != 0 || pwrite(fd.get(), text.data(), text.size(), 0) < 0) {
    return ErrnoStatus(errno, "write the lock " + path.string());
  }
  return LockFile(path, std::move(fd));
}

}  // namespace millrace::exec
