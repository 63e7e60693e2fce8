// SPDX-License-Identifier: Apache-2.0
// Durable changes, one function per record. Step and replay both come through here; a record that makes no sense where
// it stands (its task has ended, its run is unknown) changes nothing.
#include <algorithm>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

// Of a time that an earlier life has written; -1 = it is not known. This life knows its own to the nanosecond. Between
// lives the clock may have been set back.
Duration OffsetOf(const Run& run, std::int64_t unix_ms) {
  if (unix_ms == 0) return Duration(-1);
  return std::max<Duration>(std::chrono::milliseconds(unix_ms - run.submitted_unix_ms), Duration::zero());
}

}  // namespace

void Core::Apply(const Record& record, JournalPosition at) {
  at_ = at;
  std::visit([this](const auto& r) { ApplyRecord(r); }, record);
}

void Core::ApplyRecord(const RunAccepted& record) {
  if (run_index_.contains(record.run)) return;
  std::shared_ptr<const JobGraph> graph = std::exchange(graph_, nullptr);
  if (graph == nullptr) {
    absl::StatusOr<JobGraph> built = BuildGraph(*record.job);
    if (!built.ok()) return;
    graph = std::make_shared<const JobGraph>(*std::move(built));
  }
  auto run = std::make_unique<Run>();
  const auto n = static_cast<std::uint32_t>(record.job->tasks.size());
  run->id = record.run;
  run->slot = static_cast<std::uint32_t>(runs_.size());
  run->job = record.job;
  run->graph = std::move(graph);
  run->tasks = TaskTable(n);
  run->token = record.token;
  run->submitted_unix_ms = record.submitted_unix_ms;
  run->submitted = AtUnixMs(record.submitted_unix_ms);
  if (started_) run->submitted = now_;
  run->open = n;
  run->by_phase[static_cast<std::size_t>(Phase::kWaiting)] = n;
  run->accepted_at = run->last_at = at_;
  runs_.push_back(std::move(run));
  Run& added = *runs_.back();
  run_index_.emplace(added.id, added.slot);
  if (added.token != 0) tokens_.emplace(added.token, added.id);
  if (EpochOf(added.id.value) == config_.epoch) {
    next_run_ = std::max(next_run_, static_cast<std::uint32_t>(added.id.value));
  }
  ++runs_active_;
  // Every row has a number of its own from the start (ChangedOf), so that `since` pages through all of them.
  if (n > 0) {
    added.changed = n - 1;
    MarkRunChanged(added);
  }
  ListUnsettled(added);
}

void Core::ApplyRecord(const TaskAssigned& record) {
  Run* run = FindRun(record.task.run);
  if (run == nullptr) return;
  const Instant assigned = started_ || record.assigned_unix_ms == 0 ? now_ : AtUnixMs(record.assigned_unix_ms);
  ApplyAssigned(*run, record.task.index, record.attempt, NameIndex(record.worker), assigned);
}

void Core::ApplyRecord(const TasksAssigned& record) {
  Run* run = FindRun(record.run);
  if (run == nullptr) return;
  const std::uint32_t worker = NameIndex(record.worker);
  const Instant assigned = started_ || record.assigned_unix_ms == 0 ? now_ : AtUnixMs(record.assigned_unix_ms);
  for (std::size_t row = 0; row < record.tasks.size(); ++row) {
    ApplyAssigned(*run, record.tasks[row], record.AttemptOf(row), worker, assigned);
  }
}

void Core::ApplyAssigned(Run& run, std::uint32_t task, AttemptId id, std::uint32_t worker, Instant assigned) {
  TaskTable& tasks = run.tasks;
  if (task >= tasks.size() || tasks.phase[task] == Phase::kEnded) return;
  run.last_at = at_;
  if (EpochOf(id.value) == config_.epoch) next_attempt_ = std::max(next_attempt_, static_cast<std::uint32_t>(id.value));
  if (tasks.attempt[task] != kNone) RemoveHeld(tasks.attempt[task]);
  Attempt attempt;
  attempt.id = id;
  attempt.task = {run.slot, task};
  attempt.worker = worker;
  attempt.assigned = assigned;
  tasks.attempt[task] = attempts_.Add(attempt);
  tasks.worker[task] = worker;
  tasks.started[task] = Duration(-1);
  ++tasks.tries[task];
  SetPhase(run, task, Phase::kAssigned);
}

void Core::ApplyRecord(const AttemptEnded& record) {
  Run* run = FindRun(record.task.run);
  if (run == nullptr || record.task.index >= run->tasks.size()) return;
  const std::uint32_t task = record.task.index;
  TaskTable& tasks = run->tasks;
  const std::uint32_t attempt = tasks.attempt[task];
  if (attempt == kNone || attempts_[attempt].id != record.attempt) return;
  run->last_at = at_;
  if (record.suspect || record.crashed) {
    run->stories[task].crashed_workers.push_back(names_[attempts_[attempt].worker].name);
    if (record.crashed) {
      const int counted = tasks.crashes[task] + 1 + (tasks.Has(task, TaskFlag::kSuspicion) ? 1 : 0);
      tasks.crashes[task] = static_cast<std::uint8_t>(std::min(counted, 255));
    }
    tasks.Set(task, TaskFlag::kSuspicion, !record.crashed);
    tasks.Set(task, TaskFlag::kSuspect);
  }
  if (record.charged) ++tasks.charged[task];
  if (!started_) tasks.started[task] = OffsetOf(*run, record.started_unix_ms);
  // What was given back was never tried.
  if (record.outcome == Outcome::kNone && tasks.tries[task] > 0) --tasks.tries[task];
  tasks.worker[task] = kNone;  // it is with nobody; who had it is told by its failure
  if (attempts_[attempt].session != kNone) Disappoint(*sessions_[attempts_[attempt].session], *run, task);
  RemoveHeld(attempt);
  SetPhase(*run, task, Phase::kPending);
  ListPending(*run, task);
}

void Core::ApplyEnd(Run& run, std::uint32_t task, Outcome outcome, Duration execution, std::int64_t started_unix_ms,
                    std::int64_t ended_unix_ms) {
  TaskTable& tasks = run.tasks;
  run.last_at = at_;
  if (!run.ahead.empty()) Recant(run, task);
  if (const std::uint32_t attempt = tasks.attempt[task]; attempt != kNone) {
    const std::uint32_t session = attempts_[attempt].session;
    if (outcome != Outcome::kSucceeded && session != kNone) Disappoint(*sessions_[session], run, task);
    RemoveHeld(attempt);
  }
  tasks.outcome[task] = outcome;
  tasks.execution[task] = execution;
  tasks.ended_at[task] = at_;
  if (started_) {
    tasks.ended[task] = std::max(now_ - run.submitted, Duration::zero());
  } else {
    tasks.started[task] = OffsetOf(run, started_unix_ms);
    tasks.ended[task] = OffsetOf(run, ended_unix_ms);
  }
  ++run.by_outcome[static_cast<std::size_t>(outcome)];
  --run.open;
}

void Core::ApplyRecord(const TaskEnded& record) {
  Run* run = FindRun(record.task.run);
  if (run == nullptr || record.task.index >= run->tasks.size()) return;
  const std::uint32_t task = record.task.index;
  if (run->tasks.phase[task] == Phase::kEnded) return;
  ApplyEnd(*run, task, record.outcome, record.execution, record.started_unix_ms, record.ended_unix_ms);
  const Policy& policy = run->PolicyOf(task);
  const bool failure = IsFailure(record.outcome);
  const bool ignored = failure && policy.ignore_failure;
  run->tasks.Set(task, TaskFlag::kIgnored, ignored);
  if (record.result.size > 0 || !record.result.bytes.empty()) run->results[task] = record.result;
  if (record.artifacts) run->artifacts[task] = *record.artifacts;
  if (failure || !record.reason.empty()) {
    Story& story = run->stories[task];
    story.failure = record.failure;
    story.reason = record.reason;
  }
  if (failure && !ignored) {
    if (!run->cancelled_first && (!run->failed || (run->root_is_teardown && !policy.always_run))) {
      run->root_cause = absl::StrFormat("%s: %s", run->NameOf(task), record.failure.message);
      run->root_is_teardown = policy.always_run;
    }
    run->failed = true;
  }
  if (ignored) ++run->ignored;
  SetPhase(*run, task, Phase::kEnded);
  ReleaseDependants(*run, task, IsGood(record.outcome) || ignored);
}

void Core::ApplyRecord(const TasksSucceeded& record) {
  Run* run = FindRun(record.run);
  if (run == nullptr) return;
  for (std::size_t i = 0; i < record.rows.size(); ++i) {
    const TasksSucceeded::Row& row = record.rows[i];
    if (row.task >= run->tasks.size() || run->tasks.phase[row.task] == Phase::kEnded) continue;
    ApplyEnd(*run, row.task, Outcome::kSucceeded, row.execution, row.started_unix_ms, record.ended_unix_ms);
    const Payload& result = record.ResultOf(i);
    if (result.size > 0 || !result.bytes.empty()) run->results[row.task] = result;
    SetPhase(*run, row.task, Phase::kEnded);
    ReleaseDependants(*run, row.task, true);
  }
}

// Counts down both sides: what it needed may be forgotten, what needs it may run, or never will.
void Core::ReleaseDependants(Run& run, std::uint32_t task, bool good) {
  TaskTable& tasks = run.tasks;
  for (const Dependency need : run.NeedsOf(task)) {
    ++tasks.ended_dependants[need.task];
    if (run.OpenDependants(need.task) == 0) ForgetDatum({run.slot, need.task});
  }
  for (const Edge edge : run.Dependants(task)) {
    const std::uint32_t target = edge.target();
    ++tasks.met[target];
    if (tasks.phase[target] == Phase::kEnded) continue;
    bool look = false;
    if (!good && !edge.optional() && !tasks.Has(target, TaskFlag::kDoomed) && !run.PolicyOf(target).always_run) {
      tasks.Set(target, TaskFlag::kDoomed);
      run.stories[target].blame = task;
      look = true;
    }
    if (tasks.phase[target] == Phase::kWaiting && run.Unmet(target) == 0) {
      SetPhase(run, target, Phase::kPending);
      look = true;
    }
    if (look) ListPending(run, target);
  }
  // Also when nothing needs what has failed: the rest is to be stopped.
  if (run.open == 0 || (run.Stopping() && !run.swept)) ListUnsettled(run);
}

void Core::ApplyRecord(const RunCancelled& record) {
  Run* run = FindRun(record.run);
  if (run == nullptr || HasEnded(run->state) || run->cancelled) return;
  run->last_at = at_;
  run->cancelled = true;
  run->cancel_reason = record.reason;
  run->state = RunState::kCancelling;
  if (!run->failed) {
    run->cancelled_first = true;
    run->root_cause = record.reason;
  }
  run->swept = false;
  MarkRunChanged(*run);
  ListUnsettled(*run);
}

void Core::ApplyRecord(const RunEnded& record) {
  Run* run = FindRun(record.run);
  if (run == nullptr || HasEnded(run->state)) return;
  run->last_at = at_;
  run->state = record.state;
  if (started_) {
    run->ended = now_;
  } else if (record.ended_unix_ms != 0) {
    run->ended = AtUnixMs(record.ended_unix_ms);
  }
  if (run->ended != kNever) run->elapsed = std::max(run->ended - run->submitted, Duration::zero());
  --runs_active_;
  ended_runs_.push_back(run->slot);
  MarkRunChanged(*run);
}

void Core::ApplyRecord(const CrashForgiven& record) {
  Run* run = FindRun(record.task.run);
  if (run == nullptr || record.task.index >= run->tasks.size()) return;
  const std::uint32_t task = record.task.index;
  TaskTable& tasks = run->tasks;
  if (tasks.phase[task] == Phase::kEnded) return;
  run->last_at = at_;
  if (tasks.Has(task, TaskFlag::kSuspicion)) {
    tasks.Set(task, TaskFlag::kSuspicion, false);
  } else if (tasks.crashes[task] > 0) {
    --tasks.crashes[task];
  }
  if (tasks.crashes[task] == 0 && !tasks.Has(task, TaskFlag::kSuspicion)) {
    tasks.Set(task, TaskFlag::kSuspect, false);
  }
  std::vector<std::string>& crashed = run->stories[task].crashed_workers;
  if (!crashed.empty()) crashed.pop_back();
  MarkChanged(*run, task);
}

std::uint32_t Core::QueueOf(const Run& run, std::uint32_t task) const {
  const std::uint32_t index = run.ClassOf(task);
  return run.tasks.Has(task, TaskFlag::kInSolo) ? classes_[index].solo_twin : index;
}

// The one place where a task changes its phase: keeps the counters of the run and of the classes.
void Core::SetPhase(Run& run, std::uint32_t task, Phase phase) {
  const Phase old = run.tasks.phase[task];
  if (old != phase) {
    --run.by_phase[static_cast<std::size_t>(old)];
    ++run.by_phase[static_cast<std::size_t>(phase)];
    run.tasks.phase[task] = phase;
    if (old == Phase::kQueued) {
      const std::uint32_t queue = QueueOf(run, task);
      run.tasks.Set(task, TaskFlag::kInSolo, false);
      LeaveQueue(queue);
    }
    // The end may also come before a pause that was already decided on has begun.
    if (old == Phase::kBackingOff || old == Phase::kRecalling || phase == Phase::kEnded) run.wake.erase(task);
  }
  MarkChanged(run, task);
}

// Entries of tasks that left otherwise than by the top (cancelled, found in the cache) must not pile up behind one that
// waits: they are swept when they outnumber those that count.
void Core::LeaveQueue(std::uint32_t queue) {
  Capability& capability = classes_[queue];
  if (--capability.queued == 0) {
    capability.queue.Clear();
    capability.stuck_at = kNever;
    active_.erase(queue);
    return;
  }
  if (capability.queue.size() <= MostEntries(capability)) return;
  capability.queue.Sweep([this, queue](const ReadyEntry& entry) { return IsQueuedIn(entry.key, queue); });
}

bool Core::IsQueuedIn(TaskKey key, std::uint32_t queue) const {
  const Run* run = RunAt(key.run);
  return run != nullptr && run->tasks.phase[key.task] == Phase::kQueued && QueueOf(*run, key.task) == queue;
}

void Core::MarkChanged(Run& run, std::uint32_t task) {
  MarkRunChanged(run);
  run.tasks.SetChanged(task, run.changed);
}

void Core::MarkRunChanged(Run& run) {
  ++run.changed;
  if (run.announce || !started_) return;
  run.announce = true;
  to_announce_.push_back(run.slot);
}

void Core::ListPending(Run& run, std::uint32_t task) {
  run.pending.push_back(task);
  ListUnsettled(run);
}

void Core::ListUnsettled(Run& run) {
  if (run.unsettled) return;
  run.unsettled = true;
  unsettled_.push_back(run.slot);
}

}  // namespace millrace::sched
