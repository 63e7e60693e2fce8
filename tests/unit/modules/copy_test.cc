// SPDX-License-Identifier: Apache-2.0
#include "modules/copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attempt.h"
#include "folder.h"
#include "modules/builtins.h"

namespace millrace::modules {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class CopyTest : public ::testing::Test {
 protected:
  testing::Ran RunIt(const Copy& copy) {
    SlotExecute execute = testing::AttemptAt(copy);
    execute.work_dir = folder_.path();
    return testing::RunAttempt(Builtins(), execute, stop_.get_token());
  }
  Copied Copies(const Copy& copy) {
    const testing::Ran ran = RunIt(copy);
    EXPECT_EQ(ran.done.outcome, Outcome::kSucceeded) << ran.done.failure.message;
    return ran.done.outcome == Outcome::kSucceeded ? ran.ResultAs<Copied>() : Copied{};
  }
  std::string Refusal(const Copy& copy) {
    const testing::Ran ran = RunIt(copy);
    EXPECT_EQ(ran.done.outcome, Outcome::kFailed);
    return ran.done.failure.message;
  }

  testing::Folder folder_;
  std::stop_source stop_;
};

TEST_F(CopyTest, AFileIntoAFolderThatIsNotThereYet) {
  folder_.Write("app", "binary");
  fs::permissions(folder_.path() / "app", fs::perms::owner_all);
  EXPECT_EQ(Copies({"app", "out/bin/app"}), (Copied{1, 6}));
  EXPECT_EQ(folder_.Read("out/bin/app"), "binary");
  EXPECT_EQ(fs::status(folder_.path() / "out/bin/app").permissions(), fs::perms::owner_all);
}

TEST_F(CopyTest, AWholeTreeWithLinksAndEmptyFolders) {
  folder_.Write("src/a/b", "12");
  folder_.Write("src/c", "345");
  fs::create_directory(folder_.path() / "src/empty");
  fs::create_symlink("a/b", folder_.path() / "src/link");
  fs::create_symlink("nowhere", folder_.path() / "src/dangling");
  EXPECT_EQ(Copies({"src", "dst"}), (Copied{4, 5}));
  EXPECT_EQ(folder_.Read("dst/a/b"), "12");
  EXPECT_TRUE(fs::is_directory(folder_.path() / "dst/empty"));
  EXPECT_EQ(fs::read_symlink(folder_.path() / "dst/link"), "a/b");
  EXPECT_EQ(fs::read_symlink(folder_.path() / "dst/dangling"), "nowhere");
}

TEST_F(CopyTest, WhatIsThereIsReplacedFileByFile) {
  folder_.Write("src/a", "new");
  folder_.Write("dst/a", "a longer old text");
  folder_.Write("dst/b", "stays");
  Copies({"src", "dst"});
  EXPECT_EQ(folder_.Read("dst/a"), "new");
  EXPECT_EQ(folder_.Read("dst/b"), "stays");
}

TEST_F(CopyTest, RefusesWhatCannotBeMeant) {
  folder_.Write("src/a", "x");
  EXPECT_THAT(Refusal({"src", "src/inner"}), HasSubstr("into itself"));
  EXPECT_FALSE(folder_.Has("src/inner"));
  EXPECT_THAT(Refusal({"src/a", "./src/a"}), HasSubstr("the same file"));
  EXPECT_THAT(Refusal({"missing", "dst"}), HasSubstr("missing: No such file or directory"));
  EXPECT_THAT(Refusal({"", "dst"}), HasSubstr("both 'from' and 'to'"));
}

TEST_F(CopyTest, AStopIsHeeded) {
  folder_.Write("src/a", "x");
  stop_.request_stop();
  EXPECT_EQ(RunIt({"src", "dst"}).done.outcome, Outcome::kCancelled);
}

}  // namespace
}  // namespace millrace::modules
