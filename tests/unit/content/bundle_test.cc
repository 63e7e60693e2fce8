// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/bundle.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"

namespace millrace::content {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TreeEntry Directory(std::string path) { return {.path = std::move(path), .kind = EntryKind::kDirectory}; }
TreeEntry File(std::string path, const std::string& content) {
  return {.path = std::move(path), .kind = EntryKind::kFile, .size = content.size(), .digest = Sha256(content)};
}
TreeEntry Link(std::string path, std::string target) {
  return {.path = std::move(path), .kind = EntryKind::kSymlink, .target = std::move(target)};
}
std::vector<std::string> PathsOf(const Tree& tree) {
  std::vector<std::string> paths;
  for (const TreeEntry& entry : tree.entries) paths.push_back(entry.path);
  return paths;
}

Tree TwoArtifacts() {
  auto bundle =
      Bundle({{.name = "docs", .tree = {{Directory("out"), File("out/index.html", "<p>")}}},
              {.name = "app", .tree = {{Directory("out"), File("out/app", "elf"), Link("out/latest", "app")}}},
              {.name = "none", .tree = {}}});
  EXPECT_TRUE(bundle.ok()) << bundle.status();
  return bundle.ok() ? *std::move(bundle) : Tree{};
}

TEST(BundleTest, A36_ArtifactsAreOneTreeAndComeOutOfItAsTheyWere) {
  const Tree bundle = TwoArtifacts();
  EXPECT_THAT(PathsOf(bundle), ElementsAre("app", "app/out", "app/out/app", "app/out/latest", "docs", "docs/out",
                                           "docs/out/index.html", "none"));
  EXPECT_THAT(*ArtifactsIn(bundle), ElementsAre("app", "docs", "none"));
  EXPECT_THAT(PathsOf(*TakeOut(bundle, "app", "")), ElementsAre("out", "out/app", "out/latest"));
  EXPECT_THAT(PathsOf(*TakeOut(bundle, "", "")), ElementsAre("out", "out/app", "out/index.html", "out/latest"));
  EXPECT_THAT(PathsOf(*TakeOut(bundle, "docs", "in/here")),
              ElementsAre("in", "in/here", "in/here/out", "in/here/out/index.html"));
  EXPECT_THAT(PathsOf(*TakeOut(bundle, "none", "")), ElementsAre());
  const std::string encoded = EncodeTree(bundle);
  const ArtifactTree described = DescribeBundle(bundle, encoded);
  EXPECT_EQ(described.digest, Sha256(encoded));
  EXPECT_EQ(described.size, encoded.size());
  EXPECT_EQ(described.files, 2u);
  EXPECT_EQ(described.bytes, 6u);
}

TEST(BundleTest, A36_ANameThatIsNotThereIsRefusedWithTheNearest) {
  const auto taken = TakeOut(TwoArtifacts(), "dosc", "");
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(TextOf(taken.status()), AllOf(HasSubstr("dosc"), HasSubstr("did you mean 'docs'?")));
}

TEST(BundleTest, A36_ALinkThatLeavesItsArtifactIsRefused) {
  const Tree hostile{{Directory("app"), Link("app/x", "../docs/y"), Directory("docs"), File("docs/y", "z")}};
  ASSERT_TRUE(CheckTree(hostile).ok());
  EXPECT_EQ(TakeOut(hostile, "app", "").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TakeOut(hostile, "app", "deep/down").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(BundleTest, A36_WhatStandsBesideTheArtifactsIsRefused) {
  EXPECT_FALSE(ArtifactsIn({{File("app", "x")}}).ok());
  EXPECT_FALSE(ArtifactsIn({{Directory(".git")}}).ok());
  EXPECT_FALSE(TakeOut({{Link("app", "b"), Directory("b")}}, "b", "").ok());
}

TEST(BundleTest, A36_NothingGoesOutOfTheFolder) {
  for (const char* into : {"../out", "/out", "a//b", "."}) {
    EXPECT_EQ(TakeOut(TwoArtifacts(), "app", into).status().code(), absl::StatusCode::kInvalidArgument) << into;
  }
}

TEST(BundleTest, A36_DifferentThingsAtOnePathAreRefusedAndNamed) {
  const Tree one{{Directory("out"), File("out/app", "1")}};
  const Tree two{{Directory("out"), File("out/app", "2")}};
  EXPECT_EQ(PathsOf(*Merge({{"'a'", one}, {"'b'", one}})), PathsOf(one));
  const auto merged = Merge({{"'a'", one}, {"'b'", two}});
  EXPECT_EQ(merged.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(TextOf(merged.status()), AllOf(HasSubstr("'a' and 'b'"), HasSubstr("out/app"), HasSubstr("into")));
}

}  // namespace
}  // namespace millrace::content
