// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/content/descent.h"
#include "millrace/content/file.h"
#include "millrace/content/making.h"

namespace millrace::content {
namespace {

constexpr std::string_view kUnfinished = ".millrace-";  // and a random name: what is not there yet

class Placing {
 public:
  Placing(const ContentStore& store, Descent& root) : store_(store), root_(root) {}

  absl::Status Place(const TreeEntry& entry) {
    MILLRACE_ASSIGN_OR_RETURN(const std::optional<struct stat> there, Look(entry));
    if (!there) {
      if (entry.kind == EntryKind::kDirectory) return MakeDirectory(root_, entry);
      return Replace(entry);
    }
    if (entry.kind == EntryKind::kDirectory) {
      if (S_ISDIR(there->st_mode)) return absl::OkStatus();
      return FailedPrecondition("%s is to be a directory, and is a file or a link here; remove it", Shown(entry.path));
    }
    if (S_ISDIR(there->st_mode)) {
      return FailedPrecondition("%s is to be a file, and is a directory here; remove it", Shown(entry.path));
    }
    MILLRACE_ASSIGN_OR_RETURN(const bool same, IsSame(entry, *there));
    if (!same) return Replace(entry);
    made_.kept += entry.is_file() ? 1 : 0;
    return absl::OkStatus();
  }

  const Made& made() const { return made_; }

 private:
  absl::StatusOr<std::optional<struct stat>> Look(const TreeEntry& entry) {
    MILLRACE_ASSIGN_OR_RETURN(const Descent::Place place, root_.ToHolderOf(entry.path));
    struct stat found {};
    if (fstatat(place.directory, place.name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0) return found;
    if (errno == ENOENT) return std::optional<struct stat>();
    return ErrnoStatus(errno, Shown(entry.path));
  }

  absl::StatusOr<bool> IsSame(const TreeEntry& entry, const struct stat& there) {
    MILLRACE_ASSIGN_OR_RETURN(const Descent::Place place, root_.ToHolderOf(entry.path));
    const std::string what = Shown(entry.path);
    if (entry.kind == EntryKind::kSymlink) {
      if (!S_ISLNK(there.st_mode)) return false;
      MILLRACE_ASSIGN_OR_RETURN(const std::string target, ReadLinkIn(place.directory, place.name, what));
      return target == entry.target;
    }
    const bool runs = (there.st_mode & S_IXUSR) != 0;
    if (!S_ISREG(there.st_mode) || runs != (entry.kind == EntryKind::kExecutable) ||
        static_cast<std::uint64_t>(there.st_size) != entry.size) {
      return false;
    }
    const auto fd = OpenIn(place.directory, place.name, O_RDONLY | O_NONBLOCK, what);
    if (!fd.ok()) return false;  // what cannot be read can still be replaced
    Hasher hasher;
    MILLRACE_RETURN_IF_ERROR(ReadChunks(fd->get(), what, [&](std::string_view chunk) {
                               hasher.Add(chunk);
                               return absl::OkStatus();
                             }).status());
    return hasher.Finish() == entry.digest;
  }

  // Made beside it, and renamed: over what is there, if anything is.
  absl::Status Replace(const TreeEntry& entry) {
    TreeEntry unfinished = entry;
    unfinished.path.resize(entry.path.rfind('/') + 1);  // npos + 1 = 0
    unfinished.path += std::string(kUnfinished) + RandomName();
    FileStamp stamp;
    const absl::Status status = entry.kind == EntryKind::kSymlink
                                    ? MakeLink(root_, unfinished)
                                    : MakeFile(root_, store_, unfinished, {.verify = true}, stamp, made_);
    MILLRACE_ASSIGN_OR_RETURN(const Descent::Place made, root_.ToHolderOf(unfinished.path));
    MILLRACE_ASSIGN_OR_RETURN(const Descent::Place place, root_.ToHolderOf(entry.path));
    if (status.ok() && renameat(made.directory, made.name.c_str(), place.directory, place.name.c_str()) == 0) {
      return absl::OkStatus();
    }
    const int error = errno;
    unlinkat(made.directory, made.name.c_str(), 0);
    return status.ok() ? ErrnoStatus(error, Shown(entry.path)) : Annotate(status, Shown(entry.path));
  }

  const ContentStore& store_;
  Descent& root_;
  Made made_;
};

}  // namespace

absl::StatusOr<Made> PlaceTree(const Tree& tree, const ContentStore& store, const std::filesystem::path& folder) {
  MILLRACE_RETURN_IF_ERROR(CheckTree(tree));
  MILLRACE_ASSIGN_OR_RETURN(Descent root, Descent::Open(folder));
  Placing placing(store, root);
  for (const TreeEntry& entry : tree.entries) MILLRACE_RETURN_IF_ERROR(placing.Place(entry));
  return placing.made();
}

}  // namespace millrace::content
