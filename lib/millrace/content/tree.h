// SPDX-License-Identifier: Apache-2.0
// The manifest of a folder: what is in it, by name and content, without the content itself.
//
// Written as msgpack: [version, [entry...]], an entry being [0, path] for a directory, [1, path, size, digest] for a
// file, [2, path, size, digest] for one that may be executed, and [3, path, target] for a symbolic link. There is one
// way to write a tree, and only that is read; the digest of it names the tree, so that equal folders have equal names.
//
// Entries are sorted by path, '/' counting as less than any other byte: what is in a directory follows it at once.
// Every directory is an entry, also the empty ones; the root is none.
//
// A symbolic link may point at anything inside of the tree, whether it exists or not, and at nothing outside. Its `..`
// may go up only from what the tree itself says is a directory: from a link, up is somewhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/digest.h"

namespace millrace::content {

inline constexpr std::uint8_t kTreeVersion = 1;
inline constexpr std::size_t kMaxTreeEntries = 500'000;
inline constexpr std::size_t kMaxTreePath = 4095;  // what Linux can open
inline constexpr std::size_t kMaxTreeName = 255;   // of a part of a path: what file systems can hold
inline constexpr std::size_t kMaxTreeDepth = 128;
inline constexpr std::size_t kMaxLinkTarget = 4095;
inline constexpr std::uint64_t kMaxTreeBytes = std::uint64_t{1} << 40;        // of all files
inline constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{256} << 20;  // of the tree as it is written

enum class EntryKind : std::uint8_t { kDirectory, kFile, kExecutable, kSymlink };

struct TreeEntry {
  std::string path{};  // from the root of the tree, parts joined by '/'
  EntryKind kind = EntryKind::kFile;
  std::uint64_t size = 0;  // of a file
  Digest digest{};         // of a file's content
  std::string target{};    // of a link, as it is written

  bool is_file() const { return kind == EntryKind::kFile || kind == EntryKind::kExecutable; }
  friend bool operator==(const TreeEntry&, const TreeEntry&) = default;
};

struct Tree {
  std::vector<TreeEntry> entries{};
  friend bool operator==(const Tree&, const Tree&) = default;
};

// The order of entries.
bool PathLess(std::string_view a, std::string_view b);

// OK when the path may be the one of an entry: InvalidArgument for one that is empty or absolute, or has a part that is
// empty, "." or ".."; ResourceExhausted for one that is too long or too deep.
absl::Status CheckPath(std::string_view path);
// The same for the target of a link at `path`, which must be one; `tree` tells what is a directory.
absl::Status CheckLink(const Tree& tree, std::string_view path, std::string_view target);
// All that is demanded of a tree; the error names the entry.
absl::Status CheckTree(const Tree& tree);

// nullptr when there is none. The tree must be sorted.
const TreeEntry* Find(const Tree& tree, std::string_view path);
std::uint64_t BytesOf(const Tree& tree);  // of all files

// Of a tree that is checked.
std::string EncodeTree(const Tree& tree);
Digest DigestOf(const Tree& tree);
// What is read is checked. Unimplemented for a later version.
absl::StatusOr<Tree> DecodeTree(std::string_view bytes);

// A path as errors show it: what would confuse a terminal is escaped, what is long is cut.
std::string Shown(std::string_view path);

}  // namespace millrace::content
