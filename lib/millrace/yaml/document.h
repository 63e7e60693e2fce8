// SPDX-License-Identifier: Apache-2.0
// A YAML file as a tree of our own, safe to walk: what comes from outside is bounded before memory is spent on it.
//
// yaml-cpp's own nodes are not used: they share aliased parts (walking a 300-byte "billion laughs" takes for ever, and
// a list may contain itself), accept duplicate keys, and read `yes` as true and `010` as 8. Here the parser's events
// build the tree, aliases are copied and charged, and a scalar is its text until somebody who knows the schema asks for
// more.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/yaml/problems.h"

namespace millrace::yaml {

struct Limits {
  std::size_t max_bytes = 1u << 20;         // of the file, and of the text that aliases add to it
  std::size_t max_nodes = 100'000;          // aliases expanded
  std::size_t max_depth = 64;               // aliases expanded
  std::size_t max_alias_expansions = 1000;  // in the whole file
};

struct Entry;

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  bool plain = false;  // a scalar without quotes: `true` and `5` may stand for more than text
  Mark mark{};
  std::string text{};          // of a scalar
  std::vector<Node> items{};   // of a list
  std::vector<Entry> entries;  // of a map, in the order of the file; no key twice

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  // The value under `key`, or nullptr. Linear: for maps whose keys a schema names.
  const Node* Find(std::string_view key) const;
};

struct Entry {
  std::string key;
  Mark mark;  // of the key
  Node value;
};

// "a list", "a map", "nothing", "the text 'x'": for errors.
std::string Describe(const Node& node);

// The tree of the one document in `text`; a null node for an empty file. Adds to `problems` and returns nothing when
// there is no tree to go on with (syntax, limits); adds and returns a tree for what can be told together with what the
// schema has to say (duplicate keys, unknown tags). `<<` merges as usual: keys that stand in the map itself win.
std::optional<Node> Load(std::string_view text, const Limits& limits, Problems& problems);

}  // namespace millrace::yaml
