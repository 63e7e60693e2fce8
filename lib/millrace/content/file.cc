// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "millrace/base/status.h"

namespace millrace::content {
namespace {

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::size_t kLinkBuffer = 65536;  // no file system has longer ones

std::int64_t NanosOf(const timespec& time) { return static_cast<std::int64_t>(time.tv_sec) * kNanos + time.tv_nsec; }

// One for each thread: asking the system for memory again and again would cost more than reading small files.
std::string& Buffer() {
  thread_local std::string buffer(kChunkBytes, '\0');
  return buffer;
}

ssize_t ReadSome(int fd, char* to, std::size_t size) {
  ssize_t count = 0;
  while ((count = read(fd, to, size)) < 0 && errno == EINTR) {
  }
  return count;
}

}  // namespace

FileStamp StampOf(const struct stat& found) {
  return {.size = static_cast<std::uint64_t>(found.st_size),
          .modified_ns = NanosOf(found.st_mtim),
          .changed_ns = NanosOf(found.st_ctim),
          .inode = found.st_ino};
}

std::int64_t FileClockNow() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return NanosOf(now);
}

absl::StatusOr<UniqueFd> OpenIn(int directory, const std::string& name, int flags, std::string_view what, mode_t mode) {
  UniqueFd fd(openat(directory, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd.valid()) return ErrnoStatus(errno, what);
  return fd;
}

absl::StatusOr<struct stat> StatIn(int directory, const std::string& name, std::string_view what) {
  struct stat found {};
  if (fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) return ErrnoStatus(errno, what);
  return found;
}

absl::StatusOr<std::string> ReadLinkIn(int directory, const std::string& name, std::string_view what) {
  for (std::size_t size = 256; size <= kLinkBuffer; size *= 4) {
    std::string target(size, '\0');
    const ssize_t count = readlinkat(directory, name.c_str(), target.data(), target.size());
    if (count < 0) return ErrnoStatus(errno, what);
    target.resize(static_cast<std::size_t>(count));
    if (target.size() < size) return target;
  }
  return ErrnoStatus(ENAMETOOLONG, what);
}

absl::StatusOr<std::vector<std::string>> NamesIn(int directory, std::string_view what) {
  // A descriptor of its own: reading a directory moves the place where it stands.
  const int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return ErrnoStatus(errno, what);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(again), &closedir);
  if (stream == nullptr) {
    const int error = errno;
    close(again);
    return ErrnoStatus(error, what);
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const entry = readdir(stream.get());  // NOLINT(concurrency-mt-unsafe): a stream of our own
    if (entry == nullptr && errno != 0) return ErrnoStatus(errno, what);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status WriteAll(int fd, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, what);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> ReadChunks(int fd, std::string_view what,
                                         const std::function<absl::Status(std::string_view)>& take) {
  std::string& buffer = Buffer();
  std::uint64_t total = 0;
  for (;;) {
    const ssize_t count = ReadSome(fd, buffer.data(), buffer.size());
    if (count < 0) return ErrnoStatus(errno, what);
    if (count == 0) return total;
    total += static_cast<std::uint64_t>(count);
    MILLRACE_RETURN_IF_ERROR(take({buffer.data(), static_cast<std::size_t>(count)}));
  }
}

absl::StatusOr<std::string> ReadUpTo(int fd, std::size_t limit, std::string_view limit_name, std::string_view what) {
  std::string bytes;
  MILLRACE_ASSIGN_OR_RETURN(const std::uint64_t size, ReadChunks(fd, what, [&](std::string_view chunk) -> absl::Status {
                              if (chunk.size() > limit - bytes.size()) {
                                return ResourceExhausted("%s is over %s of %d bytes", what, limit_name, limit);
                              }
                              bytes += chunk;
                              return absl::OkStatus();
                            }));
  static_cast<void>(size);
  return bytes;
}

absl::StatusOr<Copied> CopyContent(int from, int to, bool hash, std::string_view what, std::uint64_t most) {
  Hasher hasher;
  Copied copied;
  if (ioctl(to, FICLONE, from) == 0) {
    struct stat found {};
    if (fstat(to, &found) != 0) return ErrnoStatus(errno, what);
    copied.size = static_cast<std::uint64_t>(found.st_size);
    if (!hash) return copied;
    // What is hashed is the clone, which nobody writes to any more.
    for (std::uint64_t at = 0; at < copied.size;) {
      std::string& buffer = Buffer();
      const ssize_t count = pread(to, buffer.data(), buffer.size(), static_cast<off_t>(at));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return ErrnoStatus(count < 0 ? errno : EIO, what);
      hasher.Add({buffer.data(), static_cast<std::size_t>(count)});
      at += static_cast<std::uint64_t>(count);
    }
  } else {
    std::uint64_t so_far = 0;
    MILLRACE_ASSIGN_OR_RETURN(copied.size, ReadChunks(from, what, [&](std::string_view chunk) -> absl::Status {
                                so_far += chunk.size();
                                if (so_far > most) {
                                  return Error(absl::StatusCode::kAborted, "%s grows while it is read, beyond %d bytes",
                                               what, most);
                                }
                                if (hash) hasher.Add(chunk);
                                return WriteAll(to, chunk, what);
                              }));
  }
  if (hash) copied.digest = hasher.Finish();
  return copied;
}

absl::Status ReplaceFile(int directory, const std::string& name, std::string_view bytes) {
  const std::string temporary = name + "." + RandomName();
  MILLRACE_ASSIGN_OR_RETURN(const UniqueFd fd,
                            OpenIn(directory, temporary, O_WRONLY | O_CREAT | O_EXCL, temporary, 0600));
  absl::Status status = WriteAll(fd.get(), bytes, temporary);
  if (status.ok() && renameat(directory, temporary.c_str(), directory, name.c_str()) != 0) {
    status = ErrnoStatus(errno, name);
  }
  if (!status.ok()) unlinkat(directory, temporary.c_str(), 0);
  return status;
}

std::string RandomName() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz012345";
  std::string name(16, '\0');
  // Of so few bytes and this early it neither fails nor is interrupted.
  if (getrandom(name.data(), name.size(), 0) != static_cast<ssize_t>(name.size())) std::abort();
  for (char& c : name) c = kLetters[static_cast<unsigned char>(c) % kLetters.size()];
  return name;
}

}  // namespace millrace::content
