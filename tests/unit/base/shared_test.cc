// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/shared.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace {
namespace {

TEST(SharedTest, CopiesHoldTheSameValueUntilOneIsEdited) {
  Shared<std::string> one(std::string("job"));
  const Shared<std::string> other = one;
  EXPECT_EQ(&*one, &*other);
  one.Edit() += " two";
  EXPECT_EQ(*one, "job two");
  EXPECT_EQ(*other, "job");
  EXPECT_FALSE(one == other);
  const std::string* const own = &*one;
  one.Edit() = "job";
  EXPECT_EQ(&*one, own) << "nobody else holds it";
  EXPECT_TRUE(one == other) << "equal values";
}

TEST(SharedTest, EveryOneStartsWithTheDefault) {
  Shared<std::string> one;
  EXPECT_EQ(*one, "");
  one.Edit() = "changed";
  EXPECT_EQ(*Shared<std::string>(), "") << "the default is nobody's to change";
}

}  // namespace
}  // namespace millrace
