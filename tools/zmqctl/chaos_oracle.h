// SPDX-License-Identifier: Apache-2.0
// Judges a run by what its broker leaves behind: the records of its journal, as `zmqctl journal dump` prints them. It
// knows nothing of schedulers, only what was promised:
//   every task has exactly one outcome, and nothing happens to it afterwards;
//   a task is given to a worker only after what it needs has ended, and well where that matters;
//   an attempt is given out once, by one broker after another, and only the current one of a task ends it well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/model/record.h"

namespace millrace::zmqctl {

struct JournalLine {
  JournalPosition position = 0;
  Record record;
};

// All of a journal that no broker uses.
absl::StatusOr<std::vector<JournalLine>> ReadJournal(const std::string& data_dir);

// What is wrong, as a sentence each; long lists are cut, their number is not.
class Findings {
 public:
  void Add(std::string text);
  std::uint64_t count() const { return count_; }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
  std::uint64_t count_ = 0;
};

struct JournalVerdict {
  const PackedJob* job = nullptr;  // within the lines; none when the submission is missing
  std::uint64_t tasks = 0;
  std::uint64_t attempts = 0;         // that were given to a worker
  std::uint64_t after_loss = 0;       // of these, after one whose worker was lost
  std::uint64_t lost = 0;             // tasks without an outcome
  std::uint64_t committed_twice = 0;  // outcomes beyond a task's first
  std::uint64_t poisoned = 0;         // tasks that were blamed for the death of workers
  RunState state = RunState::kRunning;
  std::vector<std::optional<AttemptId>> committed;  // by task: the attempt that succeeded
  Findings order;                                   // something happened before what it rests on, or after its end
  Findings outcome;                                 // it did not end as it would have without faults
};

// `may_fail`: tasks that fail without faults, too; what needs them does not run then.
JournalVerdict JudgeJournal(std::span<const JournalLine> lines, const std::set<std::string>& may_fail);

}  // namespace millrace::zmqctl
