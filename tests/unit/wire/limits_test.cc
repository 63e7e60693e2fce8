// SPDX-License-Identifier: Apache-2.0
// The limits of what is read, each at its edge: exactly so much is accepted, and one more is refused with both numbers.
#include "millrace/wire/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "millrace/base/status.h"
#include "millrace/wire/lz4.h"
#include "millrace/wire/reader.h"

namespace millrace::wire {
namespace {

using ::testing::HasSubstr;

class ReaderLimitsTest : public ::testing::TestWithParam<Limits> {
 protected:
  // What `read` says of the input.
  template <class Read>
  static std::string Refusal(std::string_view input, Read read) {
    Reader reader(input, GetParam());
    EXPECT_FALSE(read(reader)) << "there is nothing behind the header";
    return TextOf(reader.Finish());
  }
  // A header with a number of 32 bits, and nothing behind it.
  static std::string Header(char head, std::size_t number) {
    std::string bytes(1, head);
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(number >> shift));
    return bytes;
  }
};

INSTANTIATE_TEST_SUITE_P(Readers, ReaderLimitsTest, ::testing::Values(Limits{}, kFrameLimits),
                         [](const auto& tested) { return tested.index == 0 ? "Default" : "Frame"; });

TEST_P(ReaderLimitsTest, A48_NestingHasALimit) {
  const std::size_t limit = GetParam().max_depth;
  const std::string deep = std::string(limit + 1, '\x91') + '\xc0';
  Reader at(std::string_view(deep).substr(1), GetParam());
  EXPECT_TRUE(at.Skip());
  Reader over(deep, GetParam());
  EXPECT_FALSE(over.Skip());
  EXPECT_THAT(TextOf(over.Finish()), HasSubstr(absl::StrCat("nesting of ", limit + 1, " is over max_depth ", limit)));
}

TEST_P(ReaderLimitsTest, A48_AnInputHasALimit) {
  const std::size_t limit = GetParam().max_bytes;
  // Only its first byte is looked at.
  const auto bytes = std::make_unique_for_overwrite<char[]>(limit + 1);
  bytes[0] = '\xc0';
  Reader at(std::string_view(bytes.get(), limit), GetParam());
  EXPECT_TRUE(at.ReadNil());
  Reader over(std::string_view(bytes.get(), limit + 1), GetParam());
  EXPECT_FALSE(over.ReadNil());
  EXPECT_THAT(TextOf(over.Finish()), HasSubstr(absl::StrCat("an input of ", limit + 1, " is over max_bytes ", limit)));
}

TEST_P(ReaderLimitsTest, A48_AStringHasALimit) {
  const std::size_t limit = GetParam().max_string;
  const auto read = [](Reader& reader) {
    std::string_view bytes;
    return reader.ReadBinary(bytes);
  };
  EXPECT_THAT(Refusal(Header('\xc6', limit), read), HasSubstr(absl::StrCat(limit, " bytes are announced and 0 are")));
  EXPECT_THAT(Refusal(Header('\xc6', limit + 1), read),
              HasSubstr(absl::StrCat("a string or binary of ", limit + 1, " is over max_string ", limit)));
}

TEST_P(ReaderLimitsTest, A48_ACountHasALimit) {
  const std::size_t limit = GetParam().max_elements;
  std::size_t count = 0;
  const auto read = [&count](Reader& reader) {
    return reader.Peek() == Type::kMap ? reader.EnterMap(count) : reader.EnterArray(count);
  };
  for (const char head : {'\xdd', '\xdf'}) {
    EXPECT_THAT(Refusal(Header(head, limit), read), HasSubstr(absl::StrCat(limit, " elements are announced and 0")));
    EXPECT_THAT(Refusal(Header(head, limit + 1), read),
                HasSubstr(absl::StrCat("a count of ", limit + 1, " is over max_elements ", limit)));
  }
}

TEST_P(ReaderLimitsTest, A48_DecodedValuesHaveALimit) {
  const std::size_t limit = (std::size_t{1} << 20) + GetParam().max_growth;  // of an input of one byte
  Reader reader("\xc0", GetParam());
  EXPECT_TRUE(reader.Charge(limit));
  EXPECT_FALSE(reader.Charge(1));
  EXPECT_THAT(TextOf(reader.Finish()),
              HasSubstr(absl::StrCat("needs 1 more bytes of memory and 0 are left of the limit (1 MiB and max_growth ",
                                     GetParam().max_growth, " times")));
}

// A byte of LZ4 that claims to become so many; with room for the claim, it is the block that is found to be wrong.
absl::Status Claim(std::uint32_t size) {
  std::string packed = "\x01";
  for (int shift = 0; shift < 32; shift += 8) packed.push_back(static_cast<char>(size >> shift));
  packed += std::string(4, '\0') + "x";
  return UnpackPayload(Bytes(packed), 1000).status();
}

TEST(LimitsTest, A48_WhatLz4MayClaim) {
  EXPECT_EQ(Claim(255 + 64).code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(TextOf(Claim(255 + 64 + 1)), HasSubstr("claims to expand from 1 to 320 bytes, more than LZ4 can"));
}

}  // namespace
}  // namespace millrace::wire
