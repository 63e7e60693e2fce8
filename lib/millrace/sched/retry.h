// SPDX-License-Identifier: Apache-2.0
// Whether a failed attempt gets another try, and after how long. Pure arithmetic over a Policy.
#pragma once

#include <algorithm>
#include <cstdint>

#include "millrace/base/random.h"
#include "millrace/base/time.h"
#include "millrace/model/policy.h"

namespace millrace::sched {

// Tries after the first that this kind of failure may have.
constexpr std::int64_t RetriesAllowed(const Policy& policy, bool transient, std::int32_t max_retry_attempts) {
  const std::int64_t limit = policy.retries.value_or(max_retry_attempts);
  if (!policy.idempotent) return 0;
  switch (policy.retry_on) {
    case RetryOn::kDefault: return transient || policy.retries ? limit : 0;
    case RetryOn::kTransient: return transient ? limit : 0;
    case RetryOn::kAny: return limit;
    case RetryOn::kNever: return 0;
  }
  return 0;
}

// The pause before retry number `retry` (from 0): doubles up to the limit, +-25 % so that a herd disperses.
inline Duration BackoffBefore(const Policy& policy, std::uint32_t retry, Random& random) {
  Duration pause = std::min(policy.backoff, policy.backoff_limit);
  for (std::uint32_t i = 0; i < retry && pause > Duration::zero() && pause < policy.backoff_limit; ++i) {
    pause = pause > policy.backoff_limit / 2 ? policy.backoff_limit : pause * 2;
  }
  const double factor = 0.75 + 0.5 * random.Unit();
  return Duration(static_cast<Duration::rep>(static_cast<double>(pause.count()) * factor));
}

}  // namespace millrace::sched
