// SPDX-License-Identifier: Apache-2.0
#include "modules/sleep.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "attempt.h"
#include "modules/builtins.h"

namespace millrace::modules {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(SleepTest, WaitsAsLongAsItIsTold) {
  const auto ran = testing::RunAttempt(Builtins(), testing::AttemptAt(Sleep{milliseconds(30)}));
  EXPECT_EQ(ran.done.outcome, Outcome::kSucceeded);
  EXPECT_GE(ran.done.execution, milliseconds(30));
}

TEST(SleepTest, TheDurationMayBeText) {
  SlotExecute execute = testing::AttemptOf("sleep", FromJson(R"({"duration":"5ms"})").value());
  const auto ran = testing::RunAttempt(Builtins(), execute);
  EXPECT_EQ(ran.done.outcome, Outcome::kSucceeded) << ran.done.failure.message;
}

TEST(SleepTest, A20_AStopWakesIt) {
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  const auto ran = testing::RunAttempt(Builtins(), testing::AttemptAt(Sleep{hours(1)}), stop.get_token());
  EXPECT_EQ(ran.done.outcome, Outcome::kCancelled);
  EXPECT_LT(ran.done.execution, std::chrono::minutes(1));
}

TEST(SleepTest, RefusesANegativeDuration) {
  const auto ran = testing::RunAttempt(Builtins(), testing::AttemptAt(Sleep{-milliseconds(1)}));
  EXPECT_EQ(ran.done.outcome, Outcome::kFailed);
}

}  // namespace
}  // namespace millrace::modules
