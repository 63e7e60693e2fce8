// SPDX-License-Identifier: Apache-2.0
// A folder as it is now, as a tree whose files are in a store.
//
// Files that are as they were at the last snapshot (by stamp_cache.h, and still in the store) are not read again. A
// file that changes while it is read is read again, some times; the snapshot is of each file as it was at one moment,
// and not of all files at the same one. Linux gives a file its time when a write begins: whoever
// looks while one single write takes longer than the clock's step sees a part of it, as git does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/content/content_store.h"
#include "millrace/content/tree.h"

namespace millrace::content {

struct SnapshotOptions {
  bool gitignore = true;  // .gitignore files count, and `.git` is left out
  std::string exclude{};  // lines as in a .gitignore, before all of those; `!name` takes in what they leave out
  int threads = 2;        // that read and hash
};

struct Snapshot {
  Tree tree{};
  Pins pins{};  // of all its files
  std::size_t files = 0;
  std::size_t read = 0;  // of these, those that were read
  std::uint64_t bytes_read = 0;
  std::size_t added = 0;  // of those, those that the store did not have
};

// InvalidArgument for what no tree can hold: a link that leads out, a socket; the error says which, and can be
// excluded. Aborted for a file that changes and changes.
absl::StatusOr<Snapshot> TakeSnapshot(const std::filesystem::path& folder, ContentStore& store,
                                      const SnapshotOptions& options = {});

}  // namespace millrace::content
