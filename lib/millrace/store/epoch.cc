// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/epoch.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
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

// A decimal number from 1 to `most`; 0 when there is no file. `advice`: what it should hold, and what to do.
absl::StatusOr<std::uint64_t> ReadNumber(const fs::path& file, std::uint64_t most, std::string_view advice) {
  MILLRACE_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadStart(file));
  if (!text) return std::uint64_t{0};
  std::string_view digits = *text;
  if (digits.ends_with('\n')) digits.remove_suffix(1);
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || stop != digits.data() + digits.size() || number == 0 || number > most) {
    return Error(absl::StatusCode::kDataLoss, "%s holds '%s', not %s", file.string(), absl::CHexEscape(Av(digits)),
                 advice);
  }
  return number;
}

absl::Status SyncAndClose(int descriptor, const fs::path& path) {
  const int result = fsync(descriptor);
  const int error = errno;
  close(descriptor);
  return result == 0 ? absl::OkStatus() : ErrnoStatus(error, path.string());
}

// All of it or, after a crash, what was there before.
absl::Status WriteNumber(const fs::path& folder, const std::string& name, std::uint64_t number) {
  const fs::path file = folder / name;
  const fs::path temporary = folder / (name + ".tmp");
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return ErrnoStatus(errno, temporary.string());
  const std::string text = absl::StrFormat("%u\n", number);
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
  return SyncAndClose(directory, folder);
}

}  // namespace

absl::StatusOr<Epoch> RaiseEpoch(const fs::path& folder) {
  MILLRACE_ASSIGN_OR_RETURN(
      const std::uint64_t last,
      ReadNumber(folder / "epoch", UINT32_MAX - 1,
                 "an epoch; write a number larger than any earlier one into it, or name another --data-dir"));
  const auto epoch = static_cast<Epoch>(last + 1);
  MILLRACE_RETURN_IF_ERROR(WriteNumber(folder, "epoch", epoch));
  FailPoint("epoch.raised");
  return epoch;
}

absl::StatusOr<std::uint64_t> IdentityOf(const fs::path& folder, std::uint64_t fresh) {
  MILLRACE_ASSIGN_OR_RETURN(
      std::uint64_t identity,
      ReadNumber(folder / "identity", UINT64_MAX,
                 "an identity; with the file removed a new one is drawn, and workers let go of what they hold"));
  if (identity != 0) return identity;
  identity = std::max<std::uint64_t>(fresh, 1);
  MILLRACE_RETURN_IF_ERROR(WriteNumber(folder, "identity", identity));
  return identity;
}

}  // namespace millrace::store
