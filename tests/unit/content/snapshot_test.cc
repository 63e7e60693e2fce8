// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/snapshot.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/content/file.h"
#include "millrace/content/stamp_cache.h"

namespace millrace::content {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SnapshotTest : public testing::Test {
 protected:
  SnapshotTest() : store_(*ContentStore::Open(folder_ / "store")) { std::filesystem::create_directory(source()); }

  std::filesystem::path source() const { return folder_ / "source"; }
  Snapshot Take(const SnapshotOptions& options = {}) {
    auto snapshot = TakeSnapshot(source(), *store_, options);
    EXPECT_EQ(snapshot.status(), absl::OkStatus());
    return snapshot.ok() ? *std::move(snapshot) : Snapshot{};
  }
  static std::vector<std::string> Paths(const Tree& tree) {
    std::vector<std::string> paths;
    for (const TreeEntry& entry : tree.entries) paths.push_back(entry.path);
    return paths;
  }
  // Until a change of a file would have another time than all that there are.
  static void PassAStep() {
    const std::int64_t now = FileClockNow();
    while (FileClockNow() <= now + 2 * kFileClockStepNs) std::this_thread::yield();
  }

  const TestFolder folder_;
  const std::unique_ptr<ContentStore> store_;
};

TEST_F(SnapshotTest, A36_EverythingIsInTheTreeAndInTheStore) {
  WriteFile(source() / "a/text", "hello");
  WriteFile(source() / "a-b", "");
  WriteFile(source() / "run", "#!/bin/sh\n");
  std::filesystem::permissions(source() / "run", std::filesystem::perms::all);
  std::filesystem::create_directories(source() / "empty/inner");
  std::filesystem::create_symlink("../a/text", source() / "empty/link");
  WriteFile(source() / "same", "hello");
  const Snapshot snapshot = Take();
  EXPECT_THAT(Paths(snapshot.tree),
              ElementsAre("a", "a/text", "a-b", "empty", "empty/inner", "empty/link", "run", "same"));
  const TreeEntry* const text = Find(snapshot.tree, "a/text");
  EXPECT_EQ(text->kind, EntryKind::kFile);
  EXPECT_EQ(text->size, 5U);
  EXPECT_EQ(text->digest, Sha256("hello"));
  EXPECT_EQ(Find(snapshot.tree, "run")->kind, EntryKind::kExecutable);
  EXPECT_EQ(Find(snapshot.tree, "empty/link")->target, "../a/text");
  EXPECT_EQ(snapshot.files, 4U);
  EXPECT_EQ(snapshot.read, 4U);
  EXPECT_EQ(snapshot.bytes_read, 20U);
  EXPECT_EQ(snapshot.added, 3U);  // equal content once
  for (const TreeEntry& entry : snapshot.tree.entries) {
    if (entry.is_file()) {
      EXPECT_EQ(store_->Verify(entry.digest), absl::OkStatus());
    }
  }
  EXPECT_FALSE(store_->Trim(0).ok()) << "its files are pinned";
  EXPECT_EQ(CountFiles(folder_ / "store/objects"), 3U);
}

TEST_F(SnapshotTest, A36_WhatIsIgnoredOrExcludedIsNotThere) {
  WriteFile(source() / ".gitignore", "*.o\n/out/\n");
  WriteFile(source() / "a.o", "x");
  WriteFile(source() / "out/file", "x");
  WriteFile(source() / "sub/.gitignore", "!keep.o\nlocal\n");
  WriteFile(source() / "sub/keep.o", "x");
  WriteFile(source() / "sub/local", "x");
  WriteFile(source() / ".git/config", "x");
  WriteFile(source() / "secret", "x");
  std::filesystem::create_symlink("/etc", source() / "sub/outside");
  EXPECT_THAT(Paths(Take({.exclude = "secret\noutside\n"}).tree),
              ElementsAre(".gitignore", "sub", "sub/.gitignore", "sub/keep.o"));
  EXPECT_THAT(Paths(Take({.exclude = "!a.o\n!/out/\nsub\n"}).tree),
              ElementsAre(".gitignore", "a.o", "out", "out/file", "secret"));
  EXPECT_THAT(Paths(Take({.gitignore = false, .exclude = "sub\n"}).tree),
              ElementsAre(".gitignore", "a.o", "out", "out/file", "secret"));
}

TEST_F(SnapshotTest, A36_WhatLeadsOutOrIsNoFileIsRefusedByName) {
  std::filesystem::create_symlink("../..", source() / "up");
  EXPECT_THAT(TextOf(TakeSnapshot(source(), *store_).status()),
              AllOf(HasSubstr("'up'"), HasSubstr("outside"), HasSubstr("exclude")));
  std::filesystem::remove(source() / "up");
  ASSERT_EQ(mkfifo((source() / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(TextOf(TakeSnapshot(source(), *store_).status()), AllOf(HasSubstr("'pipe'"), HasSubstr("a pipe")));
  EXPECT_TRUE(Take({.exclude = "pipe"}).tree.entries.empty());
  EXPECT_EQ(TakeSnapshot(folder_ / "nowhere", *store_).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SnapshotTest, WhatIsUnchangedIsNotReadAgain) {
  WriteFile(source() / "a", "one");
  WriteFile(source() / "b/c", "two");
  PassAStep();
  const Snapshot first = Take();
  EXPECT_EQ(first.read, 2U);
  const Snapshot second = Take();
  EXPECT_EQ(second.tree, first.tree);
  EXPECT_EQ(second.files, 2U);
  EXPECT_EQ(second.read, 0U);

  WriteFile(source() / "b/c", "TWO");
  const Snapshot third = Take();
  EXPECT_EQ(third.read, 1U);
  EXPECT_EQ(Find(third.tree, "b/c")->digest, Sha256("TWO"));
  std::filesystem::remove(source() / "a");
  EXPECT_THAT(Paths(Take().tree), ElementsAre("b", "b/c"));
}

TEST_F(SnapshotTest, WhatTheStoreHasLostIsReadAgain) {
  WriteFile(source() / "a", "one");
  PassAStep();
  Take();
  ASSERT_EQ(store_->Trim(0), absl::OkStatus());
  const Snapshot again = Take();
  EXPECT_EQ(again.read, 1U);
  EXPECT_EQ(again.added, 1U);
  EXPECT_TRUE(store_->Has(Sha256("one")));
}

// A file that is written to in the same step of the clock in which it was read looks unchanged: git's "racily clean".
TEST_F(SnapshotTest, WhatWasTouchedShortlyBeforeIsReadAgain) {
  for (int i = 0; i < 200; ++i) {
    const std::string text = std::to_string(1000 + i);  // always of the same size
    WriteFile(source() / "a", text);
    ASSERT_EQ(Find(Take().tree, "a")->digest, Sha256(text)) << i;
  }
}

// The same by the clock of nobody.
TEST_F(SnapshotTest, StampsThatAreTooNewAreNotKept) {
  const FileStamp old_stamp{.size = 1, .modified_ns = 90, .changed_ns = 99, .inode = 1};
  const FileStamp new_stamp{.size = 1, .modified_ns = 90, .changed_ns = 100, .inode = 1};
  const StampCache cache = StampCache::Load(store_->folder(), source(), "test");
  ASSERT_EQ(cache.Save({{"a", old_stamp, Sha256("a")}, {"b", new_stamp, Sha256("b")}}, 100), absl::OkStatus());
  StampCache again = StampCache::Load(store_->folder(), source(), "test");
  EXPECT_EQ(again.Find("a", old_stamp), Sha256("a"));
  EXPECT_EQ(again.Find("b", new_stamp), std::nullopt);
}

TEST_F(SnapshotTest, ATimeThatWasPutBackHidesNothing) {
  WriteFile(source() / "a", "one");
  PassAStep();
  Take();
  const struct stat before = StatOf(source() / "a");
  WriteFile(source() / "a", "ONE");
  const std::array<timespec, 2> times = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, (source() / "a").c_str(), times.data(), 0), 0);
  EXPECT_EQ(Find(Take().tree, "a")->digest, Sha256("ONE"));
}

TEST_F(SnapshotTest, ADamagedCacheIsNone) {
  WriteFile(source() / "a", "one");
  PassAStep();
  const Tree tree = Take().tree;
  const auto cache = *std::filesystem::directory_iterator(folder_ / "store/stamps");
  const std::string bytes = ReadFile(cache);
  for (const std::size_t at : {std::size_t{0}, std::size_t{40}, bytes.size() - 1}) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    WriteFile(cache, damaged);
    const Snapshot snapshot = Take();
    EXPECT_EQ(snapshot.read, 1U) << at;
    EXPECT_EQ(snapshot.tree, tree);
  }
  WriteFile(cache, bytes.substr(0, 20));
  EXPECT_EQ(Take().read, 1U);
  EXPECT_EQ(Take().read, 0U);
}

TEST_F(SnapshotTest, ManyFilesByTwoThreads) {
  for (int i = 0; i < 300; ++i)
    WriteFile(source() / std::to_string(i % 7) / std::to_string(i), std::to_string(i % 100));
  const Snapshot snapshot = Take();
  EXPECT_EQ(snapshot.files, 300U);
  EXPECT_EQ(snapshot.added, 100U);
  for (const TreeEntry& entry : snapshot.tree.entries) {
    if (entry.is_file()) {
      EXPECT_EQ(entry.digest, Sha256(ReadFile(source() / entry.path)));
    }
  }
}

// Somebody writes without end: what is stored is what was hashed, or it is an error that names the file, which comes
// sooner or later.
TEST_F(SnapshotTest, AFileThatChangesWhileItIsReadIsNeverHalfOfEach) {
  WriteFile(source() / "a", std::string(3 * kChunkBytes, 'a'));
  std::atomic<std::size_t> size{3 * kChunkBytes};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (char c = 'a'; !stop; c = c == 'z' ? 'a' : static_cast<char>(c + 1)) {
      const std::string text(size, c);
      const UniqueFd fd(open((source() / "a").c_str(), O_WRONLY | O_CLOEXEC));
      EXPECT_EQ(pwrite(fd.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    }
  });
  absl::Status status;
  const auto take = [&] {
    const auto snapshot = TakeSnapshot(source(), *store_);
    status = snapshot.status();
    if (snapshot.ok()) {
      EXPECT_EQ(store_->Verify(Find(snapshot->tree, "a")->digest), absl::OkStatus());
    }
  };
  for (int i = 0; i < 100; ++i) take();
  // Of a file that takes long to be read something changes each time, also where the writer has to wait for its turn.
  size = std::size_t{24} << 20;
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  do take();
  while (status.ok() && std::chrono::steady_clock::now() < until);
  stop = true;
  writer.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(TextOf(status), HasSubstr("'a' changes while it is read"));
  WriteFile(source() / "a", "quiet");
  EXPECT_EQ(Find(Take().tree, "a")->digest, Sha256("quiet"));
}

// Directories become links that lead out while they are walked; nothing of what is there is ever taken.
TEST_F(SnapshotTest, A36_NobodyLeadsAWalkOutByChangingDirectoriesIntoLinks) {
  WriteFile(folder_ / "outside/file", "not yours");
  std::filesystem::create_directories(folder_ / "spare");
  WriteFile(source() / "d/file", "mine");
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    while (!stop) {
      std::filesystem::rename(source() / "d", folder_ / "spare/d");
      std::filesystem::create_directory_symlink(folder_ / "outside", source() / "d");
      std::filesystem::remove(source() / "d");
      std::filesystem::rename(folder_ / "spare/d", source() / "d");
    }
  });
  for (int i = 0; i < 300; ++i) {
    const auto snapshot = TakeSnapshot(source(), *store_);
    if (!snapshot.ok()) continue;
    const TreeEntry* const file = Find(snapshot->tree, "d/file");
    if (file != nullptr) {
      EXPECT_EQ(file->digest, Sha256("mine"));
    }
  }
  stop = true;
  swapper.join();
  EXPECT_FALSE(store_->Has(Sha256("not yours")));
  EXPECT_EQ(Find(Take().tree, "d/file")->digest, Sha256("mine"));
}

}  // namespace
}  // namespace millrace::content
