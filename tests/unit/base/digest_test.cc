// SPDX-License-Identifier: Apache-2.0
// SHA-256 against the vectors of FIPS 180-4 and NIST's CAVP, and the framing of fields.
#include "millrace/base/digest.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace millrace {
namespace {

TEST(DigestTest, EmptyMessage) {
  EXPECT_EQ(Sha256("").Hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(DigestTest, FipsOneBlock) {
  EXPECT_EQ(Sha256("abc").Hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(DigestTest, FipsTwoBlocks) {
  EXPECT_EQ(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").Hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(DigestTest, FipsAMillionTimesA) {
  Hasher hasher;
  const std::string chunk(1000, 'a');
  for (int i = 0; i < 1000; ++i) hasher.Add(chunk);
  EXPECT_EQ(hasher.Finish().Hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(DigestTest, PartsHashAsTheWhole) {
  Hasher hasher;
  hasher.Add("a");
  hasher.Add("");
  hasher.Add("bc");
  EXPECT_EQ(hasher.Finish(), Sha256("abc"));
}

TEST(DigestTest, AMovedHasherGoesOn) {
  Hasher first;
  first.Add("ab");
  Hasher second = std::move(first);
  second.Add("c");
  EXPECT_EQ(second.Finish(), Sha256("abc"));
}

Digest OfFields(std::initializer_list<std::string_view> fields) {
  Hasher hasher;
  for (const std::string_view field : fields) hasher.AddField(field);
  return hasher.Finish();
}

TEST(DigestTest, FieldsCannotRunIntoEachOther) {
  EXPECT_NE(OfFields({"ab", "c"}), OfFields({"a", "bc"}));
  EXPECT_NE(OfFields({"abc"}), OfFields({"abc", ""}));
  EXPECT_EQ(OfFields({"ab", "c"}), OfFields({"ab", "c"}));
}

// The framing (eight bytes of length, least significant first) names blobs on disk: it may not change.
TEST(DigestTest, FieldsAreFramedByTheirLength) {
  EXPECT_EQ(OfFields({"abc"}), Sha256(std::string_view("\3\0\0\0\0\0\0\0abc", 11)));
}

TEST(DigestTest, HexRoundTrip) {
  const Digest digest = Sha256("round");
  const auto parsed = Digest::FromHex(digest.Hex());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, digest);
  EXPECT_FALSE(parsed->empty());
  EXPECT_TRUE(Digest().empty());
}

TEST(DigestTest, RefusesWhatIsNotADigest) {
  EXPECT_FALSE(Digest::FromHex("").ok());
  EXPECT_FALSE(Digest::FromHex(std::string(63, 'a')).ok());
  EXPECT_FALSE(Digest::FromHex(std::string(65, 'a')).ok());
  EXPECT_FALSE(Digest::FromHex(std::string(64, 'A')).ok());
  EXPECT_FALSE(Digest::FromHex(std::string(63, 'a') + "g").ok());
}

}  // namespace
}  // namespace millrace
