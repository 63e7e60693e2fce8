// SPDX-License-Identifier: Apache-2.0
// The calls of the system on files and directories that this layer is made of: never through a symbolic link, whole
// reads and writes, clones where the file system has them.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/digest.h"
#include "millrace/base/fd.h"

namespace millrace::content {

inline constexpr std::size_t kChunkBytes = 256U << 10;  // that are read and written at once

// By what one sees that a file is not what it was. The change time cannot be set, so that a file whose modification
// time was put back is noticed, too.
struct FileStamp {
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  std::uint64_t inode = 0;

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
FileStamp StampOf(const struct stat& found);

// The clock that file systems take their times from, which goes in steps of some milliseconds.
std::int64_t FileClockNow();
// What was changed so shortly before somebody looked may be changed again without another time.
inline constexpr std::int64_t kFileClockStepNs = 20'000'000;

// `name` in an open directory; `what` names it in the error.
absl::StatusOr<UniqueFd> OpenIn(int directory, const std::string& name, int flags, std::string_view what,
                                mode_t mode = 0);
absl::StatusOr<struct stat> StatIn(int directory, const std::string& name, std::string_view what);
absl::StatusOr<std::string> ReadLinkIn(int directory, const std::string& name, std::string_view what);
// All but "." and "..", sorted.
absl::StatusOr<std::vector<std::string>> NamesIn(int directory, std::string_view what);

absl::Status WriteAll(int fd, std::string_view bytes, std::string_view what);
// From where it stands to its end, in chunks that are gone after the call; returns how many bytes there were.
absl::StatusOr<std::uint64_t> ReadChunks(int fd, std::string_view what,
                                         const std::function<absl::Status(std::string_view)>& take);
// At most `limit` bytes; ResourceExhausted, naming the limit, for more.
absl::StatusOr<std::string> ReadUpTo(int fd, std::size_t limit, std::string_view limit_name, std::string_view what);

struct Copied {
  std::uint64_t size = 0;
  Digest digest;  // when it was asked for
};
// All of `from`, which stands at its beginning, into the empty file `to`: by a clone, which shares the blocks until one
// of them is written, or byte by byte: then Aborted when it has more than `most` bytes, as one that grows has.
absl::StatusOr<Copied> CopyContent(int from, int to, bool hash, std::string_view what, std::uint64_t most = UINT64_MAX);

// Writes a small file so that it is there as a whole or not at all.
absl::Status ReplaceFile(int directory, const std::string& name, std::string_view bytes);

// A random name, of letters and digits.
std::string RandomName();

}  // namespace millrace::content
