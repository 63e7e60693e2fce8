// SPDX-License-Identifier: Apache-2.0
#include "modules/builtins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::modules {
namespace {

TEST(BuiltinsTest, OffersEveryBuiltInModule) {
  const Registry registry = Builtins();
  std::vector<std::string> names;
  for (const OfferedModule& offered : registry.Offered()) names.push_back(offered.name);
  EXPECT_THAT(names, ::testing::ElementsAre("command", "copy", "sleep"));
  EXPECT_TRUE(registry.Check().ok());
}

}  // namespace
}  // namespace millrace::modules
