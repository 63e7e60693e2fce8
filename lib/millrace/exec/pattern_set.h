// SPDX-License-Identifier: Apache-2.0
// Finds many texts at once in a stream of bytes, with memory of where it is: the automaton of Aho and Corasick
// (Communications of the ACM 18(6), 1975). Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::exec {

// Offsets into the stream: [begin, end).
struct FoundRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class PatternSet {
 public:
  // Where a search is in its stream.
  struct Cursor {
    std::uint32_t node = 0;
    std::uint64_t offset = 0;           // bytes seen
    std::vector<std::uint64_t> breaks;  // offsets of those line breaks that were passed over in what `node` stands for
    std::uint32_t breaks_in_a_row = 0;
  };

  // `over_line_breaks`: a pattern is also found where a line break (LF or CR LF) stands in it, behind its first few
  // characters at the earliest: a line that ends like a pattern begins is not held back for every single character.
  PatternSet(const std::vector<std::string>& patterns, bool over_line_breaks);

  // Takes the next bytes of the stream, and appends to `found` all places where a pattern ended in them; of several
  // that end at one place, the longest.
  void Search(std::string_view chunk, Cursor& cursor, std::vector<FoundRange>& found) const;
  // Where the longest beginning of a pattern starts that the stream ends with; the stream's end if there is none.
  std::uint64_t Unfinished(const Cursor& cursor) const;

 private:
  static constexpr std::uint32_t kNone = 0;  // the root is nobody's child and nobody's sibling
  static constexpr std::uint32_t kBreakBehind = 4;

  struct Node {
    std::uint32_t child = kNone;
    std::uint32_t sibling = kNone;
    std::uint32_t failure = 0;
    std::uint32_t depth = 0;
    std::uint32_t longest = 0;  // bytes of the longest pattern that ends here; 0 = none does
    unsigned char byte = 0;
  };

  void Insert(std::string_view pattern);
  void Link();
  std::uint32_t Child(std::uint32_t node, unsigned char byte) const;
  std::uint32_t Next(std::uint32_t node, unsigned char byte) const;
  // Where the last `count` bytes of what was seen begin, line breaks not counted.
  static std::uint64_t Begin(const Cursor& cursor, std::uint32_t count);

  bool over_line_breaks_;
  std::vector<Node> nodes_{1};
  std::array<std::uint32_t, 256> first_{};  // the root's children, which are asked for most
};

}  // namespace millrace::exec
