// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using ::testing::EndsWith;
using ::testing::StartsWith;

TEST(TextTest, WhatFitsStaysAsItIs) {
  EXPECT_EQ(Beginning("", 0), "");
  EXPECT_EQ(Beginning("hello", 5), "hello");
  EXPECT_EQ(Ending("hello\n", 6), "hello\n");
}

TEST(TextTest, ABeginningSaysHowMuchWasLeftOut) {
  const std::string cut = Beginning(std::string(1000, 'x'), 100);
  EXPECT_LE(cut.size(), 100u);
  EXPECT_THAT(cut, StartsWith("xxx"));
  EXPECT_THAT(cut, EndsWith("x[... 940 bytes left out]"));
}

TEST(TextTest, AnEndingStartsWithAWholeLine) {
  std::string text;
  for (int line = 0; line < 100; ++line) text += "line " + std::to_string(line) + "\n";
  const std::string cut = Ending(text, 100);
  EXPECT_LE(cut.size(), 100u);
  EXPECT_THAT(cut, StartsWith("["));
  EXPECT_THAT(cut, EndsWith(" bytes left out]\nline 93\nline 94\nline 95\nline 96\nline 97\nline 98\nline 99\n"));
}

TEST(TextTest, OneLongLineIsCutAllTheSame) {
  const std::string cut = Ending(std::string(1000, 'a') + "z", 100);
  EXPECT_LE(cut.size(), 100u);
  EXPECT_THAT(cut, EndsWith("aaz"));
}

TEST(TextTest, CharactersStayWhole) {
  std::string text;
  while (text.size() < 300) text += "\xe2\x82\xac";  // three bytes each
  for (std::size_t limit = 60; limit < 66; ++limit) {
    const std::string beginning = Beginning(text, limit);
    const std::size_t end = beginning.find("[...");
    ASSERT_NE(end, std::string::npos);
    EXPECT_EQ(end % 3, 0u) << limit;
    const std::string ending = Ending(text, limit);
    EXPECT_EQ((ending.size() - ending.find('\n') - 1) % 3, 0u) << limit;
  }
}

TEST(TextTest, ATinyLimitIsKeptToo) {
  for (std::size_t limit = 0; limit < 60; ++limit) {
    EXPECT_LE(Beginning(std::string(1000, 'x'), limit).size(), limit);
    EXPECT_LE(Ending(std::string(1000, 'x'), limit).size(), limit);
  }
}

}  // namespace
}  // namespace millrace
