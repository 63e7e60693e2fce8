// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/collect.h"

#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"

namespace millrace::content {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class CollectTest : public testing::Test {
 protected:
  CollectTest() : store_(*ContentStore::Open(folder_ / "store")) {
    WriteFile(work() / "dist/a.whl", "wheel a");
    WriteFile(work() / "dist/deep/er/b.whl", "wheel b");
    WriteFile(work() / "dist/notes.txt", "");
    WriteFile(work() / "report.html", "<p>");
    std::filesystem::create_directories(work() / "dist/empty");
  }

  std::filesystem::path work() const { return folder_ / "work"; }
  absl::StatusOr<Collected> Take(std::vector<Glob> globs) { return Collect(work(), globs, *store_); }
  std::vector<std::string> Paths(std::vector<Glob> globs) {
    const auto collected = Take(std::move(globs));
    EXPECT_EQ(collected.status(), absl::OkStatus());
    std::vector<std::string> paths;
    if (collected.ok()) {
      for (const TreeEntry& entry : collected->tree.entries) paths.push_back(entry.path);
    }
    return paths;
  }
  std::string Refusal(Glob glob) {
    const auto collected = Take({std::move(glob)});
    EXPECT_FALSE(collected.ok());
    return TextOf(collected.status());
  }

  const TestFolder folder_;
  const std::unique_ptr<ContentStore> store_;
};

TEST_F(CollectTest, A36_WhatMatchesIsTakenWithTheDirectoriesThatHoldIt) {
  EXPECT_THAT(Paths({{.pattern = "dist/**/*.whl"}}),
              ElementsAre("dist", "dist/a.whl", "dist/deep", "dist/deep/er", "dist/deep/er/b.whl"));
  EXPECT_THAT(Paths({{.pattern = "report.html"}, {.pattern = "dist/*.whl"}, {.pattern = "*.html"}}),
              ElementsAre("dist", "dist/a.whl", "report.html"));
  EXPECT_THAT(Paths({{.pattern = "**/er"}}), ElementsAre("dist", "dist/deep", "dist/deep/er", "dist/deep/er/b.whl"));
}

TEST_F(CollectTest, A36_ADirectoryIsTakenWithAllThatIsInIt) {
  std::filesystem::permissions(work() / "dist/a.whl", std::filesystem::perms::owner_all);
  std::filesystem::create_symlink("a.whl", work() / "dist/latest");
  const auto collected = Take({{.pattern = "dist"}});
  ASSERT_EQ(collected.status(), absl::OkStatus());
  EXPECT_EQ(Find(collected->tree, "dist/a.whl")->kind, EntryKind::kExecutable);
  EXPECT_EQ(Find(collected->tree, "dist/a.whl")->digest, Sha256("wheel a"));
  EXPECT_EQ(Find(collected->tree, "dist/latest")->target, "a.whl");
  EXPECT_EQ(Find(collected->tree, "dist/empty")->kind, EntryKind::kDirectory);
  EXPECT_EQ(Find(collected->tree, "report.html"), nullptr);
  EXPECT_TRUE(store_->Has(Sha256("wheel b")));
  EXPECT_FALSE(store_->Trim(0).ok()) << "what was collected is pinned";
}

TEST_F(CollectTest, A36_WhatIsBesideANamedFileIsNobodysBusiness) {
  std::string deep;
  for (std::size_t i = 0; i < kMaxTreeDepth + 1; ++i) deep += "d/";
  std::filesystem::create_directories(work() / deep);
  EXPECT_THAT(Paths({{.pattern = "report.html"}}), ElementsAre("report.html"));
  EXPECT_THAT(Paths({{.pattern = "dist/a.whl"}}), ElementsAre("dist", "dist/a.whl"));
}

// Another task's temporary files, in the same work directory.
TEST_F(CollectTest, A36_WhatComesAndGoesBesideItIsNoReasonToFail) {
  std::atomic<bool> over = false;
  std::thread other([&] {
    while (!over) {
      for (int i = 0; i < 50; ++i) WriteFile(work() / ("dist/tmp" + std::to_string(i)), "x");
      for (int i = 0; i < 50; ++i) std::filesystem::remove(work() / ("dist/tmp" + std::to_string(i)));
      std::filesystem::create_directories(work() / "dist/sub/sub");
      std::filesystem::remove_all(work() / "dist/sub");
    }
  });
  for (int i = 0; i < 200 && !HasFailure(); ++i) {
    EXPECT_THAT(Paths({{.pattern = "dist/*.whl"}}), ElementsAre("dist", "dist/a.whl"));
  }
  over = true;
  other.join();
}

TEST_F(CollectTest, A36_WhatIsDemandedAndMissingIsNamedWithWhatIsThere) {
  EXPECT_THAT(Refusal({.pattern = "dist/**/*.tar"}),
              AllOf(HasSubstr("'dist/**/*.tar'"), HasSubstr("'dist' has 'a.whl', 'deep'")));
  EXPECT_THAT(Refusal({.pattern = "reprot.html"}), HasSubstr("did you mean 'report.html'?"));
  EXPECT_THAT(Refusal({.pattern = "dits/a.whl"}),
              AllOf(HasSubstr("the folder has"), HasSubstr("did you mean 'dist'?")));
  EXPECT_THAT(Refusal({.pattern = "dist/empty/*"}), HasSubstr("'dist/empty' is empty"));
  EXPECT_EQ(Take({{.pattern = "none"}}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Paths({{.pattern = "none", .demanded = false}}), IsEmpty());
}

TEST_F(CollectTest, A36_WhatIsEmptyWhereContentIsDemandedIsAnError) {
  EXPECT_THAT(Refusal({.pattern = "dist/*", .with_content = true}),
              AllOf(HasSubstr("'dist/notes.txt'"), HasSubstr("'dist/*'"), HasSubstr("empty")));
  EXPECT_THAT(Refusal({.pattern = "dist/empty", .with_content = true}), HasSubstr("matches no file"));
  EXPECT_THAT(Paths({{.pattern = "dist/*.whl", .with_content = true}}), ElementsAre("dist", "dist/a.whl"));
  EXPECT_THAT(Paths({{.pattern = "dist/notes.txt"}}), ElementsAre("dist", "dist/notes.txt"));
}

TEST_F(CollectTest, A36_NothingOutsideCanBeNamed) {
  WriteFile(folder_ / "secret", "secret");
  for (const char* pattern : {"../secret", "/etc/passwd", "dist/../../secret", "", "./dist", "dist//a.whl", "dist/"}) {
    EXPECT_EQ(CheckGlob(pattern).code(), absl::StatusCode::kInvalidArgument) << pattern;
    EXPECT_THAT(Refusal({.pattern = pattern}), HasSubstr("stay there")) << pattern;
  }
  EXPECT_THAT(Refusal({.pattern = "dist/[a"}), HasSubstr("'dist/[a'"));
  std::filesystem::create_directory_symlink("..", work() / "up");
  EXPECT_THAT(Refusal({.pattern = "up/secret"}), HasSubstr("nothing matches"));
  EXPECT_THAT(Refusal({.pattern = "up"}), AllOf(HasSubstr("'up'"), HasSubstr("outside")));
  EXPECT_THAT(Paths({{.pattern = "**/secret", .demanded = false}}), IsEmpty());
  std::filesystem::create_symlink(folder_ / "secret", work() / "dist/c.whl");
  EXPECT_THAT(Refusal({.pattern = "dist/*.whl"}), HasSubstr("absolute"));
  EXPECT_FALSE(store_->Has(Sha256("secret")));
}

}  // namespace
}  // namespace millrace::content
