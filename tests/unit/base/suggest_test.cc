// SPDX-License-Identifier: Apache-2.0
// Suggestions are near, or absent; an outsider's long name costs nothing.
#include "millrace/base/suggest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace {
namespace {

const std::vector<std::string>& Names() {
  static const std::vector<std::string> names = {"compile", "deploy", "docker-build", "test"};
  return names;
}

TEST(SuggestTest, FindsTheNearest) {
  EXPECT_EQ(Nearest("compil", Names()), "compile");
  EXPECT_EQ(Nearest("depoly", Names()), "deploy");
  EXPECT_EQ(Nearest("docker_build", Names()), "docker-build");
  EXPECT_EQ(Nearest("tset", std::vector<std::string>{"best", "tsei"}), "tsei");
}

TEST(SuggestTest, SwappedNeighboursAreOneMistake) {
  EXPECT_EQ(Nearest("ets", std::vector<std::string>{"est"}), "est");
  EXPECT_EQ(Nearest("biuld", std::vector<std::string>{"guild", "build"}), "build");
}

TEST(SuggestTest, SomethingMustBeTheSame) { EXPECT_EQ(Nearest("q", std::vector<std::string>{"b"}), ""); }

TEST(SuggestTest, IgnoresCase) { EXPECT_EQ(Nearest("COMPILE", Names()), "compile"); }

TEST(SuggestTest, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(Nearest("release", Names()), "");
  EXPECT_EQ(Nearest("", Names()), "");
  EXPECT_EQ(Nearest("x", {}), "");
}

TEST(SuggestTest, TheFirstOfEquallyNearOnesWins) {
  EXPECT_EQ(Nearest("bat", std::vector<std::string>{"cat", "hat"}), "cat");
}

TEST(SuggestTest, LongNamesAreNotCompared) {
  const std::string longest(256, 'a');
  const std::string too_long(257, 'a');
  EXPECT_EQ(Nearest(longest, std::vector<std::string>{longest}), longest);
  EXPECT_EQ(Nearest(too_long, std::vector<std::string>{too_long}), "");
  EXPECT_EQ(Nearest(longest, std::vector<std::string>{too_long}), "");
}

TEST(SuggestTest, DidYouMeanReadsAsTheEndOfASentence) {
  EXPECT_EQ("no module 'tst'" + DidYouMean("tst", Names()), "no module 'tst'; did you mean 'test'?");
  EXPECT_EQ(DidYouMean("release", Names()), "");
}

}  // namespace
}  // namespace millrace
