// SPDX-License-Identifier: Apache-2.0
// The list of who is admitted: its text, its names, and who may join by a token.
#include "millrace/keys/key_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "millrace/base/status.h"
#include "millrace/keys/z85.h"

namespace millrace::keys {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr UnixSeconds kNow = 1'000'000'000;

std::string Key(std::uint8_t fill) {
  RawKey raw;
  raw.fill(fill);
  return EncodeKey(raw);
}

AdmittedKey KeyOf(const std::string& name, std::uint8_t fill, Standing role = Standing::kWorker) {
  AdmittedKey key;
  key.name = name;
  key.role = role;
  key.public_key = Key(fill);
  return key;
}

JoinToken TokenOf(const std::string& name, std::uint8_t fill, std::uint32_t uses = 1) {
  JoinToken token;
  token.name = name;
  token.public_key = Key(fill);
  token.uses = uses;
  token.expires = kNow + 60;
  return token;
}

TEST(KeyListTest, ItsTextIsReadAsItWasWritten) {
  KeyList list;
  AdmittedKey full = KeyOf("a", 1, Standing::kAdmin);
  full.tags = {"gpu", "fast"};
  full.bearer = std::string(64, 'b');
  full.joined = "t";
  ASSERT_TRUE(AddKey(list, full, kNow).ok());
  ASSERT_TRUE(AddKey(list, KeyOf("b", 2), kNow).ok());
  ASSERT_TRUE(Revoke(list, "b", kNow + 1).ok());
  JoinToken token = TokenOf("c", 3, 7);
  token.used = 4;
  token.tags = {"gpu"};
  ASSERT_TRUE(AddToken(list, token, kNow).ok());
  const auto read = ParseKeyList(FormatKeyList(list));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, list);
  EXPECT_EQ(read->keys[1].revoked, kNow + 1);
}

TEST(KeyListTest, A48_WhatIsNoListIsRefusedWithItsLine) {
  const std::string head = "millrace-keys 1\n";
  const std::string good = "key a role=worker public=" + Key(1) + " added=1\n";
  ASSERT_TRUE(ParseKeyList(head + "# a comment\n\n" + good).ok());
  for (const std::string& bad :
       {std::string("key"), std::string("key a role=worker added=1"), "key a role=boss public=" + Key(1),
        "key a/b role=worker public=" + Key(1), "key a colour=red public=" + Key(1), std::string("kay a"),
        std::string("key a role=worker public=short"), "token a role=worker uses=-1 public=" + Key(1)}) {
    const auto list = ParseKeyList(head + good + bad + "\n");
    EXPECT_THAT(TextOf(list.status()), HasSubstr("line 3")) << bad;
  }
  // A week is added to these times: they must not be anything that 64 bits can hold.
  for (const std::string time : {"added=-1", "revoked=9223372036854775807", "added=253402300800"}) {
    const auto list = ParseKeyList(head + good + "key b role=worker public=" + Key(2) + " " + time + "\n");
    EXPECT_THAT(TextOf(list.status()), HasSubstr("line 3: '" + time + "' is not understood"));
  }
  EXPECT_FALSE(ParseKeyList("").ok());
  EXPECT_FALSE(ParseKeyList(good).ok());
  EXPECT_FALSE(ParseKeyList("millrace-keys 2\n").ok());
}

TEST(KeyListTest, ANameIsGivenOnceAndNoneBelowAnother) {
  KeyList list;
  ASSERT_TRUE(AddKey(list, KeyOf("build", 1), kNow).ok());
  for (const char* name : {"build", "build.1"}) {
    EXPECT_EQ(AddKey(list, KeyOf(name, 2), kNow).code(), absl::StatusCode::kAlreadyExists) << name;
    EXPECT_EQ(AddToken(list, TokenOf(name, 2), kNow).code(), absl::StatusCode::kAlreadyExists) << name;
  }
  EXPECT_TRUE(AddKey(list, KeyOf("build-1", 2), kNow).ok());
  EXPECT_TRUE(AddKey(list, KeyOf("x.y", 3), kNow).ok());
  EXPECT_EQ(AddKey(list, KeyOf("x", 4), kNow).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_FALSE(AddKey(list, KeyOf("two words", 5), kNow).ok());
  EXPECT_FALSE(AddKey(list, KeyOf("../up", 5), kNow).ok());
  EXPECT_EQ(list.keys.size(), 3u);
}

TEST(KeyListTest, WhatHasEndedKeepsItsNameForAWeek) {
  KeyList list;
  ASSERT_TRUE(AddKey(list, KeyOf("a", 1), kNow).ok());
  ASSERT_TRUE(AddToken(list, TokenOf("t", 2), kNow).ok());
  ASSERT_TRUE(Revoke(list, "a", kNow).ok());
  EXPECT_EQ(Revoke(list, "a", kNow).status().code(), absl::StatusCode::kFailedPrecondition);
  const UnixSeconds within = kNow + kKeptAfterEnd;
  EXPECT_FALSE(AddKey(list, KeyOf("a", 3), within).ok());
  EXPECT_FALSE(AddKey(list, KeyOf("t", 3), within).ok());
  EXPECT_TRUE(AddKey(list, KeyOf("a", 3), within + 1).ok());
  EXPECT_TRUE(AddKey(list, KeyOf("t", 4), within + 61).ok());
  EXPECT_EQ(list.keys.size(), 2u);
  EXPECT_TRUE(list.tokens.empty());
}

TEST(KeyListTest, ATokenAdmitsAsManyAsItSays) {
  KeyList list;
  JoinToken token = TokenOf("t", 9, 2);
  token.tags = {"gpu"};
  ASSERT_TRUE(AddToken(list, token, kNow).ok());
  const auto first = Join(list, Key(9), Key(1), "w1", kNow);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->name, "w1");
  EXPECT_EQ(first->tags, token.tags);
  EXPECT_EQ(first->joined, "t");
  // Its answer was lost, and it asks again: that is the same joining.
  EXPECT_EQ(Join(list, Key(9), Key(1), "w1", kNow).value(), *first);
  EXPECT_EQ(Join(list, Key(9), Key(2), "w1", kNow).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(list.tokens[0].used, 1u);  // a name that is taken uses nothing up
  ASSERT_TRUE(Join(list, Key(9), Key(2), "w2", kNow).ok());
  const auto third = Join(list, Key(9), Key(3), "w3", kNow);
  EXPECT_EQ(third.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(TextOf(third.status()), AllOf(HasSubstr("used up"), HasSubstr("2 of 2"), HasSubstr("keys token")));
  EXPECT_EQ(list.keys.size(), 2u);
}

TEST(KeyListTest, AnOldOrForeignOrRevokedTokenAdmitsNobody) {
  KeyList list;
  ASSERT_TRUE(AddToken(list, TokenOf("t", 9, 0), kNow).ok());
  EXPECT_TRUE(Join(list, Key(9), Key(1), "w1", kNow + 59).ok());
  const auto late = Join(list, Key(9), Key(2), "w2", kNow + 60);
  EXPECT_THAT(TextOf(late.status()), HasSubstr("expired"));
  EXPECT_FALSE(Join(list, Key(8), Key(2), "w2", kNow).ok());
  ASSERT_TRUE(Revoke(list, "t", kNow).ok());
  EXPECT_THAT(TextOf(Join(list, Key(9), Key(2), "w2", kNow).status()), HasSubstr("revoked"));
  EXPECT_EQ(list.keys.size(), 1u);
}

}  // namespace
}  // namespace millrace::keys
