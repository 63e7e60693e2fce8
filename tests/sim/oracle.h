// SPDX-License-Identifier: Apache-2.0
// Knows what really happened, sees everything that is written and everything that leaves the broker, and says when a
// promise is broken. The numbers (I1 ...) are those of docs/testing.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "fold.h"
#include "millrace/agent/event.h"
#include "millrace/model/message.h"
#include "millrace/model/record.h"
#include "millrace/model/slot.h"
#include "plan.h"

namespace millrace::sim {

inline constexpr Duration kSlowestSync = std::chrono::milliseconds(20);  // of a worker's disk

class Oracle {
 public:
  explicit Oracle(const Plan& plan) : plan_(plan), prompt_(plan.Prompt()) {}

  // ---- the journal ----
  void Appended(const Record& record, Epoch epoch, Instant now);
  // So many records of the journal are on disk now.
  void Durable(std::size_t count);
  // The broker died; this is what the disk still has. All of it was handed to Appended.
  void Crashed(std::size_t kept);
  const std::vector<Record>& journal() const { return journal_; }
  std::size_t durable_count() const { return durable_count_; }

  // ---- the wire ----
  // Leaves the broker. `worker`, `incarnation`: whose connection it is.
  void Sent(const Message& message, std::int32_t worker, Incarnation incarnation);
  // Leaves a worker.
  void Reported(Incarnation incarnation, const Report& report);

  // ---- the workers ----
  void Started(std::int32_t worker, Incarnation incarnation, const SlotExecute& execute);
  // What an attempt finds in its work directory when it starts.
  void Found(const agent::Start& start);
  void Said(const SlotDone& done, Instant now);
  // A worker's process has ended; `killer`: by the doing of this attempt.
  void Died(const std::string& worker, Incarnation incarnation, AttemptId killer, Instant now);
  std::uint32_t Executions(TaskRef task) const;

  const Script* ScriptOf(TaskRef task) const;

  // ---- the end ----
  void CheckEnd();

  const Fold& tip() const { return tip_; }
  const Fold& durable() const { return durable_; }
  const std::string& problem() const { return problem_; }
  void Wrong(std::string what) {
    if (problem_.empty()) problem_ = std::move(what);
  }

 private:
  void CheckAssigned(const TaskAssigned& record, Epoch epoch);
  void CheckEnded(const TaskEnded& record);
  void CheckStopped(const TaskEnded& record, Instant now);
  void CheckAssign(const struct Assign& assign, std::int32_t worker);
  void CheckRecorded(const Recorded& recorded, Incarnation incarnation);
  void CheckAnswer(const Answer& answer);
  void CheckTaskEnd(const FoldedRun& run, std::uint32_t task);
  bool IsKept(AttemptId attempt, Instant now) const;
  bool SucceededAt(std::int32_t worker, TaskRef task, const Payload& result) const;
  std::string NameOf(TaskRef task) const;

  const Plan& plan_;
  bool prompt_;                                    // nothing has happened that could keep an order from its worker
  absl::flat_hash_map<RunId, Instant> cancelled_;  // when
  std::vector<Record> journal_;
  std::size_t durable_count_ = 0;
  Fold tip_;
  Fold durable_;
  std::uint32_t broker_crashes_ = 0;
  absl::flat_hash_map<AttemptId, TaskRef> attempts_;  // every one that was ever given out
  absl::flat_hash_map<AttemptId, TaskRef> ahead_;     // those that were sent before what they need had ended
  absl::flat_hash_map<AttemptId, TaskRef> task_of_;   // of those that were executed
  absl::flat_hash_map<Incarnation, std::int32_t> worker_of_;
  absl::flat_hash_map<TaskRef, AttemptId> newest_;  // of each task, over all lives of the broker
  absl::flat_hash_map<AttemptId, SlotDone> done_;   // what the slots said
  absl::flat_hash_map<AttemptId, Instant> said_;    // when
  absl::flat_hash_map<AttemptId, Incarnation> executed_;
  absl::flat_hash_set<AttemptId> excused_;  // died with their worker: nobody promised to keep them
  absl::flat_hash_map<TaskRef, std::uint32_t> executions_;
  absl::flat_hash_map<TaskRef, std::uint32_t> kills_;          // workers that it took down
  absl::flat_hash_map<TaskRef, std::uint32_t> deaths_;         // of workers, while they had it
  absl::flat_hash_map<TaskRef, std::uint32_t> lonely_deaths_;  // ... and nothing else
  std::map<std::pair<Incarnation, std::uint64_t>, AttemptReport> reports_;
  absl::flat_hash_map<Incarnation, std::uint64_t> recorded_;  // through
  std::map<std::uint64_t, RunId> answered_;                   // by token
  absl::flat_hash_map<TaskRef, Outcome> seen_;                // outcomes that somebody was told
  std::string problem_;
};

}  // namespace millrace::sim
