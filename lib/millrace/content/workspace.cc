// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/workspace.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "millrace/base/status.h"
#include "millrace/content/descent.h"
#include "millrace/content/making.h"
#include "millrace/content/walk.h"

namespace millrace::content {
namespace {

constexpr std::string_view kMaking = ".making";

// What of a tree is to be made, in the order of the tree.
struct Wanted {
  std::vector<const TreeEntry*> entries;
  std::vector<StampedFile> files;  // all of the tree: what is kept, and what will be there
};

absl::Status MakeAll(Descent& root, const std::filesystem::path& folder, const ContentStore& store, Wanted& wanted,
                     const WorkspaceOptions& options, Made& made) {
  std::vector<const TreeEntry*> files;
  std::vector<FileStamp*> stamps;
  std::size_t at = 0;
  for (const TreeEntry* const entry : wanted.entries) {
    if (entry->kind == EntryKind::kDirectory) {
      MILLRACE_RETURN_IF_ERROR(MakeDirectory(root, *entry));
    } else if (entry->kind == EntryKind::kSymlink) {
      MILLRACE_RETURN_IF_ERROR(MakeLink(root, *entry));
    } else {
      while (wanted.files[at].path != entry->path) ++at;  // both are in the order of the tree
      files.push_back(entry);
      stamps.push_back(&wanted.files[at].stamp);
    }
  }
  return MakeFiles(folder, store, files, stamps, options, made);
}

Wanted AllOf(const Tree& tree) {
  Wanted wanted;
  for (const TreeEntry& entry : tree.entries) {
    wanted.entries.push_back(&entry);
    if (entry.is_file()) wanted.files.push_back({.path = entry.path, .digest = entry.digest});
  }
  return wanted;
}

absl::Status Remember(const ContentStore& store, const std::filesystem::path& folder, const Wanted& wanted) {
  return StampCache::Load(store.folder(), folder, "workspace").Save(wanted.files, FileClockNow() - kFileClockStepNs);
}

// Folders that were being made here, under this name, by processes that are gone.
absl::Status SweepUnfinished(Descent& beside, const std::string& prefix) {
  MILLRACE_ASSIGN_OR_RETURN(const auto names, NamesIn(beside.root(), prefix));
  for (const std::string& name : names) {
    if (!name.starts_with(prefix) || !name.ends_with(kMaking)) continue;
    const UniqueFd fd(openat(beside.root(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid() || flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
    std::size_t removed = 0;
    MILLRACE_RETURN_IF_ERROR(RemoveAll(beside, name, removed));
  }
  return absl::OkStatus();
}

// One folder that is changed into another tree.
class Change {
 public:
  Change(const Tree& tree, ContentStore& store, const std::filesystem::path& folder, const WorkspaceOptions& options,
         Descent& root)
      : tree_(tree), options_(options), root_(root), cache_(StampCache::Load(store.folder(), folder, "workspace")) {}

  absl::StatusOr<Wanted> Compare() {
    MILLRACE_RETURN_IF_ERROR(cache_.Clear());
    auto found = Walk(root_, {.unlock = true});
    if (!found.ok()) {
      // More or deeper than any tree: none of it is worth comparing.
      MILLRACE_RETURN_IF_ERROR(Empty());
      found = std::vector<Found>();
    }
    std::size_t at = 0;
    for (const TreeEntry& entry : tree_.entries) {
      for (; at < found->size() && PathLess((*found)[at].path, entry.path); ++at) {
        MILLRACE_RETURN_IF_ERROR(Leave((*found)[at].path));
      }
      const bool there = at < found->size() && (*found)[at].path == entry.path && !Gone(entry.path);
      MILLRACE_RETURN_IF_ERROR(Consider(entry, there ? &(*found)[at] : nullptr));
    }
    for (; at < found->size(); ++at) MILLRACE_RETURN_IF_ERROR(Leave((*found)[at].path));
    return std::move(wanted_);
  }

  Made& made() { return made_; }

 private:
  absl::Status Empty() {
    MILLRACE_ASSIGN_OR_RETURN(const auto names, NamesIn(root_.root(), "the workspace"));
    for (const std::string& name : names) MILLRACE_RETURN_IF_ERROR(RemoveAll(root_, name, made_.removed));
    return absl::OkStatus();
  }

  // Whether it was removed with the directory that it is in.
  bool Gone(std::string_view path) const {
    return !removed_.empty() && path.size() > removed_.size() && path.starts_with(removed_) &&
           path[removed_.size()] == '/';
  }

  // What is not in the tree, unless that is for the entry of the same path to say.
  absl::Status Leave(const std::string& path) {
    if (Gone(path) || path == considered_) return absl::OkStatus();
    return Clear(path);
  }
  absl::Status Clear(const std::string& path) {
    removed_ = path;
    return RemoveAll(root_, path, made_.removed);
  }

  absl::Status Consider(const TreeEntry& entry, const Found* found) {
    considered_ = entry.path;
    FileStamp stamp;
    bool keep = false;
    if (found != nullptr) {
      MILLRACE_ASSIGN_OR_RETURN(keep, MayStay(entry, *found));
      stamp = found->stamp;
      if (!keep) MILLRACE_RETURN_IF_ERROR(Clear(entry.path));
    }
    if (entry.is_file()) {
      made_.kept += keep ? 1 : 0;
      wanted_.files.push_back({.path = entry.path, .stamp = stamp, .digest = entry.digest});
    }
    if (!keep) wanted_.entries.push_back(&entry);
    return absl::OkStatus();
  }

  absl::StatusOr<bool> MayStay(const TreeEntry& entry, const Found& found) {
    if (found.other || found.kind != entry.kind) return false;
    if (entry.kind == EntryKind::kSymlink) return found.target == entry.target;
    if (entry.kind == EntryKind::kDirectory) {
      if ((found.mode & 0700) == 0700) return true;
      MILLRACE_ASSIGN_OR_RETURN(const Descent::Place place, root_.ToHolderOf(entry.path));
      return fchmodat(place.directory, place.name.c_str(), 0755, 0) == 0;
    }
    // Another name of the file is a way to change it that we do not see; so it must be one of the store.
    const bool linked = options_.files == Files::kHardLink && entry.kind == EntryKind::kFile;
    if (found.names > 1 && !linked) return false;
    if ((found.mode & 07000) != 0 || (found.names == 1 && (found.mode & 0600) != 0600)) return false;
    return SameContent(entry, found);
  }

  absl::StatusOr<bool> SameContent(const TreeEntry& entry, const Found& found) {
    if (found.stamp.size != entry.size) return false;
    if (const auto known = cache_.Find(entry.path, found.stamp)) return *known == entry.digest;
    const std::string what = Shown(entry.path);
    MILLRACE_ASSIGN_OR_RETURN(const Descent::Place place, root_.ToHolderOf(entry.path));
    MILLRACE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenIn(place.directory, place.name, O_RDONLY | O_NONBLOCK, what));
    Hasher hasher;
    MILLRACE_RETURN_IF_ERROR(ReadChunks(fd.get(), what, [&](std::string_view chunk) {
                               hasher.Add(chunk);
                               return absl::OkStatus();
                             }).status());
    return hasher.Finish() == entry.digest;
  }

  const Tree& tree_;
  const WorkspaceOptions& options_;
  Descent& root_;
  StampCache cache_;
  Wanted wanted_;
  Made made_;
  std::string removed_;     // the last that was removed as a whole
  std::string considered_;  // the last entry of the tree
};

}  // namespace

absl::StatusOr<Made> MakeWorkspace(const Tree& tree, const ContentStore& store, const std::filesystem::path& folder,
                                   const WorkspaceOptions& options) {
  MILLRACE_RETURN_IF_ERROR(CheckTree(tree));
  const std::filesystem::path parent = std::filesystem::absolute(folder).parent_path();
  const std::string prefix = "." + folder.filename().string() + ".";
  MILLRACE_ASSIGN_OR_RETURN(Descent beside, Descent::Open(parent));
  MILLRACE_RETURN_IF_ERROR(SweepUnfinished(beside, prefix));
  const std::string making = prefix + RandomName() + std::string(kMaking);
  if (mkdirat(beside.root(), making.c_str(), 0755) != 0) return ErrnoStatus(errno, (parent / making).string());
  Made made;
  Wanted wanted = AllOf(tree);
  const auto make = [&]() -> absl::Status {
    MILLRACE_ASSIGN_OR_RETURN(Descent root, Descent::Open(parent / making));
    if (flock(root.root(), LOCK_EX | LOCK_NB) != 0) return ErrnoStatus(errno, (parent / making).string());
    MILLRACE_RETURN_IF_ERROR(MakeAll(root, parent / making, store, wanted, options, made));
    if (renameat(beside.root(), making.c_str(), beside.root(), folder.filename().c_str()) == 0) return absl::OkStatus();
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) return ErrnoStatus(errno, folder.string());
    return FailedPrecondition("%s is there already; remove it, or change it into the new tree", folder.string());
  };
  if (absl::Status status = make(); !status.ok()) {
    std::size_t removed = 0;
    static_cast<void>(RemoveAll(beside, making, removed));  // else the next one sweeps it
    return status;
  }
  if (options.remember) MILLRACE_RETURN_IF_ERROR(Remember(store, folder, wanted));
  return made;
}

absl::StatusOr<Made> ChangeWorkspace(const Tree& tree, ContentStore& store, const std::filesystem::path& folder,
                                     const WorkspaceOptions& options) {
  MILLRACE_RETURN_IF_ERROR(CheckTree(tree));
  MILLRACE_ASSIGN_OR_RETURN(Descent root, Descent::Open(folder));
  Change change(tree, store, folder, options, root);
  MILLRACE_ASSIGN_OR_RETURN(Wanted wanted, change.Compare());
  MILLRACE_RETURN_IF_ERROR(MakeAll(root, folder, store, wanted, options, change.made()));
  MILLRACE_RETURN_IF_ERROR(Remember(store, folder, wanted));
  return change.made();
}

absl::Status VerifyLinked(const Tree& tree, const ContentStore& store) {
  absl::Status first;
  absl::flat_hash_set<Digest> seen;
  for (const TreeEntry& entry : tree.entries) {
    if (entry.kind != EntryKind::kFile || !seen.insert(entry.digest).second) continue;
    absl::Status status = store.Verify(entry.digest);
    // What a task has made writable is not so for the next one.
    if (status.ok() && chmod(store.PathOf(entry.digest).c_str(), 0444) != 0) {
      status = ErrnoStatus(errno, store.PathOf(entry.digest).string());
    }
    if (first.ok()) first = Annotate(status, Shown(entry.path));
  }
  return first;
}

}  // namespace millrace::content
