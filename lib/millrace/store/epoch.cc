// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/epoch.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <string>

#include "millrace/base/status.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<Epoch> ReadEpoch(const fs::path& file) {
  std::ifstream in(file);
  if (!in) return Epoch{0};
  std::string text;
  std::getline(in, text);
  Epoch epoch = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), epoch);
  if (error != std::errc() || stop != text.data() + text.size() || epoch == 0 || epoch == UINT32_MAX) {
    return Error(absl::StatusCode::kDataLoss,
                 "%s holds '%s', not an epoch; write a number larger than any earlier one into it, or name another "
                 "--data-dir",
                 file.string(), text);
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
  if (rename(temporary.c_str(), file.c_str()) != 0) return ErrnoStatus(errno, file.string());
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return ErrnoStatus(errno, folder.string());
  MILLRACE_RETURN_IF_ERROR(SyncAndClose(directory, folder));
  return epoch;
}

}  // namespace millrace::store
