// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/walk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::content {
namespace {

const std::string kIgnoreFile = ".gitignore";
constexpr int kOpenFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

class Walker {
 public:
  Walker(const WalkOptions& options, std::vector<Found>& found)
      : options_(options),
        ignoring_(options.gitignore || !options.exclude.empty()),
        ignored_(options.exclude),
        found_(found) {}

  // Of an open directory, at a path of so many parts.
  absl::Status Enter(int directory, const std::string& path, std::size_t depth) {
    std::vector<std::string> names = {options_.only};
    if (options_.only.empty() || path != options_.below) {
      MILLRACE_ASSIGN_OR_RETURN(names, NamesIn(directory, Shown(path)));
    }
    if (depth >= kMaxTreeDepth && !names.empty()) return CheckPath(path + "/" + names.front());
    IgnoreList list;
    if (options_.gitignore && std::binary_search(names.begin(), names.end(), kIgnoreFile)) {
      MILLRACE_ASSIGN_OR_RETURN(list, ReadIgnoreList(directory, path));
    }
    if (ignoring_) ignored_.Enter(path, std::move(list));
    for (const std::string& name : names) {
      MILLRACE_RETURN_IF_ERROR(Visit(directory, name, path.empty() ? name : path + "/" + name, depth + 1));
    }
    if (ignoring_) ignored_.Leave();
    return absl::OkStatus();
  }

 private:
  static absl::StatusOr<IgnoreList> ReadIgnoreList(int directory, const std::string& path) {
    const std::string what = Shown(path.empty() ? kIgnoreFile : path + "/" + kIgnoreFile);
    // A link is not followed, as git does; what is no file is no list.
    const UniqueFd fd(openat(directory, kIgnoreFile.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat found {};
    if (!fd.valid() && errno != ELOOP && errno != ENOENT) return ErrnoStatus(errno, what);
    if (!fd.valid() || fstat(fd.get(), &found) != 0 || !S_ISREG(found.st_mode)) return IgnoreList();
    MILLRACE_ASSIGN_OR_RETURN(const std::string text, ReadUpTo(fd.get(), kMaxIgnoreBytes, "kMaxIgnoreBytes", what));
    return IgnoreList(text);
  }

  absl::Status Visit(int directory, const std::string& name, const std::string& path, std::size_t depth) {
    struct stat seen {};
    if (fstatat(directory, name.c_str(), &seen, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, Shown(path));
    }
    const bool is_directory = S_ISDIR(seen.st_mode);
    if (ignoring_ && ignored_.Ignores(path, is_directory)) return absl::OkStatus();
    if (found_.size() >= options_.max_found) {
      return ResourceExhausted("there is more than kMaxTreeEntries of %d files, directories and links; exclude some",
                               options_.max_found);
    }
    Found& found = found_.emplace_back(Found{.path = path, .mode = seen.st_mode, .names = seen.st_nlink});
    if (is_directory) {
      found.kind = EntryKind::kDirectory;
      UniqueFd fd(openat(directory, name.c_str(), kOpenFolder));
      if (!fd.valid() && errno == EACCES && options_.unlock && fchmodat(directory, name.c_str(), 0700, 0) == 0) {
        fd.Reset(openat(directory, name.c_str(), kOpenFolder));
      }
      if (fd.valid()) return Enter(fd.get(), path, depth);
      if (errno == ENOENT) return Vanished();
      if (!options_.tolerant) return ErrnoStatus(errno, Shown(path));
      found.error = errno;
      return absl::OkStatus();
    }
    if (S_ISREG(seen.st_mode)) {
      found.kind = (seen.st_mode & S_IXUSR) != 0 ? EntryKind::kExecutable : EntryKind::kFile;
      found.stamp = StampOf(seen);
    } else if (S_ISLNK(seen.st_mode)) {
      found.kind = EntryKind::kSymlink;
      auto target = ReadLinkIn(directory, name, Shown(path));
      if (absl::IsNotFound(target.status())) return Vanished();
      if (!target.ok()) return target.status();
      found.target = *std::move(target);
    } else {
      found.other = true;
    }
    return absl::OkStatus();
  }

  absl::Status Vanished() {
    found_.pop_back();
    return absl::OkStatus();
  }

  const WalkOptions& options_;
  const bool ignoring_;
  IgnoreStack ignored_;
  std::vector<Found>& found_;
};

}  // namespace

absl::StatusOr<std::vector<Found>> Walk(Descent& root, const WalkOptions& options) {
  std::vector<Found> found;
  MILLRACE_ASSIGN_OR_RETURN(const int directory, root.To(options.below));
  const auto depth = options.below.empty() ? 0 : std::count(options.below.begin(), options.below.end(), '/') + 1;
  MILLRACE_RETURN_IF_ERROR(Walker(options, found).Enter(directory, options.below, static_cast<std::size_t>(depth)));
  return found;
}

std::string KindName(std::uint32_t mode) {
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISFIFO(mode)) return "a pipe";
  return S_ISBLK(mode) || S_ISCHR(mode) ? "a device" : "of an unknown kind";
}

}  // namespace millrace::content
