// SPDX-License-Identifier: Apache-2.0
// What is below a folder, in the order of a tree, without following links.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/content/descent.h"
#include "millrace/content/file.h"
#include "millrace/content/ignore.h"
#include "millrace/content/tree.h"

namespace millrace::content {

struct Found {
  std::string path;
  EntryKind kind = EntryKind::kFile;
  bool other = false;  // a socket, a device or the like: nothing that a tree can hold
  std::uint32_t mode = 0;
  std::uint64_t names = 1;  // hard links to it
  FileStamp stamp{};        // of a file
  std::string target{};     // of a link
  int error = 0;            // why a directory could not be looked into (errno), where that is no error of the walk
};

struct WalkOptions {
  bool gitignore = false;  // what .gitignore files on the way leave out is not there, and neither is `.git`
  IgnoreList exclude{};    // nor is what this list leaves out
  std::string below{};     // only what is in this directory, "" for all; it must be there
  std::string only{};      // and there only what has this name, "" for all
  bool unlock = false;     // directories that cannot be read are made so
  bool tolerant = false;   // ... or told as Found::error, instead of ending the walk
  std::size_t max_found = kMaxTreeEntries;
};

// ResourceExhausted for more than a tree may have, in number or in depth. What vanishes meanwhile is not there: others
// may be at work in the folder.
absl::StatusOr<std::vector<Found>> Walk(Descent& root, const WalkOptions& options);

// "a socket", for errors about what is `other`.
std::string KindName(std::uint32_t mode);

}  // namespace millrace::content
