// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/lz4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lz4.h>

#include <string>

#include "millrace/base/random.h"
#include "millrace/base/status.h"

namespace millrace::wire {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kMax = 100U << 20;

Bytes Noise(std::size_t size) {
  Random random(size);
  std::string noise(size, '\0');
  for (char& c : noise) c = static_cast<char>(random.Next());
  return Bytes(std::move(noise));
}
Bytes Repetitive(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "the quick brown fox " + std::to_string(text.size() % 97);
  text.resize(size);
  return Bytes(std::move(text));
}

TEST(Lz4, A34_CompressesFromOneKibibyteWhereItHelps) {
  EXPECT_EQ(PackPayload(Repetitive(1023)).size(), 1024U);
  EXPECT_LT(PackPayload(Repetitive(1024)).size(), 900U);
  EXPECT_EQ(PackPayload(Noise(100'000)).size(), 100'001U);
  EXPECT_EQ(PackPayload(Repetitive(100'000), Compression::kOff).size(), 100'001U);
  // Saving less than a tenth is not worth the time to expand it.
  std::string mostly_noise = Noise(10'000).str() + std::string(900, 'x');
  EXPECT_EQ(PackPayload(Bytes(mostly_noise)).size(), 10'901U);
  mostly_noise += std::string(1000, 'x');
  EXPECT_LT(PackPayload(Bytes(mostly_noise)).size(), 10'710U);
}

TEST(Lz4, A33_PayloadsOfAllSizesComeBackByteForByte) {
  for (const std::size_t size : {0U, 1U, 2U, 15U, 16U, 17U, 1023U, 1024U, 1025U, 65536U, 1000000U}) {
    for (const Bytes& raw : {Noise(size), Repetitive(size), Bytes(std::string(size, '\0'))}) {
      for (const Compression compression : {Compression::kOff, Compression::kOn}) {
        const Bytes packed = PackPayload(raw, compression);
        const auto unpacked = UnpackPayload(packed, size);
        ASSERT_TRUE(unpacked.ok()) << unpacked.status();
        EXPECT_EQ(*unpacked, raw);
        EXPECT_EQ(*UnpackedSize(packed), size);
      }
    }
  }
  const Bytes packed = PackPayload(Noise(5000));
  EXPECT_EQ(UnpackPayload(packed, kMax)->owner(), packed.owner()) << "a raw payload is a slice";
}

TEST(Lz4, A34_OverTheLimitBothSizesAreNamed) {
  for (const Bytes& raw : {Noise(5000), Repetitive(5000)}) {
    EXPECT_TRUE(UnpackPayload(PackPayload(raw), 5000).ok());
    const auto refused = UnpackPayload(PackPayload(raw), 4999);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(TextOf(refused.status()), HasSubstr("5000 bytes is over max_payload_size 4999"));
  }
  EXPECT_EQ(TextOf(CheckPayloadSize("the result of build", 12, 10)),
            "the result of build of 12 bytes is over max_payload_size 10");
}

TEST(Lz4, A48_ClaimsAreCheckedBeforeMemoryIsReserved) {
  std::string bomb = PackPayload(Bytes(std::string(1 << 20, '\0'))).str();
  const std::string honest = bomb;
  bomb[4] = '\x05';  // claims 80 MiB more, from some 4 KiB
  EXPECT_THAT(TextOf(UnpackPayload(Bytes(bomb), kMax).status()), HasSubstr("more than LZ4 can"));
  bomb = honest;
  bomb[1] = '\x01';  // one byte more than there is
  EXPECT_EQ(UnpackPayload(Bytes(bomb), kMax).status().code(), absl::StatusCode::kDataLoss);
  bomb = honest;
  bomb[3] = '\x0f';  // less than there is
  EXPECT_EQ(UnpackPayload(Bytes(bomb), kMax).status().code(), absl::StatusCode::kDataLoss);
  bomb = honest;
  bomb[5] ^= 1;
  EXPECT_THAT(TextOf(UnpackPayload(Bytes(bomb), kMax).status()), HasSubstr("has checksum"));
  EXPECT_THAT(TextOf(UnpackPayload(Bytes(std::string("\x07hello")), kMax).status()), HasSubstr("starts with byte 7"));
  EXPECT_THAT(TextOf(UnpackPayload(Bytes(honest.substr(0, 8)), kMax).status()), HasSubstr("too short"));
}

TEST(Lz4, A48_EveryTruncationAndManyMutationsAreRefused) {
  const Bytes raw = Repetitive(4000);
  const std::string packed = PackPayload(raw).str();
  for (std::size_t size = 1; size < packed.size(); ++size) {
    ASSERT_FALSE(UnpackPayload(Bytes(packed.substr(0, size)), kMax).ok()) << size;
  }
  Random random(34);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = packed;
    const std::size_t at = 1 + random.Below(bytes.size() - 1);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 + random.Below(255)));
    const auto unpacked = UnpackPayload(Bytes(bytes), kMax);
    ASSERT_TRUE(!unpacked.ok() || *unpacked == raw) << "byte " << at;
  }
}

TEST(Lz4, A34_InputsArePackedOnlyWhereThatHelpsAndToldApart) {
  const auto map_of = [](const std::string& text) { return Bytes("\x81\xa4text\xdb" + text); };
  const Bytes small = map_of("x");
  EXPECT_EQ(PackInputs(small), small);
  const Bytes noise = map_of(Noise(10'000).str());
  EXPECT_EQ(PackInputs(noise), noise);
  const Bytes large = map_of(Repetitive(10'000).str());
  const Bytes packed = PackInputs(large);
  EXPECT_LT(packed.size(), 2000u);
  EXPECT_EQ(PackInputs(large, Compression::kOff), large);
  for (const Bytes& inputs : {Bytes(), small, noise, large, packed}) {
    const auto back = UnpackInputs(inputs, kMax);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, inputs == packed ? large : inputs);
  }
  EXPECT_THAT(TextOf(UnpackInputs(packed, 9999).status()), HasSubstr("9999"));
  EXPECT_THAT(TextOf(UnpackInputs(large, 9999).status()), HasSubstr("9999"));
}

TEST(Lz4, ChecksumIsXxh32) {
  // Values of the reference implementation (https://github.com/Cyan4973/xxHash).
  EXPECT_EQ(Xxh32(""), 0x02cc5d05U);
  EXPECT_EQ(Xxh32("abc"), 0x32d153ffU);
  EXPECT_EQ(Xxh32("Nobody inspects the spammish repetition"), 0xe2293b2fU);
}

}  // namespace
}  // namespace millrace::wire
