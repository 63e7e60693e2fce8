// SPDX-License-Identifier: Apache-2.0
// Input that is truncated, mutated, oversized or built to exhaust memory: refused with a reason, never more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/model/message.h"
#include "millrace/wire/codec.h"
#include "tests/unit/wire/allocation.h"
#include "tests/unit/wire/sample.h"

namespace millrace::wire {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kBudgetFloor = 1U << 20;

template <class T, Layout L>
void ExpectBounded(std::string_view input) {
  AllocatedBytes() = 0;
  const auto value = Decode<T, L>(input);
  // Vectors may be asked for twice while they grow; names of fields in the error are small.
  ASSERT_LE(AllocatedBytes(), 2 * (Limits().max_growth * input.size() + kBudgetFloor)) << "input of " << input.size();
  if (!value.ok()) {
    ASSERT_THAT(TextOf(value.status()), HasSubstr("byte "));
  }
}

TEST(Hostile, A48_EveryTruncationIsRefused) {
  const std::string named = Encode(FullSample());
  const std::string positional = Encode<Layout::kPositional>(FullSample());
  for (std::size_t size = 0; size < named.size(); ++size) {
    ASSERT_FALSE(Decode<Sample>(std::string_view(named).substr(0, size)).ok()) << size;
  }
  for (std::size_t size = 0; size < positional.size(); ++size) {
    ASSERT_FALSE((Decode<Sample, Layout::kPositional>(std::string_view(positional).substr(0, size)).ok())) << size;
  }
}

TEST(Hostile, A48_MutatedBytesAreReadOrRefusedWithinTheBudget) {
  const std::string named = Encode(FullSample());
  const std::string positional = Encode<Layout::kPositional>(FullSample());
  Random random(48);
  constexpr std::string_view kLoud("\x00\x7f\x80\x8f\x90\x9f\xc0\xc1\xc4\xc6\xcb\xcf\xd3\xd9\xdb\xdc\xdd\xde\xdf\xff",
                                   20);
  for (int i = 0; i < 50'000; ++i) {
    for (const bool is_named : {true, false}) {
      std::string bytes = is_named ? named : positional;
      for (std::uint64_t changes = 1 + random.Below(4); changes > 0; --changes) {
        const char loud = kLoud[random.Below(kLoud.size())];
        bytes[random.Below(bytes.size())] = random.Below(2) == 0 ? loud : static_cast<char>(random.Next());
      }
      if (random.Below(8) == 0) bytes.resize(random.Below(bytes.size()));
      if (is_named) {
        ExpectBounded<Sample, Layout::kNamed>(bytes);
      } else {
        ExpectBounded<Sample, Layout::kPositional>(bytes);
      }
    }
    if (HasFatalFailure()) return;
  }
}

TEST(Hostile, A48_AnnouncedSizesReserveNothing) {
  // Headers of 32-bit counts and sizes with next to nothing behind them.
  for (const std::string_view head : {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff",
                                      "\xc6\xff\xff\xff\xff", "\xdd\x00\xff\xff\xff"}) {
    const std::string bytes = std::string(head) + "\x01\x02";
    AllocatedBytes() = 0;
    EXPECT_FALSE(Decode<std::vector<std::int64_t>>(bytes).ok());
    EXPECT_FALSE((Decode<std::map<int, int>>(bytes).ok()));
    EXPECT_FALSE(Decode<std::string>(bytes).ok());
    EXPECT_FALSE(Decode<Bytes>(bytes).ok());
    EXPECT_LE(AllocatedBytes(), 16U << 10);
  }
}

TEST(Hostile, A48_SmallElementsOfLargeStructsMeetTheBudget) {
  // A megabyte of empty arrays would be a million default-valued tasks.
  std::string bytes("\xdd\x00\x10\x00\x00", 5);
  bytes.append(1U << 20, '\x90');
  AllocatedBytes() = 0;
  const auto views = Decode<std::vector<TaskView>, Layout::kPositional>(bytes);
  ASSERT_FALSE(views.ok());
  EXPECT_EQ(views.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(TextOf(views.status()), HasSubstr("max_growth 64"));
  EXPECT_LE(AllocatedBytes(), 1U << 20);
}

TEST(Hostile, A48_LimitsHoldAtTheirEdges) {
  Limits limits;
  limits.max_depth = 4;
  EXPECT_TRUE((Decode<Tree>(Encode(Tree{"a", {{"b"}}}), limits).ok()));
  const auto deep = Decode<Tree>(Encode(Tree{"a", {{"b", {{"c"}}}}}), limits);
  EXPECT_EQ(deep.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(TextOf(deep.status()), HasSubstr("nesting of 5 is over max_depth 4"));

  limits = {};
  limits.max_string = 5;
  EXPECT_TRUE(Decode<std::string>(Encode(std::string("12345")), limits).ok());
  EXPECT_THAT(TextOf(Decode<std::string>(Encode(std::string("123456")), limits).status()),
              HasSubstr("a string or binary of 6 is over max_string 5"));
  limits = {};
  limits.max_elements = 2;
  EXPECT_TRUE(Decode<std::vector<int>>(Encode(std::vector<int>{1, 2}), limits).ok());
  EXPECT_THAT(TextOf(Decode<std::vector<int>>(Encode(std::vector<int>{1, 2, 3}), limits).status()),
              HasSubstr("a count of 3 is over max_elements 2"));
  limits = {};
  limits.max_bytes = 3;
  EXPECT_TRUE(Decode<std::string>(Encode(std::string("12")), limits).ok());
  EXPECT_THAT(TextOf(Decode<std::string>(Encode(std::string("123")), limits).status()),
              HasSubstr("an input of 4 is over max_bytes 3"));
}

TEST(Hostile, A48_DeepNestingInSkippedFieldsIsRefusedWithoutRecursingIntoIt) {
  std::string bytes = "\x81\xa7unknown";
  bytes.append(2U << 20, '\x91');
  bytes.push_back('\xc0');
  EXPECT_THAT(TextOf(Decode<Point>(bytes).status()), HasSubstr("over max_depth 64"));
}

TEST(Hostile, OrdinaryValuesStayFarBelowTheBudget) {
  const std::vector<std::optional<std::string>> nils(1U << 20);
  EXPECT_TRUE((Decode<std::vector<std::optional<std::string>>>(Encode(nils)).ok()));
  std::vector<TaskView> views(100'000);
  for (TaskView& view : views) view.name = "name";
  EXPECT_TRUE((Decode<std::vector<TaskView>, Layout::kPositional>(Encode<Layout::kPositional>(views)).ok()));
  const std::vector<Tree> trees(1U << 20);
  EXPECT_TRUE((Decode<std::vector<Tree>, Layout::kPositional>(Encode<Layout::kPositional>(trees)).ok()));
}

}  // namespace
}  // namespace millrace::wire
