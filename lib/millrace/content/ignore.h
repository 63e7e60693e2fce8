// SPDX-License-Identifier: Apache-2.0
// What a .gitignore leaves out, as git reads it (gitignore(5)), and a list of ours in the same language.
//
// Of the files of all directories from the root down to the path the innermost that says something about it counts, in
// it the last line that matches; before all of them the list of ours. What is in an ignored directory is ignored,
// whatever else is said of it. `.git` is always ignored. Neither .git/info/exclude nor a user's own list is read, and
// files that git tracks although they match are ignored: there is no index here to say so.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/content/wildcard.h"

namespace millrace::content {

inline constexpr std::size_t kMaxIgnoreBytes = 1U << 20;  // of one file, or list

// The lines of one file.
class IgnoreList {
 public:
  IgnoreList() = default;
  explicit IgnoreList(std::string_view text);

  // What the last line that matches says of a path below the directory of the file; nothing when none does.
  std::optional<bool> Ignores(std::string_view path, bool is_directory) const;
  bool empty() const { return patterns_.empty(); }

 private:
  struct Pattern {
    std::string literal;  // what the path, or the name, begins with
    Wildcard rest;        // what follows it
    bool wild = false;    // whether anything follows it
    bool negated = false;
    bool directories_only = false;
    bool name_only = false;  // no slash in it: of the last part of a path, in any directory
  };

  void Add(std::string_view line);
  static bool Matches(const Pattern& pattern, std::string_view path);

  std::vector<Pattern> patterns_;
};

// The lists that hold where a walk is. Paths are relative to the root of the walk.
class IgnoreStack {
 public:
  explicit IgnoreStack(IgnoreList before_all = {}) : before_all_(std::move(before_all)) {}

  // The walk enters a directory ("" for the root), which has this list (an empty one when it has no file), or leaves
  // the one that it entered last.
  void Enter(std::string_view directory, IgnoreList list);
  void Leave() { levels_.pop_back(); }

  // Of something in the directory entered last.
  bool Ignores(std::string_view path, bool is_directory) const;

 private:
  struct Level {
    std::size_t prefix = 0;  // bytes of a path that name the directory, with the slash
    IgnoreList list;
  };

  IgnoreList before_all_;
  std::vector<Level> levels_;
};

}  // namespace millrace::content
