// SPDX-License-Identifier: Apache-2.0
// Files that a task hands on by content: what it says it makes, what it wants of others, and what came of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/base/digest.h"

namespace millrace {

inline constexpr std::size_t kMaxArtifacts = 64;        // that a task makes, and entries of what it consumes
inline constexpr std::size_t kMaxArtifactName = 100;    // bytes
inline constexpr std::size_t kMaxArtifactPaths = 64;    // patterns of one artifact
inline constexpr std::size_t kMaxArtifactPath = 1024;   // bytes of a pattern, and of where something goes
inline constexpr std::size_t kMaxArtifactRules = 8192;  // bytes of all that one policy says of artifacts

// One artifact of a task: what there is at these patterns (content/collect.h) in its work directory when it succeeds.
struct Produce {
  std::string name{};
  std::vector<std::string> paths{};
  bool may_be_empty = false;  // else each pattern must match, and something of it must have content
  friend bool operator==(const Produce&, const Produce&) = default;
};

// What a task finds in its work directory when it starts.
struct Consume {
  std::string from{};      // a task that it needs; "build" is also each of its instances, as "build[os=linux]"
  std::string artifact{};  // of that; "" = all that it has
  std::string into{};      // below the work directory; "" = where they were made
  friend bool operator==(const Consume&, const Consume&) = default;
};

// All artifacts of a task: the tree that holds them, each in a directory of its name (content/bundle.h).
struct ArtifactTree {
  Digest digest{};          // of the tree, as it is written
  std::uint64_t size = 0;   // bytes of the tree as it is written
  std::uint64_t bytes = 0;  // of all files
  std::uint64_t files = 0;
  friend bool operator==(const ArtifactTree&, const ArtifactTree&) = default;
};

// A name is also the name of a directory: letters, digits, '_', '-' and '.', and no '.' or '-' in front.
constexpr bool IsArtifactName(std::string_view name) {
  if (name.empty() || name.size() > kMaxArtifactName || name.front() == '.' || name.front() == '-') return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '_' && c != '-' && c != '.') return false;
  }
  return true;
}
inline constexpr char kArtifactNameRule[] =
    "1 to 100 letters, digits, '_', '-' and '.', beginning with a letter, a digit or '_'";

// Whether `from` of a Consume means this task.
constexpr bool IsConsumed(std::string_view from, std::string_view task) {
  return task.starts_with(from) && (task.size() == from.size() || task[from.size()] == '[');
}

}  // namespace millrace
