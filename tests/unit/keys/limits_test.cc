// SPDX-License-Identifier: Apache-2.0
// The limits of keys and join tokens, each at its edge: exactly so much is accepted, and one more is refused.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "millrace/base/status.h"
#include "millrace/keys/key_list.h"
#include "millrace/keys/keyring.h"
#include "millrace/keys/z85.h"

namespace millrace::keys {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr UnixSeconds kNow = 1'000'000'000;

AdmittedKey KeyOf(const std::string& name) {
  AdmittedKey key;
  key.name = name;
  RawKey raw;
  raw.fill(1);
  key.public_key = EncodeKey(raw);
  return key;
}

TEST(LimitsTest, A48_EntriesOfAKeyList) {
  KeyList list;
  for (std::size_t i = 1; i < kMostEntries; ++i) list.keys.push_back(KeyOf("k" + std::to_string(i)));
  EXPECT_TRUE(AddKey(list, KeyOf("last"), kNow).ok());
  const std::string text = FormatKeyList(list);
  EXPECT_TRUE(ParseKeyList(text).ok());
  JoinToken token;
  token.name = "token";
  token.public_key = list.keys[0].public_key;
  token.expires = kNow + 1;
  for (const absl::Status& status : {AddKey(list, KeyOf("more"), kNow), AddToken(list, token, kNow)}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(TextOf(status), HasSubstr("there are 100000 keys and tokens already, the limit"));
  }
  const std::string more = text + absl::StrCat("key more role=worker public=", list.keys[0].public_key, " added=1\n");
  EXPECT_THAT(TextOf(ParseKeyList(more).status()), HasSubstr("line 100002: over 100000 keys"));
}

TEST(LimitsTest, A48_NamesOfKeys) {
  EXPECT_TRUE(CheckKeyName(std::string(kLongestName, 'k')).ok());
  EXPECT_THAT(TextOf(CheckKeyName(std::string(kLongestName + 1, 'k'))),
              AllOf(HasSubstr("of 65 bytes"), HasSubstr("1 to 64 letters")));
}

TEST(LimitsTest, A48_TheTimesOfAKeyList) {
  const auto line = [](UnixSeconds added) {
    return absl::StrCat("millrace-keys 1\nkey k role=worker public=", KeyOf("k").public_key, " added=", added, "\n");
  };
  EXPECT_TRUE(ParseKeyList(line(253'402'300'799)).ok());
  EXPECT_THAT(TextOf(ParseKeyList(line(253'402'300'800)).status()), HasSubstr("'added=253402300800'"));
}

TEST(LimitsTest, A48_BytesOfAKeyFile) {
  std::string folder = (std::filesystem::temp_directory_path() / "millrace-limits.XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::filesystem::path file = std::filesystem::path(folder) / "list";
  ASSERT_TRUE(WriteSecret(file, "").ok());
  ASSERT_EQ(truncate(file.c_str(), kMostKeyFileBytes), 0);  // a hole: no disk is needed for it
  const auto read = ReadSecret(file);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), kMostKeyFileBytes);
  ASSERT_EQ(truncate(file.c_str(), kMostKeyFileBytes + 1), 0);
  EXPECT_THAT(TextOf(ReadSecret(file).status()), HasSubstr("has over 67108864 bytes"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace millrace::keys
