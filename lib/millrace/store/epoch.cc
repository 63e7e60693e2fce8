// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/epoch.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "millrace/base/fail_point.h"
#include "millrace/base/status.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongest = 64;  // bytes, of a file that holds ten digits and a line break

// The start of the file, or nothing when there is none. Whatever else keeps it from being read is an error: a number
// that is there and cannot be seen is not 0.
absl::StatusOr<std::optional<std::string>> ReadStart(const fs::path& file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0 && errno == ENOENT) return std::optional<std::string>();
  if (descriptor < 0) return ErrnoStatus(errno, file.string());
  std::string text(kLongest, '\0');
  ssize_t count;
  while ((count = read(descriptor, text.data(), text.size())) < 0 && errno == EINTR) {
  }
  const int error = errno;
  close(descriptor);
  if (count < 0) return ErrnoStatus(error, file.string());
  text.resize(static_cast<std::size_t>(count));
  return text;
}

absl::StatusOr<Epoch> ReadEpoch(const fs::path& file) {
  MILLRACE_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadStart(file));
  if (!text) return Epoch{0};
  std::string_view digits = *text;
  if (digits.ends_with('\n')) digits.remove_suffix(1);
  Epoch epoch = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), epoch);
  if (error != std::errc() || stop != digits.data() + digits.size() || epoch == 0 || epoch == UINT32_MAX) {
    return Error(absl::StatusCode::kDataLoss,
                 "%s holds '%s', not an epoch; write a number larger than any earlier one into it, or name another "
                 "--data-dir",
                 file.string(), absl::CHexEscape(Av(digits)));
  }
  return epoch;
}

absl::Status SyncAndClose(int descriptor, const fs::path& path) {
  const int result = fsync(descriptor);
  const int error = errno;
  close(descriptor);
  return result == 0 ? absl::OkStatus() : ErrnoStatus(error, path.string());
}

}  // namespace

absl::StatusOr<Epoch> RaiseEpoch(const fs::path& folder) {
  const fs::path file = folder / "epoch";
  MILLRACE_ASSIGN_OR_RETURN(Epoch epoch, ReadEpoch(file));
  ++epoch;
  const fs::path temporary = folder / "epoch.tmp";
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return ErrnoStatus(errno, temporary.string());
  const std::string text = absl::StrFormat("%u\n", epoch);
  if (write(descriptor, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    const int error = errno;
    close(descriptor);
    return ErrnoStatus(error, temporary.string());
  }
  MILLRACE_RETURN_IF_ERROR(SyncAndClose(descriptor, temporary));
  FailPoint("epoch.written");
  if (rename(temporary.c_str(), file.c_str()) != 0) return ErrnoStatus(errno, file.string());
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return ErrnoStatus(errno, folder.string());
  MILLRACE_RETURN_IF_ERROR(SyncAndClose(directory, folder));
  FailPoint("epoch.raised");
  return epoch;
}

}  // namespace millrace::store
