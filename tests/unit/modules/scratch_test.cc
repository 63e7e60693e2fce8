// SPDX-License-Identifier: Apache-2.0
#include "modules/scratch.h"

#include <gtest/gtest.h>

#include <fstream>

namespace millrace::modules {
namespace {

TEST(ScratchTest, IsPrivateAndGoesWithAllThatIsInIt) {
  std::filesystem::path path;
  {
    auto scratch = Scratch::Create();
    ASSERT_TRUE(scratch.ok()) << scratch.status();
    const Scratch moved = *std::move(scratch);
    path = moved.path();
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
    std::filesystem::create_directories(path / "a/b");
    std::ofstream(path / "a/b/c") << "x";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace millrace::modules
