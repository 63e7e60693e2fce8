// SPDX-License-Identifier: Apache-2.0
// Each limit of content at its edge: exactly so much is accepted, one more is refused with both numbers.
#include <sys/mman.h>

#include <string>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/content/collect.h"
#include "millrace/content/content_store.h"
#include "millrace/content/ignore.h"
#include "millrace/content/snapshot.h"
#include "millrace/content/tree.h"
#include "millrace/wire/writer.h"

namespace millrace::content {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A path of `depth` parts.
std::string Deep(std::size_t depth) {
  std::string path = "d";
  for (std::size_t i = 1; i < depth; ++i) path += "/d";
  return path;
}
// One of `size` bytes, of names that are short enough.
std::string Long(std::size_t size) {
  std::string path(size, 'x');
  for (std::size_t i = 100; i + 1 < size; i += 100) path[i] = '/';
  return path;
}

// Directories as they are written, without the memory that as many entries take.
std::string Written(std::size_t entries) {
  std::string bytes;
  wire::Writer writer(bytes);
  writer.ArrayHeader(2);
  writer.Unsigned(kTreeVersion);
  writer.ArrayHeader(entries);
  for (std::size_t i = 0; i < entries; ++i) {
    writer.ArrayHeader(2);
    writer.Unsigned(static_cast<std::uint8_t>(EntryKind::kDirectory));
    writer.String(std::to_string(1'000'000 + i));
  }
  return bytes;
}

TEST(LimitsTest, A36_EntriesOfATree) {
  auto tree = DecodeTree(Written(kMaxTreeEntries));
  ASSERT_EQ(tree.status(), absl::OkStatus());
  const auto numbers = AllOf(HasSubstr("500001"), HasSubstr("500000"));
  EXPECT_THAT(TextOf(DecodeTree(Written(kMaxTreeEntries + 1)).status()), numbers);
  tree->entries.push_back({.path = "z", .kind = EntryKind::kDirectory});
  EXPECT_THAT(TextOf(CheckTree(*tree)), numbers);
}

TEST(LimitsTest, A36_PathsOfATree) {
  EXPECT_EQ(CheckPath(Long(kMaxTreePath)), absl::OkStatus());
  EXPECT_THAT(TextOf(CheckPath(Long(kMaxTreePath + 1))), AllOf(HasSubstr("4096"), HasSubstr("4095")));
  EXPECT_EQ(CheckPath(std::string(kMaxTreeName, 'x')), absl::OkStatus());
  EXPECT_THAT(TextOf(CheckPath("a/" + std::string(kMaxTreeName + 1, 'x'))), AllOf(HasSubstr("256"), HasSubstr("255")));
  EXPECT_EQ(CheckPath(Deep(kMaxTreeDepth)), absl::OkStatus());
  EXPECT_THAT(TextOf(CheckPath(Deep(kMaxTreeDepth + 1))), AllOf(HasSubstr("129"), HasSubstr("128")));
}

TEST(LimitsTest, A36_LinksOfATree) {
  const Tree tree{{{.path = "d", .kind = EntryKind::kDirectory}}};
  std::string back_and_forth;
  for (std::size_t i = 0; i < kMaxTreeDepth; ++i) back_and_forth += "d/../";
  EXPECT_EQ(CheckLink(tree, "l", back_and_forth), absl::OkStatus());
  EXPECT_THAT(TextOf(CheckLink(tree, "l", back_and_forth + "d/..")), AllOf(HasSubstr("129"), HasSubstr("128")));
  EXPECT_EQ(CheckLink({}, "l", Long(kMaxLinkTarget)), absl::OkStatus());
  EXPECT_THAT(TextOf(CheckLink({}, "l", Long(kMaxLinkTarget + 1))), AllOf(HasSubstr("4096"), HasSubstr("4095")));
}

TEST(LimitsTest, A36_BytesOfATree) {
  Tree tree{.entries = {{.path = "a", .size = kMaxTreeBytes - 1, .digest = Sha256("a")},
                        {.path = "b", .size = 1, .digest = Sha256("b")}}};
  EXPECT_EQ(CheckTree(tree), absl::OkStatus());
  tree.entries[1].size = 2;
  EXPECT_THAT(TextOf(CheckTree(tree)), AllOf(HasSubstr("1099511627776"), HasSubstr("'b'")));
  tree.entries[1].size = UINT64_MAX;
  EXPECT_FALSE(CheckTree(tree).ok());
}

TEST(LimitsTest, A36_BytesOfAManifest) {
  // Of which nothing but the first byte is looked at, so that it costs a page.
  void* const pages =
      mmap(nullptr, kMaxManifestBytes + 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  const std::string_view bytes(static_cast<const char*>(pages), kMaxManifestBytes + 1);
  EXPECT_THAT(TextOf(DecodeTree(bytes).status()), AllOf(HasSubstr("268435457"), HasSubstr("268435456")));
  EXPECT_THAT(TextOf(DecodeTree(bytes.substr(1)).status()), HasSubstr("expected an array"));
  munmap(pages, bytes.size());
}

TEST(LimitsTest, A36_BytesOfAnIgnoreList) {
  const TestFolder folder;
  const auto store = *ContentStore::Open(folder / "store");
  std::filesystem::create_directory(folder / "source");
  const std::string most(kMaxIgnoreBytes, '\n');
  EXPECT_EQ(TakeSnapshot(folder / "source", *store, {.exclude = most}).status(), absl::OkStatus());
  const auto numbers = AllOf(HasSubstr("1048577"), HasSubstr("1048576"));
  EXPECT_THAT(TextOf(TakeSnapshot(folder / "source", *store, {.exclude = most + "\n"}).status()), numbers);
  WriteFile(folder / "source/.gitignore", most);
  EXPECT_EQ(TakeSnapshot(folder / "source", *store).status(), absl::OkStatus());
  WriteFile(folder / "source/.gitignore", most + "\n");  // which is not read to its end
  EXPECT_THAT(TextOf(TakeSnapshot(folder / "source", *store).status()),
              AllOf(HasSubstr("over"), HasSubstr("1048576"), HasSubstr(".gitignore")));
}

TEST(LimitsTest, A36_PatternsOfArtifacts) {
  EXPECT_EQ(CheckGlob(Long(kMaxGlob)), absl::OkStatus());
  EXPECT_THAT(TextOf(CheckGlob(Long(kMaxGlob + 1))), AllOf(HasSubstr("4096"), HasSubstr("4095")));
}

TEST(LimitsTest, A36_ASnapshotIsNoDeeperThanATree) {
  const TestFolder folder;
  const auto store = *ContentStore::Open(folder / "store");
  std::filesystem::create_directories(folder / "source" / Deep(kMaxTreeDepth));
  const auto snapshot = TakeSnapshot(folder / "source", *store);
  ASSERT_EQ(snapshot.status(), absl::OkStatus());
  EXPECT_EQ(snapshot->tree.entries.size(), kMaxTreeDepth);
  std::filesystem::create_directory(folder / "source" / Deep(kMaxTreeDepth) / "d");
  EXPECT_THAT(TextOf(TakeSnapshot(folder / "source", *store).status()), AllOf(HasSubstr("129"), HasSubstr("128")));
}

}  // namespace
}  // namespace millrace::content
