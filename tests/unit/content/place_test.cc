// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/place.h"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/content/collect.h"

namespace millrace::content {
namespace {

using ::testing::HasSubstr;

ino_t InodeOf(const std::filesystem::path& path) {
  struct stat found {};
  EXPECT_EQ(lstat(path.c_str(), &found), 0) << path;
  return found.st_ino;
}

class PlaceTest : public testing::Test {
 protected:
  PlaceTest() : store_(*ContentStore::Open(folder_ / "store")) {
    WriteFile(made() / "out/app", "elf");
    WriteFile(made() / "out/notes", "none");
    std::filesystem::permissions(made() / "out/app", std::filesystem::perms::owner_all);
    std::filesystem::create_directories(made() / "out/empty");
    std::filesystem::create_symlink("app", made() / "out/latest");
    const Glob glob{.pattern = "out"};
    auto collected = Collect(made(), {&glob, 1}, *store_);
    EXPECT_TRUE(collected.ok()) << collected.status();
    collected_ = *std::move(collected);
    std::filesystem::create_directories(here());
  }
  std::filesystem::path made() const { return folder_ / "made"; }
  std::filesystem::path here() const { return folder_ / "here"; }
  absl::StatusOr<Made> Place() { return PlaceTree(collected_.tree, *store_, here()); }
  std::string Read(const std::filesystem::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const TestFolder folder_;
  const std::unique_ptr<ContentStore> store_;
  Collected collected_;
};

TEST_F(PlaceTest, A36_FilesBitsLinksAndEmptyDirectoriesAreThereBesideWhatWas) {
  WriteFile(here() / "out/mine", "stays");
  const auto placed = Place();
  ASSERT_TRUE(placed.ok()) << placed.status();
  EXPECT_EQ(placed->written, 2u);
  EXPECT_EQ(Read(here() / "out/app"), "elf");
  EXPECT_EQ(Read(here() / "out/mine"), "stays");
  EXPECT_EQ(std::filesystem::read_symlink(here() / "out/latest"), "app");
  EXPECT_TRUE(std::filesystem::is_directory(here() / "out/empty"));
  const auto bits = [](const std::filesystem::path& path) { return std::filesystem::status(path).permissions(); };
  EXPECT_NE(bits(here() / "out/app") & std::filesystem::perms::owner_exec, std::filesystem::perms::none);
  EXPECT_EQ(bits(here() / "out/notes") & std::filesystem::perms::owner_exec, std::filesystem::perms::none);
}

TEST_F(PlaceTest, A36_WhatIsTheSameStaysAndWhatIsNotIsReplaced) {
  ASSERT_TRUE(Place().ok());
  const ino_t app = InodeOf(here() / "out/app");
  const ino_t notes = InodeOf(here() / "out/notes");
  WriteFile(here() / "out/notes", "some");  // as long as before
  std::filesystem::remove(here() / "out/latest");
  std::filesystem::create_symlink("notes", here() / "out/latest");
  const auto placed = Place();
  ASSERT_TRUE(placed.ok()) << placed.status();
  EXPECT_EQ(placed->kept, 1u);
  EXPECT_EQ(InodeOf(here() / "out/app"), app);
  EXPECT_NE(InodeOf(here() / "out/notes"), notes);
  EXPECT_EQ(Read(here() / "out/notes"), "none");
  EXPECT_EQ(std::filesystem::read_symlink(here() / "out/latest"), "app");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(here())) {
    EXPECT_THAT(entry.path().filename().string(), testing::Not(testing::StartsWith(".millrace"))) << entry.path();
  }
}

TEST_F(PlaceTest, A36_ALinkOnTheWayIsNotFollowed) {
  std::filesystem::create_directories(folder_ / "elsewhere");
  std::filesystem::create_directory_symlink(folder_ / "elsewhere", here() / "out");
  const auto placed = Place();
  EXPECT_EQ(placed.status().code(), absl::StatusCode::kFailedPrecondition) << placed.status();
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "elsewhere"));
}

TEST_F(PlaceTest, A36_AFileIsNotWrittenThroughALink) {
  WriteFile(folder_ / "secret", "keep");
  std::filesystem::create_directories(here() / "out");
  std::filesystem::create_symlink(folder_ / "secret", here() / "out/notes");
  ASSERT_TRUE(Place().ok());
  EXPECT_EQ(Read(folder_ / "secret"), "keep");
  EXPECT_FALSE(std::filesystem::is_symlink(here() / "out/notes"));
}

TEST_F(PlaceTest, A36_ADirectoryDoesNotGoForAFile) {
  std::filesystem::create_directories(here() / "out/app");
  const auto placed = Place();
  EXPECT_EQ(placed.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(placed.status()), HasSubstr("out/app"));
}

TEST_F(PlaceTest, A36_ADamagedBlobIsNoticedAndLeavesNothing) {
  const std::filesystem::path blob = store_->PathOf(Sha256("elf"));
  std::filesystem::permissions(blob, std::filesystem::perms::owner_all);
  WriteFile(blob, "fle");
  const auto placed = Place();
  EXPECT_EQ(placed.status().code(), absl::StatusCode::kDataLoss) << placed.status();
  EXPECT_FALSE(std::filesystem::exists(here() / "out/app"));
  EXPECT_FALSE(store_->Has(Sha256("elf")));
}

}  // namespace
}  // namespace millrace::content
