// SPDX-License-Identifier: Apache-2.0
// Entries of a tree, made one by one below a folder: what is shared by ways to make a workspace.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/content/content_store.h"
#include "millrace/content/descent.h"
#include "millrace/content/stamp_cache.h"
#include "millrace/content/tree.h"
#include "millrace/content/workspace.h"

namespace millrace::content {

// A file, or a link, where nothing is; `stamp` gets what a file is like now.
absl::Status MakeFile(Descent& root, const ContentStore& store, const TreeEntry& entry, const WorkspaceOptions& options,
                      FileStamp& stamp, Made& made);
absl::Status MakeLink(Descent& root, const TreeEntry& entry);
absl::Status MakeDirectory(Descent& root, const TreeEntry& entry);

// The files of these, by several threads; their directories are there. Each of `stamps` belongs to the entry of the
// same place.
absl::Status MakeFiles(const std::filesystem::path& folder, const ContentStore& store,
                       std::span<const TreeEntry* const> files, std::span<FileStamp* const> stamps,
                       const WorkspaceOptions& options, Made& made);

// Removes what is at `path`, with everything in it, whatever its permissions; counts what was removed.
absl::Status RemoveAll(Descent& root, const std::string& path, std::size_t& removed);

}  // namespace millrace::content
