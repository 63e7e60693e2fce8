// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/tree.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/wire/writer.h"

namespace millrace::content {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TreeEntry Folder(std::string path) { return {.path = std::move(path), .kind = EntryKind::kDirectory}; }
TreeEntry File(std::string path, std::string_view content = "text") {
  return {.path = std::move(path), .kind = EntryKind::kFile, .size = content.size(), .digest = Sha256(content)};
}
TreeEntry Link(std::string path, std::string target) {
  return {.path = std::move(path), .kind = EntryKind::kSymlink, .target = std::move(target)};
}

std::string Refusal(const Tree& tree) {
  const absl::Status status = CheckTree(tree);
  EXPECT_FALSE(status.ok());
  // Whoever writes it down nevertheless is refused where it is read, for the same reason.
  EXPECT_EQ(TextOf(DecodeTree(EncodeTree(tree)).status()), TextOf(status));
  return TextOf(status);
}

Tree Sample() {
  TreeEntry program = File("bin/run", "#!/bin/sh\n");
  program.kind = EntryKind::kExecutable;
  return {.entries = {Folder("bin"), Folder("bin/empty"), program, File("bin-old", ""), Link("latest", "bin/run"),
                      Folder("lib"), Link("lib/run", "../bin/./run"), Link("lib/up", "..")}};
}

TEST(TreeTest, A36_WhatIsWrittenIsRead) {
  const Tree tree = Sample();
  ASSERT_EQ(CheckTree(tree), absl::OkStatus());
  const auto again = DecodeTree(EncodeTree(tree));
  ASSERT_EQ(again.status(), absl::OkStatus());
  EXPECT_EQ(*again, tree);
  EXPECT_EQ(DecodeTree(EncodeTree(Tree{})).value(), Tree{});
}

TEST(TreeTest, A36_TheDigestNamesEverythingThatCounts) {
  const Tree tree = Sample();
  EXPECT_EQ(DigestOf(tree), DigestOf(Sample()));
  std::vector<Digest> others = {DigestOf(tree)};
  Tree other = tree;
  other.entries[2].kind = EntryKind::kFile;
  others.push_back(DigestOf(other));
  other = tree;
  other.entries.erase(other.entries.begin() + 1);  // an empty directory
  others.push_back(DigestOf(other));
  other = tree;
  other.entries[4].target = "bin/walk";
  others.push_back(DigestOf(other));
  other = tree;
  other.entries[2].digest = Sha256("something else");
  others.push_back(DigestOf(other));
  std::sort(others.begin(), others.end());
  EXPECT_EQ(std::unique(others.begin(), others.end()), others.end());
}

TEST(TreeTest, WhatIsInADirectoryFollowsIt) {
  std::vector<std::string> paths = {"a", "a/b", "a/b/c", "a/b-", "a-", "a-/x", "a.b", "aa", "b", "\xff"};
  const std::vector<std::string> sorted = paths;
  std::reverse(paths.begin(), paths.end());
  std::sort(paths.begin(), paths.end(), PathLess);
  EXPECT_EQ(paths, sorted);
  EXPECT_FALSE(PathLess("a", "a"));
}

TEST(TreeTest, A36_APathStaysInsideAndIsWrittenOneWay) {
  for (const std::string path : {"", "/", "/etc", "a//b", "a/", "./a", "a/.", "..", "../a", "a/../b", "a/.."}) {
    EXPECT_EQ(CheckPath(path).code(), absl::StatusCode::kInvalidArgument) << path;
  }
  EXPECT_FALSE(CheckPath(std::string("a\0b", 3)).ok());
  for (const std::string path : {"a", "...", "..a", ".a", "a b", "a\nb", "\xc3\xa4", "\xff", "a/b/c", "-rf"}) {
    EXPECT_EQ(CheckPath(path), absl::OkStatus()) << path;
  }
  EXPECT_THAT(Refusal({.entries = {File("../etc/passwd")}}), AllOf(HasSubstr("'../etc/passwd'"), HasSubstr("'..'")));
}

TEST(TreeTest, A36_NothingIsBelowAFileOrALink) {
  EXPECT_THAT(Refusal({.entries = {File("a"), File("a/b")}}), HasSubstr("'a/b' is in no directory"));
  EXPECT_THAT(Refusal({.entries = {Folder("d"), Link("l", "d"), File("l/b")}}), HasSubstr("'l/b' is in no directory"));
  EXPECT_THAT(Refusal({.entries = {File("missing/b")}}), HasSubstr("in no directory"));
  EXPECT_THAT(Refusal({.entries = {Folder("a"), Folder("a/b"), File("a/c"), File("a/c/d")}}), HasSubstr("'a/c/d'"));
}

TEST(TreeTest, A36_EntriesAreSortedAndDifferent) {
  EXPECT_THAT(Refusal({.entries = {File("b"), File("a")}}), HasSubstr("'a' after 'b'"));
  EXPECT_THAT(Refusal({.entries = {File("a"), Folder("a")}}), HasSubstr("two entries have the path 'a'"));
  EXPECT_EQ(CheckTree({.entries = {File("A"), File("a")}}), absl::OkStatus());
}

TEST(TreeTest, A36_ALinkStaysInside) {
  const auto with = [](std::string target) {
    return Tree{.entries = {Folder("d"), Folder("d/e"), Link("d/e/l", std::move(target)), Link("deep", "d/e")}};
  };
  for (const char* target : {"x", "../x", "../..", "../../d/e/l", ".//./x", "../../deep/nothing", "d/.."}) {
    const Tree tree = with(target);
    if (std::string_view(target) == "d/..") {
      EXPECT_THAT(Refusal(tree), HasSubstr("no directory of the tree"));
    } else {
      EXPECT_EQ(CheckTree(tree), absl::OkStatus()) << target;
    }
  }
  EXPECT_THAT(Refusal(with("/etc/passwd")), AllOf(HasSubstr("'/etc/passwd'"), HasSubstr("absolute")));
  EXPECT_THAT(Refusal(with("../../..")), AllOf(HasSubstr("'d/e/l'"), HasSubstr("outside")));
  EXPECT_THAT(Refusal(with("../../d/../../x")), HasSubstr("outside"));
  EXPECT_THAT(Refusal(with("")), HasSubstr("empty"));
  // Up from a link is up from what it points at: `deep` is d/e, so this is the root's parent and not the root.
  EXPECT_THAT(Refusal(with("../../deep/../../..")), HasSubstr("'deep', which is no directory"));
}

TEST(TreeTest, A36_OneTreeHasOneWriting) {
  const auto refusal = [](std::string_view bytes) { return TextOf(DecodeTree(bytes).status()); };
  const std::string good = EncodeTree({.entries = {Folder("a")}});
  EXPECT_EQ(good, std::string("\x92\x01\x91\x92\x00\xa1"
                              "a",
                              7));
  EXPECT_THAT(refusal(std::string("\x92\x01\x91\x92\x00\xd9\x01"
                                  "a",
                                  8)),
              HasSubstr("the one way"));
  EXPECT_THAT(refusal(std::string("\x92\xcc\x01\x90", 4)), HasSubstr("the one way"));
  EXPECT_FALSE(DecodeTree(good + "x").ok());
  EXPECT_FALSE(DecodeTree(good.substr(0, good.size() - 1)).ok());
  EXPECT_THAT(refusal(std::string("\x93\x01\x90\x00", 4)), HasSubstr("3 fields"));
  EXPECT_THAT(refusal(std::string("\x92\x01\x91\x93\x00\xa1"
                                  "a\x00",
                                  8)),
              HasSubstr("an entry of 3 fields"));
  EXPECT_THAT(refusal(std::string("\x92\x01\x91\x92\x04\xa1"
                                  "a",
                                  7)),
              HasSubstr("4 is no kind"));
  EXPECT_EQ(DecodeTree(std::string("\x92\x02\x90", 3)).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(TreeTest, WhatIsNoFileHasNoContentAndWhatIsNoLinkNoTarget) {
  TreeEntry odd = Folder("a");
  odd.size = 1;
  EXPECT_FALSE(CheckTree({.entries = {odd}}).ok());
  odd = Link("a", "b");
  odd.digest = Sha256("x");
  EXPECT_FALSE(CheckTree({.entries = {odd}}).ok());
  odd = File("a");
  odd.target = "b";
  EXPECT_FALSE(CheckTree({.entries = {odd}}).ok());
}

TEST(TreeTest, AnEntryIsFoundByItsPath) {
  const Tree tree = Sample();
  for (const TreeEntry& entry : tree.entries) EXPECT_EQ(Find(tree, entry.path), &entry);
  EXPECT_EQ(Find(tree, "bin/nothing"), nullptr);
  EXPECT_EQ(Find({}, "a"), nullptr);
  EXPECT_EQ(BytesOf(tree), 10U);
}

TEST(TreeTest, ErrorsShowHostileNamesHarmlessly) {
  EXPECT_EQ(Shown("a\x1b[2Jb\n"), "'a\\033[2Jb\\n'");
  EXPECT_LT(Shown(std::string(5000, 'x')).size(), 300U);
}

}  // namespace
}  // namespace millrace::content
