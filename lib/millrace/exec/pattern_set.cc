// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/pattern_set.h"

#include <algorithm>

namespace millrace::exec {

PatternSet::PatternSet(const std::vector<std::string>& patterns, bool over_line_breaks)
    : over_line_breaks_(over_line_breaks) {
  for (const std::string& pattern : patterns) Insert(pattern);
  Link();
}

std::uint32_t PatternSet::Child(std::uint32_t node, unsigned char byte) const {
  if (node == 0) return first_[byte];
  std::uint32_t child = nodes_[node].child;
  while (child != kNone && nodes_[child].byte != byte) child = nodes_[child].sibling;
  return child;
}

void PatternSet::Insert(std::string_view pattern) {
  if (pattern.empty()) return;
  std::uint32_t node = 0;
  for (const char c : pattern) {
    const auto byte = static_cast<unsigned char>(c);
    std::uint32_t child = Child(node, byte);
    if (child == kNone) {
      child = static_cast<std::uint32_t>(nodes_.size());
      nodes_.push_back({.child = kNone,
                        .sibling = nodes_[node].child,
                        .failure = 0,
                        .depth = nodes_[node].depth + 1,
                        .longest = 0,
                        .byte = byte});
      nodes_[node].child = child;
      if (node == 0) first_[byte] = child;
    }
    node = child;
  }
  nodes_[node].longest = nodes_[node].depth;
}

// Level by level, since the failure of a node is nearer to the root than itself.
void PatternSet::Link() {
  std::vector<std::uint32_t> level;
  for (std::uint32_t child = nodes_[0].child; child != kNone; child = nodes_[child].sibling) level.push_back(child);
  while (!level.empty()) {
    std::vector<std::uint32_t> below;
    for (const std::uint32_t node : level) {
      for (std::uint32_t child = nodes_[node].child; child != kNone; child = nodes_[child].sibling) {
        Node& linked = nodes_[child];
        linked.failure = Next(nodes_[node].failure, linked.byte);
        linked.longest = std::max(linked.longest, nodes_[linked.failure].longest);
        below.push_back(child);
      }
    }
    level = std::move(below);
  }
}

std::uint32_t PatternSet::Next(std::uint32_t node, unsigned char byte) const {
  while (true) {
    if (const std::uint32_t child = Child(node, byte); child != kNone) return child;
    if (node == 0) return 0;
    node = nodes_[node].failure;
  }
}

std::uint64_t PatternSet::Begin(const Cursor& cursor, std::uint32_t count) {
  std::uint64_t begin = cursor.offset - count - cursor.breaks_in_a_row;
  std::size_t passed = cursor.breaks.size() - cursor.breaks_in_a_row;
  while (passed > 0 && cursor.breaks[passed - 1] >= begin) {
    --passed;
    --begin;
  }
  return begin;
}

void PatternSet::Search(std::string_view chunk, Cursor& cursor, std::vector<FoundRange>& found) const {
  for (const char c : chunk) {
    const auto byte = static_cast<unsigned char>(c);
    if (cursor.node == 0 && first_[byte] == kNone) {
      ++cursor.offset;
      continue;
    }
    if (over_line_breaks_ && (c == '\n' || c == '\r') && nodes_[cursor.node].depth >= kBreakBehind &&
        cursor.breaks_in_a_row < 2) {
      cursor.breaks.push_back(cursor.offset++);
      ++cursor.breaks_in_a_row;
      continue;
    }
    cursor.breaks_in_a_row = 0;
    cursor.node = Next(cursor.node, byte);
    ++cursor.offset;
    const Node& node = nodes_[cursor.node];
    if (node.longest > 0) found.push_back({Begin(cursor, node.longest), cursor.offset});
    if (cursor.breaks.empty()) continue;
    const std::uint64_t begin = Begin(cursor, node.depth);
    std::erase_if(cursor.breaks, [begin](std::uint64_t at) { return at < begin; });
  }
}

std::uint64_t PatternSet::Unfinished(const Cursor& cursor) const {
  std::uint32_t node = cursor.node;
  while (node != 0 && nodes_[node].child == kNone) node = nodes_[node].failure;  // whole, and nothing longer begins so
  const std::uint32_t depth = nodes_[node].depth;
  return depth == 0 ? cursor.offset : Begin(cursor, depth);
}

}  // namespace millrace::exec
