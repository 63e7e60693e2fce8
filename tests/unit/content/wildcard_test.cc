// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/wildcard.h"

#include <string>

#include "gtest/gtest.h"

namespace millrace::content {
namespace {

bool Matches(std::string_view pattern, std::string_view path) { return Wildcard(pattern).Matches(path); }

TEST(WildcardTest, StarsStayWithinAName) {
  EXPECT_TRUE(Matches("*.whl", "a.whl"));
  EXPECT_TRUE(Matches("*", ""));
  EXPECT_TRUE(Matches("a*b*c", "axxbc"));
  EXPECT_TRUE(Matches("*.txt", ".txt"));
  EXPECT_FALSE(Matches("*.whl", "dist/a.whl"));
  EXPECT_FALSE(Matches("dist/*", "dist/a/b"));
  EXPECT_FALSE(Matches("*.whl", "a.whl2"));
  EXPECT_FALSE(Matches("a?b", "a/b"));
  EXPECT_TRUE(Matches("a?b", "a.b"));
}

TEST(WildcardTest, TwoStarsGoOverDirectories) {
  EXPECT_TRUE(Matches("dist/**/*.whl", "dist/a.whl"));
  EXPECT_TRUE(Matches("dist/**/*.whl", "dist/x/y/a.whl"));
  EXPECT_FALSE(Matches("dist/**/*.whl", "other/a.whl"));
  EXPECT_FALSE(Matches("dist/**/*.whl", "dista.whl"));
  EXPECT_TRUE(Matches("**", "a/b"));
  EXPECT_TRUE(Matches("**/b", "b"));
  EXPECT_TRUE(Matches("**/b", "x/y/b"));
  EXPECT_FALSE(Matches("**/b", "ab"));
  EXPECT_TRUE(Matches("a/**/**/b", "a/b"));
  EXPECT_TRUE(Matches("a/**", "a/b/c"));
  EXPECT_FALSE(Matches("a/**", "a"));
  EXPECT_FALSE(Matches("a/x**/b", "a/x/y/b"));
  EXPECT_TRUE(Matches("a/x**/b", "a/xy/b"));
}

TEST(WildcardTest, ClassesAndBackslashes) {
  EXPECT_TRUE(Matches("[a-c]x", "bx"));
  EXPECT_FALSE(Matches("[!a-c]x", "bx"));
  EXPECT_TRUE(Matches("[^a-c]x", "dx"));
  EXPECT_TRUE(Matches("[]x]", "]"));
  EXPECT_TRUE(Matches("[a-]", "-"));
  EXPECT_TRUE(Matches("[[:digit:]_][[:upper:]]", "7Q"));
  EXPECT_FALSE(Matches("[[:digit:]]", "a"));
  EXPECT_TRUE(Matches("[[:x]", ":"));
  EXPECT_FALSE(Matches("a[!b]c", "a/c"));
  EXPECT_TRUE(Matches("\\*\\[", "*["));
  EXPECT_TRUE(Matches("[\\]]", "]"));
  for (const char* unsound : {"a\\", "[", "[a", "[!", "[[:nothing:]]", "[[:digit:"}) {
    EXPECT_FALSE(Wildcard(unsound).sound()) << unsound;
    EXPECT_FALSE(Matches(unsound, unsound)) << unsound;
  }
}

// What tries one way after the other would still be at it next year.
TEST(WildcardTest, A36_NoPatternTakesLong) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "**/a*";
  EXPECT_FALSE(Matches(pattern + "[b]", std::string(1000, 'a')));
  std::string stars;
  for (int i = 0; i < 200; ++i) stars += "a*";
  EXPECT_FALSE(Matches(stars + "[b]", std::string(1000, 'a')));
}

}  // namespace
}  // namespace millrace::content
