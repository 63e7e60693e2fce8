// SPDX-License-Identifier: Apache-2.0
#include "millrace/keys/keyring.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "millrace/base/status.h"

namespace millrace::keys {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status CheckPrivate(int fd, const fs::path& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return ErrnoStatus(errno, path.string());
  if (S_ISREG(info.st_mode) == 0) return FailedPrecondition("%s is not a plain file", path.string());
  if (info.st_uid != ::geteuid()) {
    return FailedPrecondition("%s belongs to user %d, and this is user %d: chown %d %s", path.string(), info.st_uid,
                              ::geteuid(), ::geteuid(), path.string());
  }
  if ((info.st_mode & 0077) != 0) {
    return FailedPrecondition("%s is open to others (mode %o), and keys must not be: chmod 600 %s", path.string(),
                              info.st_mode & 07777, path.string());
  }
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, std::string_view text, const fs::path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, path.string());
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0 ? absl::OkStatus() : ErrnoStatus(errno, path.string());
}

absl::Status Missing(const fs::path& path, const fs::path& folder) {
  return NotFound("there is no %s; make keys with: zmqctl keys init --keys %s", path.string(), folder.string());
}

}  // namespace

absl::StatusOr<std::string> ReadSecret(const fs::path& file) {
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return ErrnoStatus(errno, file.string());
  MILLRACE_RETURN_IF_ERROR(CheckPrivate(fd.get(), file));
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, file.string());
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kMostKeyFileBytes)
      return ResourceExhausted("%s has over %d bytes", file.string(), kMostKeyFileBytes);
  }
}

absl::Status WriteSecret(const fs::path& file, const std::string& text) {
  const fs::path temporary = file.string() + ".new";
  ::unlink(temporary.c_str());
  {
    const Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (fd.get() < 0) return ErrnoStatus(errno, temporary.string());
    MILLRACE_RETURN_IF_ERROR(WriteAll(fd.get(), text, temporary));
  }
  if (::rename(temporary.c_str(), file.c_str()) != 0) return ErrnoStatus(errno, file.string());
  const fs::path folder = file.parent_path().empty() ? fs::path(".") : file.parent_path();
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.get() >= 0 && ::fsync(fd.get()) == 0 ? absl::OkStatus() : ErrnoStatus(errno, folder.string());
}

absl::StatusOr<KeyFile> ReadKeyFile(const fs::path& file) {
  MILLRACE_ASSIGN_OR_RETURN(const std::string text, ReadSecret(file));
  absl::StatusOr<KeyFile> key = ParseKeyFile(text);
  if (!key.ok()) return Annotate(key.status(), file.string());
  return key;
}

absl::Status Keyring::Init(const KeyPair& broker) const {
  std::error_code error;
  const bool made = fs::create_directories(folder_, error);
  if (error) return ErrnoStatus(error.value(), folder_.string());
  if (made && ::chmod(folder_.c_str(), 0700) != 0) return ErrnoStatus(errno, folder_.string());
  if (fs::exists(broker_file()) || fs::exists(list_file())) {
    return Error(absl::StatusCode::kAlreadyExists,
                 "%s has keys already; see them with `zmqctl keys list`, replace the broker's with `zmqctl keys "
                 "rotate`, or name another folder with --keys",
                 folder_.string());
  }
  MILLRACE_RETURN_IF_ERROR(WriteSecret(list_file(), FormatKeyList({})));
  return WriteSecret(broker_file(), FormatKeyFile({"broker", "broker", broker, broker.public_key}));
}

absl::StatusOr<KeyFile> Keyring::Broker() const {
  if (!fs::exists(broker_file())) return Missing(broker_file(), folder_);
  MILLRACE_ASSIGN_OR_RETURN(KeyFile file, ReadKeyFile(broker_file()));
  if (file.role != "broker") return FailedPrecondition("%s is not a broker's", broker_file().string());
  return file;
}

absl::StatusOr<KeyList> Keyring::Load() const {
  if (!fs::exists(list_file())) return Missing(list_file(), folder_);
  MILLRACE_ASSIGN_OR_RETURN(const std::string text, ReadSecret(list_file()));
  absl::StatusOr<KeyList> list = ParseKeyList(text);
  if (!list.ok()) return Annotate(list.status(), list_file().string());
  return list;
}

absl::Status Keyring::Update(const std::function<absl::Status(KeyList&)>& change) const {
  if (!fs::exists(list_file())) return Missing(list_file(), folder_);
  const fs::path lock = folder_ / "lock";
  const Descriptor fd(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd.get() < 0) return ErrnoStatus(errno, lock.string());
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return ErrnoStatus(errno, lock.string());
  }
  MILLRACE_ASSIGN_OR_RETURN(KeyList list, Load());
  MILLRACE_RETURN_IF_ERROR(change(list));
  return WriteSecret(list_file(), FormatKeyList(list));
}

}  // namespace millrace::keys
