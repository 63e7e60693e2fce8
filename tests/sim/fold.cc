// SPDX-License-Identifier: Apache-2.0
#include "fold.h"

#include <variant>

#include "absl/strings/str_format.h"

namespace millrace::sim {
namespace {

constexpr std::chrono::milliseconds kClockStep = std::chrono::hours(2);  // from an hour ahead to an hour behind

bool IsFailure(Outcome outcome) {
  return outcome == Outcome::kFailed || outcome == Outcome::kTimedOut || outcome == Outcome::kLost;
}

// What began in an earlier life may seem to lie ahead: each life has its own idea of the wall clock.
template <class Ended>
bool InOrder(const Ended& record) {
  return record.ended_unix_ms != 0 && record.started_unix_ms <= record.ended_unix_ms + kClockStep.count();
}

}  // namespace

std::string Fold::Take(const Record& record) {
  return std::visit(
      [this]<class R>(const R& r) -> std::string {
        if constexpr (std::is_same_v<R, TasksAssigned> || std::is_same_v<R, TasksSucceeded>) {
          return "records of one position are judged";
        } else {
          return On(r);
        }
      },
      record);
}

const FoldedRun* Fold::Find(RunId run) const {
  const auto it = runs_.find(run);
  return it == runs_.end() ? nullptr : &it->second;
}

const FoldedTask* Fold::Find(TaskRef task) const {
  const FoldedRun* run = Find(task.run);
  return run == nullptr || task.index >= run->tasks.size() ? nullptr : &run->tasks[task.index];
}

FoldedTask* Fold::Task(TaskRef ref) { return const_cast<FoldedTask*>(Find(ref)); }

RunId Fold::RunOf(std::uint64_t token) const {
  for (const auto& [id, run] : runs_) {
    if (run.token == token) return id;
  }
  return {};
}

bool Fold::Counted(AttemptId attempt) const {
  const auto it = ended_.find(attempt);
  return it != ended_.end() && it->second;
}

std::string Fold::On(const RunAccepted& record) {
  if (runs_.contains(record.run)) return "a run id is used twice";
  if (RunOf(record.token).valid()) return "a token has two runs";
  FoldedRun& run = runs_[record.run];
  run.job = record.job;
  run.token = record.token;
  run.submitted_unix_ms = record.submitted_unix_ms;
  run.tasks.resize(record.job->tasks.size());
  return {};
}

std::string Fold::On(const TaskAssigned& record) {
  FoldedTask* task = Task(record.task);
  if (task == nullptr) return "an unknown task is assigned";
  const FoldedRun& run = runs_.at(record.task.run);
  std::string wrong;
  if (task->outcome != Outcome::kNone) wrong = "I5: a task that has ended is assigned";
  if (task->attempt.valid()) wrong = "I3: a task that has an attempt is assigned again";
  for (const Dependency need : run.job->tasks.NeedsOf(record.task.index)) {
    const bool required = need.kind == DependencyKind::kRequired && !run.PolicyOf(record.task.index).always_run;
    if (run.tasks[need.task].outcome == Outcome::kNone) wrong = "I2: assigned before a dependency has ended";
    if (required && !run.Good(need.task)) wrong = "I2: assigned although a dependency did not succeed";
  }
  if (run.Stopping() && !run.PolicyOf(record.task.index).always_run) wrong = "assigned after its run was stopped";
  if (record.assigned_unix_ms == 0) wrong = "an assignment without its time";
  if (task->crashes >= kCrashLimit && !task->forgiven) wrong = "I7: a poison task is assigned again";
  task->attempt = record.attempt;
  task->worker = record.worker;
  return wrong;
}

std::string Fold::On(const AttemptEnded& record) {
  FoldedTask* task = Task(record.task);
  if (task == nullptr) return "an attempt of an unknown task ends";
  std::string wrong;
  if (task->attempt != record.attempt) wrong = "I5: an attempt ends that is not the current one";
  const Policy& policy = runs_.at(record.task.run).PolicyOf(record.task.index);
  if (!policy.idempotent && record.outcome != Outcome::kNone) {
    wrong = "a task that is not idempotent may run again after it was assigned";
  }
  if (!InOrder(record)) wrong = "an attempt ends before it began";
  if (record.outcome == Outcome::kLost && !record.suspect) ++task->unseen;
  if (record.crashed) task->crashes += task->suspicion ? 2 : 1;
  if (record.suspect) task->suspicion = !record.crashed;
  task->attempt = {};
  task->worker.clear();
  task->started_unix_ms = record.started_unix_ms;
  ended_[record.attempt] = record.charged;
  return wrong;
}

std::string Fold::On(const TaskEnded& record) {
  FoldedTask* task = Task(record.task);
  if (task == nullptr) return "an unknown task ends";
  FoldedRun& run = runs_.at(record.task.run);
  if (task->outcome != Outcome::kNone) return "I1: a task ends twice";
  std::string wrong;
  if (record.attempt != task->attempt) wrong = "I5: a task ends by an attempt that is not its current one";
  if (record.outcome == Outcome::kNone) wrong = "a task ends without an outcome";
  if (!InOrder(record)) wrong = "a task ends before it began";
  if (record.outcome == Outcome::kDependencyFailed) {
    bool blamed = false;
    for (const Dependency need : run.job->tasks.NeedsOf(record.task.index)) {
      blamed |= run.tasks[need.task].outcome != Outcome::kNone && !run.Good(need.task);
    }
    if (!blamed) wrong = "I2: 'dependency failed' without one that did";
  }
  if (record.outcome == Outcome::kCancelled && !run.Stopping()) {
    bool passed_on = false;
    for (const Dependency need : run.job->tasks.NeedsOf(record.task.index)) {
      passed_on |= run.tasks[need.task].outcome == Outcome::kCancelled;
    }
    if (!passed_on) wrong = "a task is cancelled in a run that is not";
  }
  const Policy& policy = run.PolicyOf(record.task.index);
  task->outcome = record.outcome;
  task->ended_by = record.attempt;
  task->attempt = {};
  task->result = record.result;
  task->artifacts = record.artifacts;
  task->started_unix_ms = record.started_unix_ms;
  task->ended_unix_ms = record.ended_unix_ms;
  task->message = record.failure.message;
  task->ignored = IsFailure(record.outcome) && policy.ignore_failure;
  run.failed |= IsFailure(record.outcome) && !task->ignored;
  if (record.attempt.valid()) ended_[record.attempt] = record.outcome != Outcome::kLost;
  return wrong;
}

std::string Fold::On(const RunCancelled& record) {
  const auto it = runs_.find(record.run);
  if (it == runs_.end()) return "an unknown run is cancelled";
  it->second.cancelled = true;
  return {};
}

std::string Fold::On(const RunEnded& record) {
  const auto it = runs_.find(record.run);
  if (it == runs_.end()) return "an unknown run ends";
  FoldedRun& run = it->second;
  std::string wrong;
  if (millrace::HasEnded(run.state)) wrong = "I1: a run ends twice";
  bool good = true;
  for (std::uint32_t task = 0; task < run.tasks.size(); ++task) {
    if (run.tasks[task].outcome == Outcome::kNone) wrong = "a run ends before its tasks";
    good &= run.Good(task) || run.tasks[task].outcome == Outcome::kSkipped;
  }
  if ((record.state == RunState::kSucceeded) != (good && !run.cancelled) && !(good && run.cancelled)) {
    wrong = "the state of a run is not what its tasks say";
  }
  if (record.state == RunState::kSucceeded && !good) wrong = "a green run without good outcomes";
  if (record.ended_unix_ms == 0) wrong = "a run ends without its time";
  run.state = record.state;
  run.ended_unix_ms = record.ended_unix_ms;
  return wrong;
}

std::string Fold::On(const CrashForgiven& record) {
  FoldedTask* task = Task(record.task);
  if (task == nullptr) return "a crash of an unknown task is forgiven";
  task->forgiven = true;
  return {};
}

}  // namespace millrace::sim
