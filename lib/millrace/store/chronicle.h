// SPDX-License-Identifier: Apache-2.0
// Runs told from the records of the journal: what the history keeps of each once it has ended. It goes by records
// alone, so that a replay tells the same as the life that wrote them. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "millrace/base/column.h"
#include "millrace/base/ids.h"
#include "millrace/base/shared.h"
#include "millrace/model/history.h"
#include "millrace/model/past_links.h"
#include "millrace/model/past_work.h"
#include "millrace/model/record.h"

namespace millrace::store {

// One run as far as its records have told it.
class RunStory {
 public:
  explicit RunStory(RunAccepted record);

  void Take(const TaskAssigned& record);
  void Take(const TasksAssigned& record);
  void Take(AttemptEnded record);
  void Take(TaskEnded record);
  void Take(const TasksSucceeded& record);
  void Take(const RunCancelled& record);
  void Take(const RunEnded& record);

  RunId id() const { return run_.view.run; }
  const PastRun& run() const { return run_; }  // whole once it has ended
  std::uint32_t tasks() const { return static_cast<std::uint32_t>(tasks_.size()); }
  PastTask TaskAt(std::uint32_t index) const;
  PastLinks LinksAt(std::uint32_t index) const;
  // How it was submitted: what its tasks share, and each of them.
  JobSpec Tables() const;
  SubmittedTask SubmittedAt(std::uint32_t index) const;

 private:
  // What only few tasks have.
  struct Rest {
    Failure failure;
    std::string reason;
    std::vector<PastAttempt> attempts;
    std::uint32_t left_out = 0;
  };
  // All zeros at first (base/column.h).
  struct Task {
    std::uint32_t tries;
    std::uint32_t worker;  // of the latest attempt
    Outcome outcome;
    bool ignored;
    bool by_attempt;                  // the outcome is that of the latest attempt
    FromMinusOne<Duration> assigned;  // since the submission; -1 = not yet, or it is not known
    FromMinusOne<Duration> started;
    FromMinusOne<Duration> ended;
    Duration execution;
  };
  // Null when there is none, or when it has ended.
  Task* OpenAt(std::uint32_t index);
  std::uint32_t WorkerIndex(const std::string& worker);
  void Assign(std::uint32_t task, std::uint32_t worker, Duration assigned);
  Duration Offset(std::int64_t unix_ms) const;
  PastAttempt LatestOf(const Task& task, Outcome outcome, std::string message) const;
  void Keep(std::uint32_t index, PastAttempt attempt);
  void Count(const Task& task);
  Duration ReadyOf(std::uint32_t index) const;

  PastRun run_;
  Shared<PackedJob> job_;  // the one that the scheduler has
  std::vector<std::string> workers_ = {""};
  std::map<std::string, std::uint32_t> worker_index_;
  ZeroColumn<Task> tasks_;
  absl::flat_hash_map<std::uint32_t, Rest> rests_;
  absl::flat_hash_map<std::uint32_t, Payload> results_;  // of those that have one
  bool failed_ = false;
  bool cancelled_first_ = false;
  bool root_is_teardown_ = false;
};

class Chronicle {
 public:
  // The story of the run that this record ends, if it does end one.
  std::unique_ptr<RunStory> Take(Record record);
  std::size_t open() const { return open_.size(); }

 private:
  std::map<RunId, std::unique_ptr<RunStory>> open_;
};

// A run with more tasks is kept as a whole, not task by task.
inline constexpr std::size_t kMaxTasksKept = 1'000'000;
inline constexpr bool KeepsTasks(std::size_t tasks) { return tasks <= kMaxTasksKept; }
// Of a task, the newest ones.
inline constexpr std::size_t kMaxAttemptsKept = 50;
// Of a task, those that ended last. With more, a row would not fit a message.
inline constexpr std::size_t kMaxNeedsKept = 10'000;
// Bytes of a task's inputs; of larger ones only their size.
inline constexpr std::size_t kMaxInputsKept = std::size_t{256} << 10;

}  // namespace millrace::store
