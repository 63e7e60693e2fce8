// SPDX-License-Identifier: Apache-2.0
// What is kept of runs that have ended, for people and for as long as the history's limits allow: the rows of view.h as
// they were at the end, with results and every attempt. Times are offsets from the run's submission.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "millrace/model/outcome.h"
#include "millrace/model/view.h"

namespace millrace {

struct PastAttempt {
  std::uint32_t try_number = 0;
  std::string worker;
  Duration assigned{-1};  // -1 = is not known
  Duration started{-1};
  Duration ended{-1};
  Outcome outcome = Outcome::kNone;
  std::string message;  // why it failed
  friend bool operator==(const PastAttempt&, const PastAttempt&) = default;
};

struct PastTask {
  TaskView view;
  Payload result;                       // inline, or by the digest of a blob that may be gone by now
  std::vector<PastAttempt> attempts;    // in their order; what was given back untried is not among them
  std::uint32_t attempts_left_out = 0;  // older ones than those
  friend bool operator==(const PastTask&, const PastTask&) = default;
};

struct PastRun {
  RunView view;
  std::int64_t ended_unix_ms = 0;
  bool without_tasks = false;  // there were too many to keep each
  friend bool operator==(const PastRun&, const PastRun&) = default;
};

}  // namespace millrace
