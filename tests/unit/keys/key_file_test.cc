// SPDX-License-Identifier: Apache-2.0
// Key files and join tokens as text; neither may show a secret in an error.
#include "millrace/keys/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "millrace/base/status.h"

namespace millrace::keys {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Key(std::uint8_t fill) {
  RawKey raw;
  raw.fill(fill);
  return EncodeKey(raw);
}

TEST(KeyFileTest, ItIsReadAsItWasWritten) {
  const KeyFile file{"ann", "client", {Key(1), Key(2)}, Key(3)};
  const auto read = ParseKeyFile(FormatKeyFile(file));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, file);
}

TEST(KeyFileTest, A41_WhatIsNoneIsRefusedWithoutShowingIt) {
  const std::string secret = Key(2) + "x";
  const std::string text = FormatKeyFile({"ann", "client", {Key(1), secret}, Key(3)});
  const auto read = ParseKeyFile(text);
  EXPECT_THAT(TextOf(read.status()), HasSubstr("secret"));
  EXPECT_THAT(TextOf(read.status()), Not(HasSubstr(Key(2))));
  EXPECT_THAT(TextOf(ParseKeyFile(Key(2)).status()), Not(HasSubstr(Key(2))));
  EXPECT_FALSE(ParseKeyFile("").ok());
}

TEST(TokenTest, ItIsReadAsItWasWrittenAndSafeForShells) {
  for (const char* url : {"", "tcp://build-1:8080", "ipc:///run/millrace/broker"}) {
    const TokenText token{Key(200), Key(7), url};
    const std::string text = FormatToken(token);
    EXPECT_EQ(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.@:/-"), std::string::npos) << text;
    const auto read = ParseToken(text);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, token);
  }
}

TEST(TokenTest, A41_OneThatWasNotCopiedWholeIsRefusedWithoutShowingIt) {
  const std::string text = FormatToken({Key(200), Key(7), "tcp://build-1:8080"});
  std::string changed = text;
  changed[20] = changed[20] == '0' ? '1' : '0';
  for (const std::string& bad : {text.substr(0, text.size() - 1), text.substr(1), text + "1", changed, std::string()}) {
    const auto read = ParseToken(bad);
    EXPECT_FALSE(read.ok()) << bad;
    EXPECT_THAT(TextOf(read.status()), Not(HasSubstr(text.substr(75, 30))));
  }
}

TEST(BearerTest, ItFollowsFromTheSecretAndDoesNotShowIt) {
  EXPECT_EQ(BearerOf(Key(1)), BearerOf(Key(1)));
  EXPECT_NE(BearerOf(Key(1)), BearerOf(Key(2)));
  EXPECT_NE(BearerDigest(BearerOf(Key(1))), BearerOf(Key(1)));
}

}  // namespace
}  // namespace millrace::keys
