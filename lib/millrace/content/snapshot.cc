// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/snapshot.h"

#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/content/descent.h"
#include "millrace/content/intake.h"
#include "millrace/content/stamp_cache.h"
#include "millrace/content/walk.h"

namespace millrace::content {
namespace {

struct Seen {
  Tree tree{};
  std::vector<StampedFile> files{};
  std::vector<std::size_t> entry_of{};  // of each file, its place in the tree
  std::vector<bool> known{};            // its digest is from the cache
};

// All but the content of files.
absl::StatusOr<Seen> Look(std::vector<Found> found, StampCache& cache) {
  Seen seen;
  seen.tree.entries.reserve(found.size());
  for (Found& one : found) {
    if (one.other) {
      return InvalidArgument("%s is %s, which no tree can hold; exclude it", Shown(one.path), KindName(one.mode));
    }
    TreeEntry entry{.path = std::move(one.path), .kind = one.kind, .target = std::move(one.target)};
    if (entry.is_file()) {
      entry.size = one.stamp.size;
      const auto digest = cache.Find(entry.path, one.stamp);
      seen.files.push_back({.path = entry.path, .stamp = one.stamp, .digest = digest.value_or(Digest())});
      seen.known.push_back(digest.has_value());
      seen.entry_of.push_back(seen.tree.entries.size());
    }
    seen.tree.entries.push_back(std::move(entry));
  }
  return seen;
}

// What is known and in the store need not be read; it is pinned. Gives all others.
absl::StatusOr<std::vector<StampedFile*>> Unread(Seen& seen, const ContentStore& store, Pins& pins) {
  std::vector<Blob> blobs;
  std::vector<std::size_t> file_of;
  for (std::size_t i = 0; i < seen.files.size(); ++i) {
    if (!seen.known[i]) continue;
    blobs.push_back({seen.files[i].digest, seen.files[i].stamp.size});
    file_of.push_back(i);
  }
  MILLRACE_ASSIGN_OR_RETURN(const auto missing, store.PinAndFindMissing(blobs, pins));
  for (const std::size_t i : missing) seen.known[file_of[i]] = false;
  std::vector<StampedFile*> unread;
  for (std::size_t i = 0; i < seen.files.size(); ++i) {
    if (!seen.known[i]) unread.push_back(&seen.files[i]);
  }
  return unread;
}

}  // namespace

absl::StatusOr<Snapshot> TakeSnapshot(const std::filesystem::path& folder, ContentStore& store,
                                      const SnapshotOptions& options) {
  if (options.exclude.size() > kMaxIgnoreBytes) {
    return ResourceExhausted("a list of %d bytes of what is excluded is over kMaxIgnoreBytes of %d",
                             options.exclude.size(), kMaxIgnoreBytes);
  }
  // Before anything is looked at: what is touched from now on may be touched again within the same step of the clock.
  const std::int64_t begin_ns = FileClockNow();
  StampCache cache = StampCache::Load(store.folder(), folder, "snapshot");
  MILLRACE_ASSIGN_OR_RETURN(Descent root, Descent::Open(folder));
  const WalkOptions walk{.gitignore = options.gitignore, .exclude = IgnoreList(options.exclude)};
  MILLRACE_ASSIGN_OR_RETURN(auto found, Walk(root, walk));
  MILLRACE_ASSIGN_OR_RETURN(Seen seen, Look(std::move(found), cache));
  MILLRACE_RETURN_IF_ERROR(CheckTree(seen.tree));  // before gigabytes are read for nothing
  Snapshot snapshot;
  snapshot.pins = store.NoPins();
  MILLRACE_ASSIGN_OR_RETURN(const auto unread, Unread(seen, store, snapshot.pins));
  MILLRACE_ASSIGN_OR_RETURN(Intake intake, TakeIn(folder, store, unread, options.threads));
  for (Pins& pins : intake.pins) snapshot.pins.Take(std::move(pins));
  snapshot.files = seen.files.size();
  snapshot.read = unread.size();
  snapshot.bytes_read = intake.bytes;
  snapshot.added = intake.added;
  for (std::size_t i = 0; i < seen.files.size(); ++i) {
    TreeEntry& entry = seen.tree.entries[seen.entry_of[i]];
    entry.size = seen.files[i].stamp.size;
    entry.digest = seen.files[i].digest;
  }
  snapshot.tree = std::move(seen.tree);
  if (snapshot.read > 0) MILLRACE_RETURN_IF_ERROR(CheckTree(snapshot.tree));  // files may have grown
  if (snapshot.read > 0 || cache.size() != seen.files.size()) {
    MILLRACE_RETURN_IF_ERROR(cache.Save(seen.files, begin_ns - kFileClockStepNs));
  }
  return snapshot;
}

}  // namespace millrace::content
