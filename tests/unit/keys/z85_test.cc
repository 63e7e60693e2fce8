// SPDX-License-Identifier: Apache-2.0
// Keys as text: a known one, and what is no key.
#include "millrace/keys/z85.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "millrace/base/status.h"

namespace millrace::keys {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The key that the manual of ZeroMQ shows in both forms (zmq_curve).
constexpr std::string_view kText = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
constexpr RawKey kBytes = {0xBB, 0x88, 0x47, 0x1D, 0x65, 0xE2, 0x65, 0x9B, 0x30, 0xC5, 0x5A,
                           0x53, 0x21, 0xCE, 0xBB, 0x5A, 0xAB, 0x2B, 0x70, 0xA3, 0x98, 0x64,
                           0x5C, 0x26, 0xDC, 0xA2, 0xB2, 0xFC, 0xB4, 0x3F, 0xC5, 0x18};

TEST(Z85Test, AKnownKeyReadsAndWrites) {
  EXPECT_EQ(EncodeKey(kBytes), kText);
  const auto key = DecodeKey(kText);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(*key, kBytes);
}

TEST(Z85Test, TheEndsOfTheRange) {
  RawKey high;
  high.fill(0xff);
  for (const RawKey& key : {RawKey{}, high}) EXPECT_EQ(DecodeKey(EncodeKey(key)).value(), key);
}

TEST(Z85Test, A48_WhatIsNoKeyIsRefusedWithoutShowingIt) {
  std::string foreign(kText);
  foreign[7] = '"';
  const std::string over = "#####" + std::string(kText).substr(5);  // 85^5 - 1 is over 2^32
  const std::string whole(kText);
  for (const std::string& text : {std::string(), whole.substr(1), whole + "0", foreign, over}) {
    const auto key = DecodeKey(text);
    EXPECT_FALSE(key.ok()) << text;
    if (text.empty()) continue;
    EXPECT_THAT(TextOf(key.status()), Not(HasSubstr(text)));
  }
}

}  // namespace
}  // namespace millrace::keys
