// SPDX-License-Identifier: Apache-2.0
// A tree as a folder in which a task may do as it likes, made from a store.
//
// Files are clones of the store's (reflinks) where the file system has them, else copies. A hard link would be cheaper
// than a copy, and is the same file under another name: a task that makes it writable (or runs as root) and writes to
// it changes what all other tasks get. So `Files::kHardLink` must be asked for, and who does should verify the tree
// afterwards (VerifyLinked). Files that may be executed are copied in any case, since the store's may not.
//
// Everything is made below the folder, opened directory by directory without following links, as new files: nothing
// that lies about there can lead us out or be written through.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/content/content_store.h"
#include "millrace/content/tree.h"

namespace millrace::content {

enum class Files : std::uint8_t { kCloneOrCopy, kHardLink };

struct WorkspaceOptions {
  Files files = Files::kCloneOrCopy;
  // What is written is hashed, and a blob that is damaged is found before a task sees it. Without, only sizes are
  // looked at.
  bool verify = false;
  int threads = 2;  // that make files
  // The folder will be changed into another tree later: what its files are like is written down beside the store.
  bool remember = false;
};

struct Made {
  std::size_t kept = 0;     // files that were there already
  std::size_t written = 0;  // files
  std::size_t linked = 0;   // of these, hard links
  std::size_t removed = 0;  // of whatever kind
};

// At a path where nothing is (an empty directory may be there): the folder is made beside it and gets its name when it
// is complete. What a process that was killed has left half made beside it goes. The files of the tree must be in the
// store, and pinned; NotFound or DataLoss names the blob that is not.
absl::StatusOr<Made> MakeWorkspace(const Tree& tree, const ContentStore& store, const std::filesystem::path& folder,
                                   const WorkspaceOptions& options = {});

// A folder that is there becomes this tree: what is as it should be stays as it is, with its times; all else, also what
// tasks have left, is made anew or removed. Which files are unchanged is known from the last time, by stamps; others of
// the right size are read. After an error, or when this process dies, the folder is neither the old nor the new one,
// and another call makes it right. Nobody else may use it meanwhile.
absl::StatusOr<Made> ChangeWorkspace(const Tree& tree, ContentStore& store, const std::filesystem::path& folder,
                                     const WorkspaceOptions& options = {});

// After a task had hard links: DataLoss for the first blob of the tree that is not what it was; all are looked at, and
// those that are damaged are put aside.
absl::Status VerifyLinked(const Tree& tree, const ContentStore& store);

}  // namespace millrace::content
