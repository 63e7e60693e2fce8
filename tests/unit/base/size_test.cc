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

TEST(SizeTest, RefusesRubbish) {
  for (const std::string_view text :
       {"", "KiB", "-1", "-0", "1e3", "inf", "nan", "5XiB", "1 2", "0x10", "9000000P", "1KiBs", " 5"}) {
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
