// SPDX-License-Identifier: Apache-2.0
// That no epoch is given out twice: whatever the file may have become, it is raised or refused, never begun again.
#include "millrace/store/epoch.h"

#include <optional>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/exec/lock_file.h"

namespace millrace::store {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(EpochTest, IsOneInANewFolderAndOneMoreAtEachStart) {
  const Folder folder;
  for (Epoch start = 1; start <= 12; ++start) {
    const auto epoch = RaiseEpoch(folder.path());
    ASSERT_TRUE(epoch.ok()) << epoch.status();
    EXPECT_EQ(*epoch, start);
    // What a crash right after this would find.
    EXPECT_EQ(Read(folder / "epoch"), std::to_string(start) + "\n");
  }
  EXPECT_THAT(FilesBelow(folder.path()), ElementsAre(folder / "epoch"));
}

TEST(EpochTest, ANumberThatAPersonWroteIsRaised) {
  const Folder folder;
  Write(folder / "epoch", "41");
  EXPECT_EQ(RaiseEpoch(folder.path()).value(), 42U);
  Write(folder / "epoch", "4294967294\n");
  EXPECT_EQ(RaiseEpoch(folder.path()).value(), 4294967295U);
}

TEST(EpochTest, A46_ADamagedFileIsRefusedWithItsPathAndContentAndStaysAsItIs) {
  const std::string old = "17";
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("0\n"), std::string("-3\n"), std::string("+3\n"),
        std::string("3 \n"), std::string("3\n4\n"), std::string("3\r\n"), std::string("0x10\n"), std::string("three\n"),
        std::string("4294967295\n"), std::string("4294967296\n"), std::string("99999999999999999999\n"),
        old + std::string(2, '\0'), std::string(100, '1'), std::string(10000, 'x')}) {
    const Folder folder;
    Write(folder / "epoch", text);
    const absl::Status refused = RaiseEpoch(folder.path()).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_THAT(TextOf(refused), AllOf(HasSubstr((folder / "epoch").string()), HasSubstr("--data-dir")));
    EXPECT_LT(TextOf(refused).size(), 600U);
    EXPECT_EQ(TextOf(refused).find('\0'), std::string::npos);
    EXPECT_EQ(Read(folder / "epoch"), text);
  }
  const Folder folder;
  Write(folder / "epoch", "a letter\n");
  EXPECT_THAT(TextOf(RaiseEpoch(folder.path()).status()), HasSubstr("holds 'a letter'"));
}

TEST(EpochTest, A46_AFileThatIsThereButCannotBeReadIsNotTakenForNone) {
  const Folder folder;
  std::filesystem::create_symlink("epoch", folder / "epoch");  // to itself
  EXPECT_THAT(TextOf(RaiseEpoch(folder.path()).status()), HasSubstr((folder / "epoch").string()));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "epoch"));

  std::filesystem::remove(folder / "epoch");
  std::filesystem::create_symlink("/nonexistent/epoch", folder / "epoch");  // on a disk that is not mounted
  EXPECT_FALSE(RaiseEpoch(folder.path()).ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "epoch"));

  std::filesystem::remove(folder / "epoch");
  std::filesystem::create_directory(folder / "epoch");
  EXPECT_THAT(TextOf(RaiseEpoch(folder.path()).status()), HasSubstr((folder / "epoch").string()));
}

TEST(EpochTest, WhatACrashLeftHalfWrittenIsNotInTheWay) {
  const Folder folder;
  Write(folder / "epoch", "6\n");
  Write(folder / "epoch.tmp", "a longer rest of an earlier try");
  EXPECT_EQ(RaiseEpoch(folder.path()).value(), 7U);
  EXPECT_EQ(Read(folder / "epoch"), "7\n");
}

TEST(EpochTest, AFolderThatCannotBeWrittenToIsAnErrorAndNoEpoch) {
  EXPECT_THAT(TextOf(RaiseEpoch("/nonexistent/folder").status()), HasSubstr("/nonexistent/folder/epoch"));
  const Folder folder;
  Write(folder / "epoch", "6\n");
  std::filesystem::create_directory(folder / "epoch.tmp");
  EXPECT_FALSE(RaiseEpoch(folder.path()).ok());
  EXPECT_EQ(Read(folder / "epoch"), "6\n");
}

// As a broker opens its data folder: the lock first, so that the second one leaves the epoch alone.
TEST(EpochTest, A46_TheSecondOpenerOfADataFolderIsRefusedNamingTheFirstAndRaisesNothing) {
  const Folder folder;
  const auto open = [&]() -> absl::StatusOr<std::pair<exec::LockFile, Epoch>> {
    MILLRACE_ASSIGN_OR_RETURN(exec::LockFile lock, exec::LockFile::Acquire(folder / "lock"));
    MILLRACE_ASSIGN_OR_RETURN(const Epoch epoch, RaiseEpoch(folder.path()));
    return std::pair(std::move(lock), epoch);
  };
  std::optional<std::pair<exec::LockFile, Epoch>> first = open().value();
  EXPECT_EQ(first->second, 1U);
  const absl::Status refused = open().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(refused), AllOf(HasSubstr((folder / "lock").string()),
                                     HasSubstr("process " + std::to_string(getpid()) + " (store_test)")));
  EXPECT_EQ(Read(folder / "epoch"), "1\n");
  first.reset();
  EXPECT_EQ(open().value().second, 2U);
}

TEST(IdentityTest, IsDrawnOnceAndStays) {
  const Folder folder;
  EXPECT_EQ(IdentityOf(folder.path(), 18446744073709551615U).value(), 18446744073709551615U);
  EXPECT_EQ(IdentityOf(folder.path(), 5).value(), 18446744073709551615U);
  EXPECT_THAT(FilesBelow(folder.path()), ElementsAre(folder / "identity"));
  const Folder other;
  EXPECT_EQ(IdentityOf(other.path(), 0).value(), 1U) << "0 means none";
}

TEST(IdentityTest, ADamagedFileIsRefusedAndStaysAsItIs) {
  for (const std::string& text :
       {std::string(), std::string("0\n"), std::string("18446744073709551616\n"), std::string("me\n")}) {
    const Folder folder;
    Write(folder / "identity", text);
    const absl::Status refused = IdentityOf(folder.path(), 5).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_THAT(TextOf(refused), HasSubstr((folder / "identity").string()));
    EXPECT_EQ(Read(folder / "identity"), text);
  }
}

}  // namespace
}  // namespace millrace::store
