// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/retry.h"

#include <gtest/gtest.h>

namespace millrace::sched {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RetryTest, A08_TransientAndPlainFailuresByPolicy) {
  constexpr std::int32_t kMax = 3;
  struct Case {
    Policy policy;
    std::int64_t transient;
    std::int64_t plain;
  };
  const Case cases[] = {
      {{}, 3, 0},
      {{.retries = 2}, 2, 2},
      {{.retries = 0}, 0, 0},
      {{.retries = 5, .retry_on = RetryOn::kTransient}, 5, 0},
      {{.retry_on = RetryOn::kAny}, 3, 3},
      {{.retries = 1, .retry_on = RetryOn::kAny}, 1, 1},
      {{.retries = 4, .retry_on = RetryOn::kNever}, 0, 0},
      {{.retries = 4, .idempotent = false}, 0, 0},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(RetriesAllowed(c.policy, true, kMax), c.transient);
    EXPECT_EQ(RetriesAllowed(c.policy, false, kMax), c.plain);
  }
}

TEST(RetryTest, A08_BackoffDoublesWithJitterUpToTheLimit) {
  Random random(1);
  const Policy policy{.backoff = milliseconds(500), .backoff_limit = seconds(3)};
  const Duration nominal[] = {milliseconds(500), seconds(1), seconds(2), seconds(3), seconds(3)};
  bool differs = false;
  for (std::uint32_t retry = 0; retry < 5; ++retry) {
    const Duration pause = BackoffBefore(policy, retry, random);
    EXPECT_GE(pause, nominal[retry] * 3 / 4);
    EXPECT_LE(pause, nominal[retry] * 5 / 4);
    differs |= pause != nominal[retry];
  }
  EXPECT_TRUE(differs);
}

TEST(RetryTest, BackoffSurvivesAbsurdLimits) {
  Random random(1);
  const Policy policy{.backoff = seconds(1), .backoff_limit = std::chrono::hours(24 * 365 * 100)};
  EXPECT_GT(BackoffBefore(policy, 1000, random), Duration::zero());
  EXPECT_EQ(BackoffBefore({.backoff = Duration::zero()}, 5, random), Duration::zero());
}

}  // namespace
}  // namespace millrace::sched
