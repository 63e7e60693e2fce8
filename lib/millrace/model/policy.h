// SPDX-License-Identifier: Apache-2.0
// How a module wants to be treated: tries, time, memory, caching, isolation.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "millrace/base/secrets.h"
#include "millrace/base/time.h"
#include "millrace/model/artifact.h"

namespace millrace {

// Which failures are tried again. A transient failure is a timeout, a killed child, exit code 75 (EX_TEMPFAIL) or an
// Unavailable status; every other failure is plain.
enum class RetryOn : std::uint8_t {
  kDefault,    // transient ones up to `retries` or else max_retry_attempts; plain ones only if `retries` is set
  kTransient,  // transient ones only
  kAny,        // both, up to `retries` or else max_retry_attempts
  kNever,
};

enum class Isolation : std::uint8_t {
  kProcess,    // in the slot's child process: a crash costs one attempt, a timeout kills
  kInProcess,  // on a thread of the worker: for microsecond tasks and debugging; stopped cooperatively
};

// The least memory_limit that is taken: the module's process needs some of it for itself, and a number alone is bytes.
inline constexpr std::int64_t kLeastMemoryLimit = 16 << 20;
inline constexpr Duration kLongestExpected = std::chrono::hours(24 * 30);

struct Policy {
  std::optional<std::int32_t> retries{};  // tries after the first
  RetryOn retry_on = RetryOn::kDefault;
  Duration timeout{};  // of one attempt's execution, never of queueing; 0 = the broker's remote_execution_timeout
  bool cached = false;
  Isolation isolation = Isolation::kProcess;
  bool idempotent = true;                             // false: never dispatched again once it was assigned
  bool ignore_failure = false;                        // a failure leaves the run green; dependants run and see it
  bool always_run = false;                            // runs after failures and cancels too
  std::int32_t priority = 0;                          // higher first
  Duration backoff = std::chrono::milliseconds(500);  // before the first retry; doubles each time, with jitter
  Duration backoff_limit = std::chrono::seconds(30);
  std::int64_t memory_limit = 0;    // bytes that an attempt and all its processes may take together; 0 = no limit
  SecretNames secrets{};            // what its commands find in their environment, and Context::Secret gives
  Duration expected{};              // what an attempt usually takes, for the order of work; 0 = not known
  std::vector<Produce> produces{};  // artifacts; see also `consumes`
  std::vector<Consume> consumes{};

  friend bool operator==(const Policy&, const Policy&) = default;
};

}  // namespace millrace
