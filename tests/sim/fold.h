// SPDX-License-Identifier: Apache-2.0
// What a list of journal records says, told by somebody who did not write the scheduler: the state of every task, and
// whether each record may stand where it stands.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "millrace/model/record.h"

namespace millrace::sim {

inline constexpr std::uint32_t kCrashLimit = 3;

struct FoldedTask {
  Outcome outcome = Outcome::kNone;
  AttemptId attempt;   // current one
  AttemptId ended_by;  // the attempt that its outcome came from
  std::string worker;  // of the current attempt, or of the one that ended it
  Payload result;
  std::optional<ArtifactTree> artifacts;
  std::string message;        // of its failure
  std::uint32_t crashes = 0;  // counted, as long as none was forgiven
  std::uint32_t unseen = 0;   // losses after which nobody thought that it had started
  bool suspicion = false;     // one crash is not counted yet
  bool forgiven = false;
  bool ignored = false;
  std::int64_t started_unix_ms = 0;  // of the latest attempt that has ended
  std::int64_t ended_unix_ms = 0;
};

struct FoldedRun {
  Shared<PackedJob> job;
  std::uint64_t token = 0;
  bool cancelled = false;
  bool failed = false;
  RunState state = RunState::kRunning;
  std::int64_t submitted_unix_ms = 0;
  std::int64_t ended_unix_ms = 0;
  std::vector<FoldedTask> tasks;

  const Policy& PolicyOf(std::uint32_t task) const { return job->PolicyOf(task); }
  bool Good(std::uint32_t task) const { return IsGood(tasks[task].outcome) || tasks[task].ignored; }
  bool Stopping() const { return cancelled || (failed && job->fail_mode == FailMode::kFailFast); }
};

class Fold {
 public:
  // "" or what is wrong about this record at this place. It is taken in any case, as far as it makes sense.
  std::string Take(const Record& record);

  const FoldedRun* Find(RunId run) const;
  const FoldedTask* Find(TaskRef task) const;
  const std::map<RunId, FoldedRun>& runs() const { return runs_; }
  RunId RunOf(std::uint64_t token) const;
  // Whether any record says how this attempt ended.
  bool HasEnded(AttemptId attempt) const { return ended_.contains(attempt); }
  // ... and that it was accepted: it gave the task its outcome, or consumed a retry.
  bool Counted(AttemptId attempt) const;

 private:
  std::string On(const RunAccepted& record);
  std::string On(const TaskAssigned& record);
  std::string On(const AttemptEnded& record);
  std::string On(const TaskEnded& record);
  std::string On(const RunCancelled& record);
  std::string On(const RunEnded& record);
  std::string On(const CrashForgiven& record);
  FoldedTask* Task(TaskRef ref);

  std::map<RunId, FoldedRun> runs_;
  absl::flat_hash_map<AttemptId, bool> ended_;
};

}  // namespace millrace::sim
