// SPDX-License-Identifier: Apache-2.0
// Byte sizes: what is accepted, what is refused, and that what is printed can be read again.
#include "millrace/base/size.h"

#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"

namespace millrace {
namespace {

TEST(SizeTest, ReadsUnits) {
  const struct {
    std::string_view text;
    std::int64_t bytes;
  } kCases[] = {{"0", 0},
                {"4096", 4096},
                {"12 bytes", 12},
                {"7B", 7},
                {"64KiB", 65536},
                {"64kib", 65536},
                {"64K", 65536},
                {"64kB", 64000},
                {"100MiB", 104857600},
                {"100MB", 100000000},
                {"1.5 GiB", 1610612736},
                {"2G", 2147483648},
                {"1TiB", 1099511627776},
                {"1PB", 1000000000000000}};
  for (const auto& item : kCases) {
    const absl::StatusOr<std::int64_t> bytes = ParseSize(item.text);
    ASSERT_TRUE(bytes.ok()) << item.text << ": " << bytes.status();
    EXPECT_EQ(*bytes, item.bytes) << item.text;
  }
}

// Where a double would be off, and where it would be rounded twice.
TEST(SizeTest, IsExact) {
  const struct {
    std::string_view text;
    std::int64_t bytes;
  } kCases[] = {{"9007199254740993", 9007199254740993},  // 2^53 + 1
                {"9007199254740993B", 9007199254740993},
                {"4611686018427387905", 4611686018427387905},
                {"9223372036854775807", 9223372036854775807},  // the largest
                {"8191.999999999999999PiB", 9223372036854775807},
                {"8388607.999999999999TiB", 9223372036854775807},
                {"1.5GiB", 1610612736},
                {"0.1GB", 100000000},
                {"0.3 KiB", 307},
                {"1.1TiB", 1209462790554},
                {"0.000000000000000889PiB", 1},
                {"0.000000000000000444PiB", 0},
                {"0.5B", 1},
                {"0.499999999999999999B", 0},
                {".5K", 512},
                {"3.K", 3072},
                {"000000000000000000000000000001", 1}};
  for (const auto& item : kCases) {
    const absl::StatusOr<std::int64_t> bytes = ParseSize(item.text);
    ASSERT_TRUE(bytes.ok()) << item.text << ": " << bytes.status();
    EXPECT_EQ(*bytes, item.bytes) << item.text;
  }
}

TEST(SizeTest, EightExbibytesAreTooMuch) {
  for (const std::string_view text :
       {"9223372036854775808", "9223372036854775807.5", "8192PiB", "8192P", "9223.4PB", "18446744073709551616",
        "18446744073709551617KiB", "340282366920938463463374607431768211457", "99999999999999999999.9PiB",
        "100000000000000000000000000000000000000000000000.123456789"}) {
    const absl::StatusOr<std::int64_t> bytes = ParseSize(text);
    ASSERT_FALSE(bytes.ok()) << text << ": " << *bytes;
    EXPECT_THAT(TextOf(bytes.status()), testing::HasSubstr("below 8 EiB")) << text;
  }
}

TEST(SizeTest, RefusesRubbish) {
  for (const std::string_view text : {"", "KiB", "-1", "-0", "1e3", "inf", "nan", "5XiB", "1 2", "0x10", "9000000P",
                                      "1KiBs", " 5", ".", ".KiB", "1.2.3", "0.0000000000000000001", "1,5GiB"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
  EXPECT_THAT(TextOf(ParseSize("ten").status()), testing::HasSubstr("100MiB"));
}

TEST(SizeTest, PrintsShortForms) {
  EXPECT_EQ(FormatSize(0), "0B");
  EXPECT_EQ(FormatSize(512), "512B");
  EXPECT_EQ(FormatSize(1536), "1.5KiB");
  EXPECT_EQ(FormatSize(100 << 20), "100MiB");
  EXPECT_EQ(FormatSize(std::int64_t{3} << 40), "3TiB");
}

TEST(SizeTest, PrintedSizesCanBeRead) {
  for (const std::int64_t bytes : {std::int64_t{1}, std::int64_t{1} << 10, std::int64_t{100} << 20}) {
    EXPECT_EQ(ParseSize(FormatSize(bytes)).value(), bytes);
  }
}

}  // namespace
}  // namespace millrace
