// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/making.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <thread>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/content/file.h"

namespace millrace::content {
namespace {

constexpr std::size_t kBatch = 64;
constexpr mode_t kFileMode = 0644;
constexpr mode_t kExecutableMode = 0755;
constexpr mode_t kFolderMode = 0755;

absl::Status Stamp(int fd, const std::string& what, FileStamp& stamp) {
  struct stat found {};
  if (fstat(fd, &found) != 0) return ErrnoStatus(errno, what);
  stamp = StampOf(found);
  return absl::OkStatus();
}

absl::Status LinkBlob(const Descent::Place& place, const ContentStore& store, const TreeEntry& entry,
                      FileStamp& stamp) {
  MILLRACE_ASSIGN_OR_RETURN(const UniqueFd blob, store.OpenBlob(entry.digest, entry.size));
  const std::string name = ContentStore::NameOf(entry.digest);
  if (linkat(store.objects(), name.c_str(), place.directory, place.name.c_str(), 0) != 0) {
    return ErrnoStatus(errno, "a hard link to the store at " + Shown(entry.path));
  }
  return Stamp(blob.get(), Shown(entry.path), stamp);
}

absl::Status CopyBlob(const Descent::Place& place, const ContentStore& store, const TreeEntry& entry, bool verify,
                      FileStamp& stamp) {
  const std::string what = Shown(entry.path);
  MILLRACE_ASSIGN_OR_RETURN(const UniqueFd blob, store.OpenBlob(entry.digest, entry.size));
  MILLRACE_ASSIGN_OR_RETURN(const UniqueFd fd,
                            OpenIn(place.directory, place.name, O_RDWR | O_CREAT | O_EXCL, what,
                                   entry.kind == EntryKind::kExecutable ? kExecutableMode : kFileMode));
  MILLRACE_ASSIGN_OR_RETURN(const Copied copied, CopyContent(blob.get(), fd.get(), verify, what));
  if (copied.size != entry.size || (verify && copied.digest != entry.digest)) {
    unlinkat(place.directory, place.name.c_str(), 0);
    return Annotate(store.PutAside(entry.digest, blob.get()), what);
  }
  return Stamp(fd.get(), what, stamp);
}

// Removes a directory and what is in it, whatever its permissions. A task may have made more levels than a process can
// have open: what is too deep is moved up into `top`, under a name that is given back, and is no deeper than any other.
class Remover {
 public:
  Remover(int top, std::string what) : top_(top), what_(std::move(what)) {}

  absl::Status Remove(int directory, const std::string& name, int depth = 0) {
    if (unlinkat(directory, name.c_str(), 0) == 0) {
      ++removed_;
      return absl::OkStatus();
    }
    if (errno != EISDIR && errno != EPERM) return Failed();
    if (depth == kLevels) {
      raised_.push_back(RandomName());
      if (renameat(directory, name.c_str(), top_, raised_.back().c_str()) != 0) return Failed();
      return absl::OkStatus();
    }
    UniqueFd inner(openat(directory, name.c_str(), kOpenFolder));
    // What a task has locked it has locked for others: we are its owner.
    if (!inner.valid() && errno == EACCES && fchmodat(directory, name.c_str(), 0700, 0) == 0) {
      inner.Reset(openat(directory, name.c_str(), kOpenFolder));
    }
    if (!inner.valid()) return Failed();
    MILLRACE_ASSIGN_OR_RETURN(const auto names, NamesIn(inner.get(), what_));
    if (!names.empty() && faccessat(inner.get(), ".", W_OK | X_OK, 0) != 0) fchmod(inner.get(), 0700);
    for (const std::string& one : names) MILLRACE_RETURN_IF_ERROR(Remove(inner.get(), one, depth + 1));
    if (unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0) return Failed();
    ++removed_;
    return absl::OkStatus();
  }
  absl::Status RemoveRaised() {
    while (!raised_.empty()) {
      const std::string name = std::exchange(raised_.back(), {});
      raised_.pop_back();
      MILLRACE_RETURN_IF_ERROR(Remove(top_, name));
    }
    return absl::OkStatus();
  }
  std::size_t removed() const { return removed_; }

 private:
  static constexpr int kLevels = 100;
  static constexpr int kOpenFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  absl::Status Failed() const { return ErrnoStatus(errno, "removing " + what_); }

  int top_;
  std::string what_;
  std::size_t removed_ = 0;
  std::vector<std::string> raised_;
};

class Crew {
 public:
  Crew(const std::filesystem::path& folder, const ContentStore& store, std::span<const TreeEntry* const> files,
       std::span<FileStamp* const> stamps, const WorkspaceOptions& options)
      : folder_(folder), store_(store), files_(files), stamps_(stamps), options_(options) {}

  void Work() {
    Made made;
    absl::Status status = WorkWith(made);
    const std::scoped_lock lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
    made_.written += made.written;
    made_.linked += made.linked;
  }

  absl::Status Result(Made& made) const {
    made.written += made_.written;
    made.linked += made_.linked;
    return status_;
  }

 private:
  absl::Status WorkWith(Made& made) {
    MILLRACE_ASSIGN_OR_RETURN(Descent root, Descent::Open(folder_));
    for (std::size_t begin = 0; (begin = next_.fetch_add(kBatch)) < files_.size();) {
      for (std::size_t i = begin; i < std::min(begin + kBatch, files_.size()); ++i) {
        absl::Status status = MakeFile(root, store_, *files_[i], options_, *stamps_[i], made);
        if (status.ok()) continue;
        next_ = files_.size();  // the others need not go on
        return status;
      }
    }
    return absl::OkStatus();
  }

  const std::filesystem::path& folder_;
  const ContentStore& store_;
  std::span<const TreeEntry* const> files_;
  std::span<FileStamp* const> stamps_;
  const WorkspaceOptions& options_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  absl::Status status_;
  Made made_;
};

}  // namespace

absl::Status MakeFile(Descent& root, const ContentStore& store, const TreeEntry& entry, const WorkspaceOptions& options,
                      FileStamp& stamp, Made& made) {
  MILLRACE_ASSIGN_OR_RETURN(const Descent::Place place, root.ToHolderOf(entry.path));
  ++made.written;
  if (options.files == Files::kHardLink && entry.kind == EntryKind::kFile) {
    ++made.linked;
    return LinkBlob(place, store, entry, stamp);
  }
  return CopyBlob(place, store, entry, options.verify, stamp);
}

absl::Status MakeLink(Descent& root, const TreeEntry& entry) {
  MILLRACE_ASSIGN_OR_RETURN(const Descent::Place place, root.ToHolderOf(entry.path));
  if (symlinkat(entry.target.c_str(), place.directory, place.name.c_str()) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, Shown(entry.path));
}

absl::Status MakeDirectory(Descent& root, const TreeEntry& entry) {
  MILLRACE_ASSIGN_OR_RETURN(const Descent::Place place, root.ToHolderOf(entry.path));
  if (mkdirat(place.directory, place.name.c_str(), kFolderMode) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, Shown(entry.path));
}

absl::Status MakeFiles(const std::filesystem::path& folder, const ContentStore& store,
                       std::span<const TreeEntry* const> files, std::span<FileStamp* const> stamps,
                       const WorkspaceOptions& options, Made& made) {
  Crew crew(folder, store, files, stamps, options);
  std::vector<std::thread> others;
  for (int i = 1; i < options.threads && static_cast<std::size_t>(i) * kBatch < files.size(); ++i) {
    others.emplace_back([&crew] { crew.Work(); });
  }
  crew.Work();
  for (std::thread& other : others) other.join();
  return crew.Result(made);
}

absl::Status RemoveAll(Descent& root, const std::string& path, std::size_t& removed) {
  root.Forget(path);
  MILLRACE_ASSIGN_OR_RETURN(const Descent::Place place, root.ToHolderOf(path));
  Remover remover(place.directory, Shown(path));
  absl::Status status = remover.Remove(place.directory, place.name);
  if (status.ok()) status = remover.RemoveRaised();
  removed += remover.removed();
  return status;
}

}  // namespace millrace::content
