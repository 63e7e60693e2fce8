// SPDX-License-Identifier: Apache-2.0
#include "modules/step_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <utility>

namespace millrace::modules {
namespace {

namespace fs = std::filesystem;

class StepFolderTest : public ::testing::Test {
 protected:
  void SetUp() override { setenv("MILLRACE_SLOT", "test", 1); }
  void TearDown() override { unsetenv("MILLRACE_SLOT"); }
  // Where the next command is when this was done in the folder of the one before.
  template <class Step>
  static bool IsGivenAgainAfter(Step step) {
    fs::path before;
    {
      const auto folder = StepFolder::Take();
      EXPECT_TRUE(folder.ok()) << folder.status();
      before = folder->inputs().parent_path();
      step(*folder);
    }
    const auto after = StepFolder::Take();
    EXPECT_TRUE(after.ok()) << after.status();
    EXPECT_TRUE(fs::is_empty(after->inputs()));
    EXPECT_FALSE(fs::exists(after->output()));
    EXPECT_EQ(std::distance(fs::directory_iterator(after->inputs().parent_path()), {}), 1);
    const bool same = after->inputs().parent_path() == before;
    EXPECT_EQ(fs::exists(before), same) << "what is not given again is removed";
    return same;
  }
};

TEST_F(StepFolderTest, OneThatWasLeftAsItWasIsGivenAgain) {
  EXPECT_TRUE(IsGivenAgainAfter([](const StepFolder&) {}));
  EXPECT_TRUE(
      IsGivenAgainAfter([](const StepFolder& folder) { EXPECT_FALSE(std::ifstream(folder.output()).is_open()); }));
}

TEST_F(StepFolderTest, OneThatAnythingWasMadeInIsNot) {
  EXPECT_FALSE(IsGivenAgainAfter([](const StepFolder& folder) { std::ofstream(folder.output()) << "{}"; }));
  EXPECT_FALSE(IsGivenAgainAfter([](const StepFolder& folder) { std::ofstream(folder.inputs() / "a.json") << "1"; }));
  EXPECT_FALSE(IsGivenAgainAfter([](const StepFolder& folder) { fs::create_directory(folder.inputs() / "d"); }));
  EXPECT_FALSE(IsGivenAgainAfter([](const StepFolder& folder) { fs::remove(folder.inputs()); }));
  EXPECT_FALSE(IsGivenAgainAfter([](const StepFolder& folder) { fs::remove_all(folder.inputs().parent_path()); }));
  EXPECT_FALSE(IsGivenAgainAfter([](const StepFolder& folder) { chmod(folder.inputs().c_str(), 0755); }));
}

// Whoever sets the mark back leaves another one.
TEST_F(StepFolderTest, OneThatHidesItsChangesIsNot) {
  EXPECT_TRUE(StepFolder::Take().ok());  // made before the next tick of the clock that marks changes
  const auto tick = [] {
    timespec now{};
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return std::pair(now.tv_sec, now.tv_nsec);
  };
  for (const auto made = tick(); tick() == made;) {
  }
  EXPECT_FALSE(IsGivenAgainAfter([](const StepFolder& folder) {
    std::ofstream(folder.output()) << "{}";
    const timespec times[] = {{}, {}};
    EXPECT_EQ(utimensat(AT_FDCWD, folder.inputs().parent_path().c_str(), times, 0), 0);
  }));
}

TEST_F(StepFolderTest, TwoAtOnceAreNotTheSame) {
  const auto one = StepFolder::Take();
  const auto other = StepFolder::Take();
  EXPECT_NE(one->inputs(), other->inputs());
}

TEST(StepFolder, WithoutASupervisorNoneIsGivenAgain) {
  fs::path before;
  {
    const auto folder = StepFolder::Take();
    ASSERT_TRUE(folder.ok());
    before = folder->inputs();
  }
  EXPECT_FALSE(fs::exists(before));
}

}  // namespace
}  // namespace millrace::modules
