// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/workspace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <string>
#include <thread>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/content/file.h"
#include "millrace/content/snapshot.h"

namespace millrace::content {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class WorkspaceTest : public testing::Test {
 protected:
  WorkspaceTest() : store_(*ContentStore::Open(folder_ / "store")) {
    WriteFile(folder_ / "source/a/text", "hello");
    WriteFile(folder_ / "source/run", "#!/bin/sh\n");
    std::filesystem::permissions(folder_ / "source/run", std::filesystem::perms::owner_all);
    WriteFile(folder_ / "source/large", std::string(3 * kChunkBytes + 1, 'x'));
    std::filesystem::create_directories(folder_ / "source/empty");
    std::filesystem::create_symlink("../a/text", folder_ / "source/empty/link");
    snapshot_ = Take("source");
  }

  std::filesystem::path work() const { return folder_ / "work"; }
  Snapshot Take(std::string_view folder) {
    auto snapshot = TakeSnapshot(folder_ / folder, *store_, {.gitignore = false});
    EXPECT_EQ(snapshot.status(), absl::OkStatus());
    return snapshot.ok() ? *std::move(snapshot) : Snapshot{};
  }
  Made Change(const Tree& tree, const WorkspaceOptions& options = {}) {
    const auto made = ChangeWorkspace(tree, *store_, work(), options);
    EXPECT_EQ(made.status(), absl::OkStatus());
    return made.value_or(Made{});
  }
  // What is in the folder is this tree, and nothing else.
  void ExpectIs(const Tree& tree) { EXPECT_EQ(Take("work").tree, tree); }
  static void PassAStep() {
    const std::int64_t now = FileClockNow();
    while (FileClockNow() <= now + 2 * kFileClockStepNs) std::this_thread::yield();
  }

  const TestFolder folder_;
  const std::unique_ptr<ContentStore> store_;
  Snapshot snapshot_;
};

TEST_F(WorkspaceTest, A36_AFolderThatIsMadeIsTheOneThatWasTaken) {
  for (const bool verify : {false, true}) {
    const auto made = MakeWorkspace(snapshot_.tree, *store_, work(), {.verify = verify});
    ASSERT_EQ(made.status(), absl::OkStatus());
    EXPECT_EQ(made->written, 3U);
    ExpectIs(snapshot_.tree);
    EXPECT_EQ(ReadFile(work() / "empty/link"), "hello");
    EXPECT_EQ(access((work() / "run").c_str(), X_OK), 0);
    std::filesystem::remove_all(work());
  }
}

TEST_F(WorkspaceTest, A36_WhatATaskDoesThereDoesNotReachTheStore) {
  ASSERT_TRUE(MakeWorkspace(snapshot_.tree, *store_, work()).ok());
  for (const char* name : {"a/text", "run", "large"}) {
    ASSERT_EQ(chmod((work() / name).c_str(), 0777), 0);
    WriteFile(work() / name, "changed by a task");
  }
  for (const TreeEntry& entry : snapshot_.tree.entries) {
    if (entry.is_file()) {
      EXPECT_EQ(store_->Verify(entry.digest), absl::OkStatus()) << entry.path;
    }
  }
}

TEST_F(WorkspaceTest, WhereSomethingIsNothingIsMade) {
  WriteFile(work() / "file", "theirs");
  const auto made = MakeWorkspace(snapshot_.tree, *store_, work());
  EXPECT_EQ(made.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(made.status()), HasSubstr(work().string()));
  EXPECT_EQ(ReadFile(work() / "file"), "theirs");
  std::filesystem::remove(work() / "file");
  EXPECT_TRUE(MakeWorkspace(snapshot_.tree, *store_, work()).ok());  // an empty folder is as good as none
  ExpectIs(snapshot_.tree);
}

TEST_F(WorkspaceTest, WhatCannotBeMadeLeavesNothing) {
  const Digest lost = Find(snapshot_.tree, "large")->digest;
  std::filesystem::remove(store_->PathOf(lost));
  const auto made = MakeWorkspace(snapshot_.tree, *store_, work());
  EXPECT_EQ(made.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(TextOf(made.status()), HasSubstr(lost.Hex()));
  std::size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    static_cast<void>(entry);
    ++entries;
  }
  EXPECT_EQ(entries, 2U);  // the source and the store
}

TEST_F(WorkspaceTest, WhatSomebodyWhoDiedHasHalfMadeGoes) {
  WriteFile(folder_ / ".work.abc.making/a/half", "x");
  WriteFile(folder_ / ".work.abc.kept/a", "x");
  ASSERT_TRUE(MakeWorkspace(snapshot_.tree, *store_, work()).ok());
  EXPECT_FALSE(std::filesystem::exists(folder_ / ".work.abc.making"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / ".work.abc.kept"));
}

TEST_F(WorkspaceTest, A36_ADamagedBlobIsFoundBeforeATaskSeesIt) {
  const Digest digest = Find(snapshot_.tree, "a/text")->digest;
  ASSERT_EQ(chmod(store_->PathOf(digest).c_str(), 0600), 0);
  WriteFile(store_->PathOf(digest), "HELLO");
  const auto made = MakeWorkspace(snapshot_.tree, *store_, work(), {.verify = true});
  EXPECT_EQ(made.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(TextOf(made.status()), AllOf(HasSubstr("'a/text'"), HasSubstr(digest.Hex())));
  EXPECT_FALSE(std::filesystem::exists(work()));
  EXPECT_FALSE(store_->Has(digest));
}

TEST_F(WorkspaceTest, OnlyDifferencesAreMadeAndWhatWasLeftIsRemoved) {
  ASSERT_TRUE(MakeWorkspace(snapshot_.tree, *store_, work(), {.remember = true}).ok());
  PassAStep();
  const struct stat kept = StatOf(work() / "large");
  WriteFile(work() / "a/text", "HELLO");        // of the same size
  WriteFile(work() / "a/left/over/file", "x");  // what a task leaves
  std::filesystem::remove(work() / "empty/link");
  std::filesystem::create_symlink("nowhere", work() / "empty/link");
  ASSERT_EQ(chmod((work() / "run").c_str(), 0644), 0);
  const Made made = Change(snapshot_.tree);
  ExpectIs(snapshot_.tree);
  EXPECT_EQ(made.kept, 1U);
  EXPECT_EQ(made.written, 2U);
  EXPECT_EQ(made.removed, 6U);  // three that were left, and three that were changed
  const struct stat after = StatOf(work() / "large");
  EXPECT_EQ(after.st_ino, kept.st_ino);
  EXPECT_EQ(StampOf(after), StampOf(kept));

  const Made again = Change(snapshot_.tree);
  EXPECT_EQ(again.kept, 3U);
  EXPECT_EQ(again.written + again.removed, 0U);
}

TEST_F(WorkspaceTest, FilesBecomeDirectoriesAndDirectoriesLinks) {
  WriteFile(folder_ / "other/a", "a file now");
  WriteFile(folder_ / "other/run/deep/file", "x");
  std::filesystem::create_symlink("run", folder_ / "other/empty");
  const Snapshot other = Take("other");
  ASSERT_TRUE(MakeWorkspace(snapshot_.tree, *store_, work()).ok());
  Change(other.tree);
  ExpectIs(other.tree);
  Change(snapshot_.tree);
  ExpectIs(snapshot_.tree);
  Change({});
  ExpectIs({});
}

TEST_F(WorkspaceTest, A36_LinksThatATaskLeavesAreNeverFollowed) {
  WriteFile(folder_ / "outside/text", "theirs");
  std::filesystem::create_directory(work());
  std::filesystem::create_directory_symlink(folder_ / "outside", work() / "a");
  std::filesystem::create_symlink(folder_ / "outside/text", work() / "run");
  std::filesystem::create_hard_link(folder_ / "outside/text", work() / "large");
  ASSERT_EQ(mkfifo((work() / "empty").c_str(), 0600), 0);
  Change(snapshot_.tree);
  ExpectIs(snapshot_.tree);
  EXPECT_EQ(ReadFile(folder_ / "outside/text"), "theirs");
  EXPECT_EQ(CountFiles(folder_ / "outside"), 1U);
}

TEST_F(WorkspaceTest, WhatIsTooDeepOrLockedIsRemovedAllTheSame) {
  ASSERT_TRUE(MakeWorkspace(snapshot_.tree, *store_, work()).ok());
  {
    UniqueFd at(open(work().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < 1100; ++i) {  // more than may be open at once
      ASSERT_EQ(mkdirat(at.get(), "d", 0755), 0);
      at.Reset(openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
  }
  std::filesystem::create_directories(work() / "a/locked/inner");
  std::filesystem::permissions(work() / "a/locked", std::filesystem::perms::none);
  Change(snapshot_.tree);
  ExpectIs(snapshot_.tree);
}

TEST_F(WorkspaceTest, A36_HardLinksShareTheStoreAndAreLookedAtAfterwards) {
  const auto made = MakeWorkspace(snapshot_.tree, *store_, work(), {.files = Files::kHardLink});
  ASSERT_EQ(made.status(), absl::OkStatus());
  EXPECT_EQ(made->linked, 2U);
  const Digest digest = Find(snapshot_.tree, "a/text")->digest;
  EXPECT_EQ(StatOf(work() / "a/text").st_ino, StatOf(store_->PathOf(digest)).st_ino);
  EXPECT_EQ(StatOf(work() / "run").st_nlink, 1U);
  EXPECT_EQ(VerifyLinked(snapshot_.tree, *store_), absl::OkStatus());
  Change(snapshot_.tree, {.files = Files::kHardLink});
  EXPECT_EQ(StatOf(work() / "a/text").st_ino, StatOf(store_->PathOf(digest)).st_ino);

  ASSERT_EQ(chmod((work() / "a/text").c_str(), 0600), 0);
  WriteFile(work() / "a/text", "HELLO");
  EXPECT_EQ(VerifyLinked(snapshot_.tree, *store_).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(store_->Has(digest));
  EXPECT_EQ(Take("source").added, 1U);
  // Whoever wants copies gets no file that is the store's, whatever was there.
  Change(snapshot_.tree);
  EXPECT_EQ(StatOf(work() / "large").st_nlink, 1U);
  ExpectIs(snapshot_.tree);
}

TEST_F(WorkspaceTest, A36_AHostileTreeIsRefused) {
  const Tree tree{.entries = {{.path = "../x", .kind = EntryKind::kDirectory}}};
  EXPECT_EQ(MakeWorkspace(tree, *store_, work()).status().code(), absl::StatusCode::kInvalidArgument);
  std::filesystem::create_directory(work());
  EXPECT_EQ(ChangeWorkspace(tree, *store_, work()).status().code(), absl::StatusCode::kInvalidArgument);
}

// From any folder to any other: random ones, one after the other, touched by tasks in between.
TEST_F(WorkspaceTest, ARandomFolderBecomesAnotherOne) {
  Random random(11);
  const auto fill = [&](const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    for (int i = 0; i < 20; ++i) {
      std::filesystem::path path = folder;
      std::error_code error;
      for (std::size_t depth = random.Below(3); depth > 0; --depth)
        path /= std::string(1, static_cast<char>('a' + random.Below(3)));
      std::filesystem::create_directories(path, error);
      path /= std::string(1, static_cast<char>('a' + random.Below(3)));
      if (error || std::filesystem::symlink_status(path).type() != std::filesystem::file_type::not_found) continue;
      if (random.Below(5) == 0) {
        std::filesystem::create_symlink("x", path, error);
      } else {
        WriteFile(path, std::to_string(random.Below(4)));
        if (random.Below(3) == 0) std::filesystem::permissions(path, std::filesystem::perms::owner_all);
      }
    }
  };
  std::filesystem::create_directory(work());
  for (int i = 0; i < 40; ++i) {
    SCOPED_TRACE(i);
    const std::string name = "random" + std::to_string(i);
    fill(folder_ / name);
    const Snapshot wanted = Take(name);
    Change(wanted.tree);
    ExpectIs(wanted.tree);
    if (random.Below(2) == 0) fill(work());
  }
}

}  // namespace
}  // namespace millrace::content
