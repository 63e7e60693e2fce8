// SPDX-License-Identifier: Apache-2.0
// The limits of tasks and of what their hosts say, each at its edge: exactly so much is accepted, and one more is
// refused with both numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "millrace/base/status.h"
#include "millrace/exec/confinement.h"
#include "millrace/exec/frame.h"

namespace millrace::exec {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(LimitsTest, LimitsOfTasks) {
  constexpr std::int64_t kExbibyte = std::int64_t{1} << 60;
  const struct {
    std::string name;
    std::int64_t low;
    std::int64_t high;
  } kinds[] = {{"cpu", 1, 365 * 24 * 3600}, {"files", 32, 1 << 20},          {"file-size", 0, kExbibyte},
               {"processes", 1, 1 << 22},   {"memory", 64 << 20, kExbibyte}, {"stack", 256 << 10, kExbibyte},
               {"core", 0, kExbibyte}};
  EXPECT_EQ(TaskLimitNames().size(), std::size(kinds));
  for (const auto& kind : kinds) {
    for (const std::int64_t value : {kind.low, kind.high}) {
      const auto read = ParseTaskLimit(absl::StrCat(kind.name, "=", value));
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_EQ(read->second, value);
    }
    // Sizes are read as doubles, whose next one above 1 EiB is this much further.
    const std::int64_t step = kind.high == kExbibyte ? 256 : 1;
    for (const std::int64_t value : {kind.low - 1, kind.high + step}) {
      const std::string text = absl::StrCat(kind.name, "=", value);
      EXPECT_THAT(TextOf(ParseTaskLimit(text).status()), HasSubstr("allowed are " + kind.name + "="));
    }
  }
}

TEST(LimitsTest, FramesBetweenWorkerAndModule) {
  EXPECT_TRUE(CheckFrameSize(kDefaultMaxFrame, kDefaultMaxFrame).ok());
  EXPECT_THAT(TextOf(CheckFrameSize(kDefaultMaxFrame + 1, kDefaultMaxFrame)),
              AllOf(HasSubstr("134217729 bytes"), HasSubstr("limit of 134217728")));
}

}  // namespace
}  // namespace millrace::exec
