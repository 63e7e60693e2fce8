// SPDX-License-Identifier: Apache-2.0
// The journal of a small run in which nothing is wrong, for tests that put something wrong into it: `b` and `c` need
// `a`, `d` needs both; the worker of `b`'s first attempt is lost.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/support/edit_job.h"
#include "tools/zmqctl/chaos_oracle.h"

namespace millrace::zmqctl::testing {

inline constexpr RunId kRun{EpochQualified(1, 1)};
inline constexpr std::uint32_t kA = 0, kB = 1, kC = 2, kD = 3;

constexpr AttemptId Attempt(std::uint32_t n, Epoch epoch = 1) { return AttemptId{EpochQualified(epoch, n)}; }

inline Record Accepted() {
  RunAccepted accepted;
  accepted.run = kRun;
  EditJob(accepted, [](JobSpec& job) {
    job.name = "story";
    job.modules.resize(1);
    job.requirements.resize(2);
    job.requirements[1].cpus = 2;
    job.policies.resize(2);
    job.policies[1].ignore_failure = true;
    for (const char* name : {"a", "b", "c", "d"}) job.tasks.emplace_back().name = name;
    job.tasks[kB].needs = {{.task = kA}};
    job.tasks[kC].needs = {{.task = kA}};
    job.tasks[kD].needs = {{.task = kB}, {.task = kC}};
  });
  return accepted;
}

inline Record Assigned(std::uint32_t task, AttemptId attempt) {
  TaskAssigned assigned;
  assigned.task = {kRun, task};
  assigned.attempt = attempt;
  assigned.worker = "w1";
  return assigned;
}

inline Record LostAttempt(std::uint32_t task, AttemptId attempt) {
  AttemptEnded ended;
  ended.task = {kRun, task};
  ended.attempt = attempt;
  ended.outcome = Outcome::kLost;
  return ended;
}

inline Record Ended(std::uint32_t task, AttemptId attempt, Outcome outcome = Outcome::kSucceeded) {
  TaskEnded ended;
  ended.task = {kRun, task};
  ended.attempt = attempt;
  ended.outcome = outcome;
  return ended;
}

inline Record RunIsOver(RunState state = RunState::kSucceeded) {
  RunEnded ended;
  ended.run = kRun;
  ended.state = state;
  return ended;
}

// Positions count from 1, as in a journal.
inline std::vector<JournalLine> Journal(std::vector<Record> records) {
  std::vector<JournalLine> lines;
  for (Record& record : records) lines.push_back({lines.size() + 1, std::move(record)});
  return lines;
}

inline std::vector<Record> GoodRun() {
  return {Accepted(),
          Assigned(kA, Attempt(1)),
          Ended(kA, Attempt(1)),
          Assigned(kB, Attempt(2)),
          Assigned(kC, Attempt(3)),
          LostAttempt(kB, Attempt(2)),
          Ended(kC, Attempt(3)),
          Assigned(kB, Attempt(1, 2)),
          Ended(kB, Attempt(1, 2)),
          Assigned(kD, Attempt(2, 2)),
          Ended(kD, Attempt(2, 2)),
          RunIsOver()};
}

}  // namespace millrace::zmqctl::testing
