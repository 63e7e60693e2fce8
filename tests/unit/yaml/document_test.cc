// SPDX-License-Identifier: Apache-2.0
// The tree that Load builds, the places it remembers, and what it refuses: first of all bombs, quickly.
#include "millrace/yaml/document.h"

#include <algorithm>
#include <ctime>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace::yaml {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string ErrorOf(std::string_view text, const Limits& limits = {}) {
  Problems problems("f.yaml");
  const std::optional<Node> root = Load(text, limits, problems);
  EXPECT_EQ(root.has_value() && problems.empty(), problems.empty());
  return TextOf(problems.ToStatus());
}

Node TreeOf(std::string_view text) {
  Problems problems("f.yaml");
  std::optional<Node> root = Load(text, {}, problems);
  EXPECT_TRUE(problems.empty()) << problems.ToStatus();
  return root.value_or(Node{});
}

// A bomb is refused at once: in 100 ms of processor time, of which a sanitizer may take ten times as much.
std::string BombError(const std::string& text) {
  const std::clock_t begin = std::clock();
  std::string error = ErrorOf(text);
  EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC);
  return error;
}

TEST(DocumentTest, KeepsOrderPlacesAndText) {
  const Node root = TreeOf("b: 010\na:\n  - yes\n  - 'x y'\nc: {d: ~}\n");
  ASSERT_TRUE(root.is_map());
  ASSERT_EQ(root.entries.size(), 3u);
  EXPECT_EQ(root.entries[0].key, "b");
  EXPECT_EQ(root.entries[0].value.text, "010");
  EXPECT_TRUE(root.entries[0].value.plain);
  const Node& list = root.entries[1].value;
  ASSERT_TRUE(list.is_list());
  EXPECT_EQ(list.items[0].text, "yes");
  EXPECT_EQ(list.items[1].text, "x y");
  EXPECT_FALSE(list.items[1].plain);
  EXPECT_EQ(list.items[1].mark, (Mark{4, 5}));
  EXPECT_EQ(root.entries[2].mark, (Mark{5, 1}));
  ASSERT_NE(root.Find("c"), nullptr);
  EXPECT_TRUE(root.Find("c")->Find("d")->is_null());
  EXPECT_EQ(root.Find("z"), nullptr);
}

TEST(DocumentTest, EmptyFileIsNull) {
  EXPECT_TRUE(TreeOf("").is_null());
  EXPECT_TRUE(TreeOf("# nothing\n").is_null());
  EXPECT_TRUE(TreeOf("\xEF\xBB\xBF").is_null());
}

TEST(DocumentTest, AliasesAreCopies) {
  const Node root = TreeOf("a: &x {k: [1, 2]}\nb: *x\nc: *x\n");
  ASSERT_NE(root.Find("c"), nullptr);
  EXPECT_EQ(root.Find("c")->Find("k")->items[1].text, "2");
}

TEST(DocumentTest, MergesMaps) {
  const Node root = TreeOf("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], a: 0}\nw: {b: 9, <<: *x}\n");
  EXPECT_EQ(root.Find("z")->entries.size(), 3u);
  EXPECT_EQ(root.Find("z")->Find("a")->text, "0");
  EXPECT_EQ(root.Find("z")->Find("b")->text, "2");
  EXPECT_EQ(root.Find("z")->Find("c")->text, "4");
  EXPECT_EQ(root.Find("w")->Find("b")->text, "9");
  EXPECT_EQ(root.Find("w")->Find("a")->text, "1");
  EXPECT_EQ(ErrorOf("a: {<<: text}\n"), "f.yaml:1:9: '<<' merges a map or a list of maps, not 'text'");
}

TEST(DocumentTest, DuplicateKeysAreAllTold) {
  EXPECT_EQ(ErrorOf("a: 1\nb: {c: 1, c: 2}\na: 2\n"),
            "f.yaml:2:11: key 'c' stands here twice\nf.yaml:3:1: key 'a' stands here twice");
}

TEST(DocumentTest, SyntaxErrorsHavePlaces) {
  const struct {
    std::string_view text;
    std::string_view error;
  } kCases[] = {
      {"a: [1, 2\nb: 3\n", "f.yaml:2:2: a '[' is not closed"},
      {"a:\n  b: 1\n c: 2\n", "f.yaml:3:2: this does not belong to the map above"},
      {"a: 1\n\tb: 2\n", "f.yaml:2:1: a tab cannot indent YAML"},
      {"a: b: c\n", "f.yaml:1:5: a ':' where no key can stand"},
      {"x: *foo\n", "f.yaml:1:4: this alias names no anchor"},
      {"a: @x\n", "f.yaml:1:4: text cannot begin with this character"},
      {"a: \"\\q\"\n", "f.yaml:1:7: unknown escape character"},
      {"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here"},
      {"a: !secret x\n", "f.yaml:1:4: unknown tag '!secret'"},
      {"? [x]\n: 2\n", "f.yaml:1:3: a list cannot be a key"},
      {"{{a: 1}: 2}\n", "f.yaml:1:2: a map cannot be a key"},
      {": 2\n", "f.yaml:1:1: a key is missing"},
      {"a: \"x\nb: 3\n", "f.yaml:1:4: this quoted text is never closed"},
      {"# \xC3\xA4\xC3\xB6\na: 'it''s\nb: 3\n", "f.yaml:2:4: this quoted text is never closed"},
      {"a: &n 'x\nb: 3\n", "f.yaml:1:7: this quoted text is never closed"},
      {std::string_view("a: \0b\n", 6), "f.yaml:1:4: byte 0x00 is not text"},
      {"a: b\nc: \xFF\n", "f.yaml:2:4: byte 0xff is not text"},
      {"a: \xC0\xAF\n", "f.yaml:1:4: byte 0xc0 is not text"},
      {"a: \xED\xA0\x80\n", "f.yaml:1:4: byte 0xed is not text"},
  };
  for (const auto& item : kCases) EXPECT_THAT(ErrorOf(item.text), StartsWith(std::string(item.error))) << item.text;
}

TEST(DocumentTest, ClosedQuotesAreFine) {
  TreeOf("a: 'it''s'");
  TreeOf("a: \"say \\\"x\\\"\"");
  TreeOf("a: |\n  it's \"open\n");
  TreeOf("a: &b !!str \"x\"\nc: it's\n");
  EXPECT_EQ(TreeOf("\xEF\xBB\xBF"
                   "a: 'x'\n")
                .Find("a")
                ->text,
            "x");
}

TEST(DocumentTest, Row27_DepthBomb) {
  EXPECT_THAT(BombError(std::string(1'000'000, '[')), HasSubstr("brackets are open here"));
  EXPECT_THAT(BombError(std::string(1'000'000, '{')), HasSubstr("brackets are open here"));
  EXPECT_EQ(BombError("a: " + std::string(5000, '[') + std::string(5000, ']')),
            "f.yaml:1:67: nested over 64 levels deep");
  EXPECT_NE(BombError("a: " + std::string(5000, '[')), "");
  std::string block;
  for (int i = 0; i < 300'000; ++i) block += "- ";
  EXPECT_EQ(BombError(block), "f.yaml:1:129: nested over 64 levels deep");
  std::string aliased = "a0: &a0 [x]\n";
  for (int i = 1; i < 70; ++i) {
    aliased += absl::StrFormat("a%d: &a%d [*a%d]\n", i, i, i - 1);
  }
  EXPECT_EQ(BombError(aliased), "f.yaml:64:12: nested over 64 levels deep");
}

TEST(DocumentTest, Row27_BillionLaughs) {
  std::string text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 10; ++i) {
    text += absl::StrFormat("a%d: &a%d [", i, i);
    for (int j = 0; j < 9; ++j) text += absl::StrFormat("%s*a%d", j == 0 ? "" : ", ", i - 1);
    text += "]\n";
  }
  EXPECT_THAT(BombError(text), StartsWith("f.yaml:6:10: over 100000 values"));
}

TEST(DocumentTest, Row27_AliasBombsOfOtherKinds) {
  EXPECT_EQ(BombError("a: &a [*a]\n"), "f.yaml:1:8: an alias stands inside the anchor that it repeats");
  EXPECT_EQ(BombError("a: &a {b: {c: *a}}\n"), "f.yaml:1:15: an alias stands inside the anchor that it repeats");
  std::string many = "a: &a x\nb:\n";
  for (int i = 0; i < 1001; ++i) many += "- *a\n";
  EXPECT_EQ(BombError(many), "f.yaml:1003:3: over 1000 aliases");
  std::string fat = "a: &a " + std::string(500'000, 'x') + "\nb: [*a, *a, *a]\n";
  EXPECT_THAT(BombError(fat), HasSubstr("aliases repeat over 1048576 bytes of text"));
  std::string nested;  // each anchor keeps all that is inside again
  for (int i = 0; i < 60; ++i) nested += absl::StrFormat("&a%d [", i);
  for (int i = 0; i < 5000; ++i) nested += "x,";
  nested += std::string(60, ']');
  EXPECT_THAT(BombError(nested), HasSubstr("anchors keep over 100000 values"));
}

TEST(DocumentTest, Row27_SizeAndCount) {
  EXPECT_EQ(BombError(std::string((1u << 20) + 1, 'x')), "f.yaml: is over 1048576 bytes long, which is the limit");
  std::string list;
  for (int i = 0; i < 200'000; ++i) list += "- a\n";
  EXPECT_THAT(BombError(list), StartsWith("f.yaml:100001:3: over 100000 values"));
}

TEST(ProblemsTest, ShowsTwentyInOrderAndCountsTheRest) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "a: 1\n";
  const std::string error = ErrorOf(text);
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 20);
  EXPECT_THAT(error, StartsWith("f.yaml:2:1: "));
  EXPECT_THAT(error, testing::EndsWith("f.yaml: and 9 more problems"));
}

}  // namespace
}  // namespace millrace::yaml
