// SPDX-License-Identifier: Apache-2.0
// Durations are read strictly and shown shortly.
#include "millrace/base/time.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace millrace {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

template <class Clock>
concept TellsTime = requires {
  Clock::now();
};
static_assert(!TellsTime<BrainClock>, "a brain must be given the time");

TEST(TimeTest, ParsesEveryUnit) {
  const std::vector<std::pair<std::string, Duration>> cases = {
      {"7ns", nanoseconds(7)},
      {"5us", microseconds(5)},
      {"250ms", milliseconds(250)},
      {"2.5s", milliseconds(2500)},
      {"10m", minutes(10)},
      {"1h30m", minutes(90)},
      {"2d", hours(48)},
      {"90", seconds(90)},
      {"0", seconds(0)},
      {"0s", seconds(0)},
      {"1h2m3s4ms", hours(1) + minutes(2) + seconds(3) + milliseconds(4)},
      {"0.5", milliseconds(500)}};
  for (const auto& [text, expected] : cases) {
    const auto parsed = ParseDuration(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, expected) << text;
  }
}

TEST(TimeTest, RefusesRubbishNamingItAndTheForm) {
  for (const char* text : {"", "s", "-5s", "-0", "+5s", "5 s", " 5s", "5s ", "5x", "5M", "1e3s", "inf", "nan", "1h30",
                           "0s5", "5ss", "1.2.3s", "0x10"}) {
    const auto parsed = ParseDuration(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_NE(parsed.status().message().find("'" + std::string(text) + "'"), std::string::npos) << parsed.status();
  }
}

TEST(TimeTest, RefusesOverflow) {
  EXPECT_TRUE(ParseDuration("106000d").ok());
  EXPECT_FALSE(ParseDuration("107000d").ok());
  EXPECT_FALSE(ParseDuration(std::string(400, '9')).ok());
  EXPECT_FALSE(ParseDuration("100000d100000d").ok());
}

TEST(TimeTest, FormatsForPeople) {
  const std::vector<std::pair<Duration, std::string>> cases = {
      {seconds(0), "0s"},      {microseconds(17), "17us"}, {milliseconds(120), "120ms"}, {milliseconds(3400), "3.4s"},
      {seconds(125), "2m05s"}, {seconds(3720), "1h02m"},   {hours(100), "100h00m"},      {-seconds(5), "-5.0s"}};
  for (const auto& [duration, expected] : cases) EXPECT_EQ(FormatDuration(duration), expected);
}

TEST(TimeTest, RoundingNeverShowsTheNextUnitInTheOldOne) {
  EXPECT_EQ(FormatDuration(nanoseconds(999'999)), "1ms");
  EXPECT_EQ(FormatDuration(microseconds(999'999)), "1.0s");
  EXPECT_EQ(FormatDuration(milliseconds(59'999)), "1m00s");
}

TEST(TimeTest, FormatsTheLongestDurations) {
  EXPECT_EQ(FormatDuration(Duration::max()), "2562047h47m");
  EXPECT_EQ(FormatDuration(Duration::min()), "-2562047h47m");
}

}  // namespace
}  // namespace millrace
