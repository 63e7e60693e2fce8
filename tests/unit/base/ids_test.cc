// SPDX-License-Identifier: Apache-2.0
// Ids are types, order by value, and runs have names that people can type.
#include "millrace/base/ids.h"

#include <gtest/gtest.h>

#include <limits>
#include <type_traits>

#include "absl/hash/hash_testing.h"

namespace millrace {
namespace {

static_assert(!std::is_convertible_v<RunId, AttemptId> && !std::is_constructible_v<SessionId, AttemptId>);
static_assert(!std::is_convertible_v<std::uint64_t, RunId>, "a bare number is not an id");

TEST(IdsTest, ZeroIsNone) {
  EXPECT_FALSE(RunId().valid());
  EXPECT_TRUE(RunId{1}.valid());
}

TEST(IdsTest, EpochQualifiedKeepsBothHalves) {
  constexpr std::uint32_t kMax = std::numeric_limits<std::uint32_t>::max();
  EXPECT_EQ(EpochQualified(3, 17), (std::uint64_t{3} << 32) + 17);
  EXPECT_EQ(EpochOf(EpochQualified(kMax, kMax)), kMax);
  EXPECT_EQ(EpochQualified(kMax, kMax), std::numeric_limits<std::uint64_t>::max());
}

TEST(IdsTest, ALaterEpochIsNewerThanAnyEarlierNumber) {
  EXPECT_LT(AttemptId{EpochQualified(1, 4'000'000'000U)}, AttemptId{EpochQualified(2, 1)});
}

TEST(IdsTest, RunNamesRoundTrip) {
  for (const std::uint64_t value :
       {EpochQualified(1, 1), EpochQualified(3, 17), EpochQualified(0, 9), std::numeric_limits<std::uint64_t>::max()}) {
    const auto parsed = ParseRunName(RunName(RunId{value}));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->value, value);
  }
  EXPECT_EQ(RunName(RunId{EpochQualified(3, 17)}), "3.17");
}

TEST(IdsTest, RefusesWhatIsNotARun) {
  for (const char* text :
       {"", ".", "3", "3.", ".17", "3.0", "3.17 ", " 3.17", "3.-1", "3.17.1", "3.4294967296", "x.1"}) {
    const auto parsed = ParseRunName(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(IdsTest, HashesAgreeWithEquality) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({RunId{0}, RunId{1}, RunId{EpochQualified(1, 1)}}));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {TaskRef{}, TaskRef{RunId{1}, 0}, TaskRef{RunId{1}, 1}, TaskRef{RunId{2}, 1}}));
}

}  // namespace
}  // namespace millrace
