// SPDX-License-Identifier: Apache-2.0
// What follows from what has ended: tasks become ready, or never will; a failed or cancelled run winds down; a run
// with nothing left ends. Everything here can be derived again from durable state, which a restarted broker does.
#include <algorithm>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

constexpr Duration kCacheWait = std::chrono::seconds(5);
constexpr std::uint64_t kRootCost = 16;  // to look at a task that is ready, by what it costs to pass over another

}  // namespace

void Core::Settle() {
  std::vector<std::uint32_t> more;
  for (std::size_t i = 0; i < unsettled_.size(); ++i) {
    Run* run = RunAt(unsettled_[i]);
    if (run != nullptr && SettleRun(*run)) more.push_back(run->slot);
  }
  unsettled_ = std::move(more);
}

// True: there is more to look at, in the next step.
bool Core::SettleRun(Run& run) {
  std::uint64_t budget = std::uint64_t{config_.roots_at_once} * kRootCost;
  while (true) {
    for (std::size_t i = 0; i < run.pending.size(); ++i) Look(run, run.pending[i]);
    run.pending.clear();
    if (run.Stopping() && !run.swept && !HasEnded(run.state)) {
      Sweep(run);
    } else if (!LookAtRoots(run, budget)) {
      break;
    }
  }
  const bool more = run.open > 0 && run.next_root < run.tasks.size();
  run.unsettled = more;
  if (run.open == 0 && !HasEnded(run.state)) FinishRun(run);
  return more;
}

// Goes on through a new job for what waits for nothing, as far as the budget reaches. True: something is pending.
bool Core::LookAtRoots(Run& run, std::uint64_t& budget) {
  for (; run.next_root < run.tasks.size() && budget > 0; ++run.next_root) {
    const std::uint32_t task = run.next_root;
    const bool root = run.tasks.phase[task] == Phase::kWaiting && run.NeedsOf(task).empty();
    budget -= std::min<std::uint64_t>(budget, root ? kRootCost : 1);
    if (!root) continue;
    SetPhase(run, task, Phase::kPending);
    Look(run, task);
  }
  return !run.pending.empty();
}

// A task of the pending list: ends it if it can never run, else brings it one step closer to a worker.
void Core::Look(Run& run, std::uint32_t task) {
  TaskTable& tasks = run.tasks;
  const Phase phase = tasks.phase[task];
  if (phase != Phase::kPending && phase != Phase::kWaiting) return;
  const bool always = run.PolicyOf(task).always_run;
  if (tasks.Has(task, TaskFlag::kDoomed)) return EndDoomed(run, task);
  if (phase == Phase::kWaiting) return;
  if (run.Stopping() && !always) return EndCancelled(run, task);
  if (!run.ahead.empty() && Fulfil(run, task) != kNone) return;
  if (const auto it = run.wake.find(task); it != run.wake.end()) {
    if (it->second > now_) {
      timers_.Push({.at = it->second, .kind = TimerKind::kTask, .a = run.slot, .b = task});
      return SetPhase(run, task, Phase::kBackingOff);
    }
    run.wake.erase(it);
  }
  const bool ask = run.PolicyOf(task).cached && run.job->use_cache && !tasks.Has(task, TaskFlag::kRecallOver);
  if (ask) return AskCache(run, task);
  Enqueue(run, task);
}

void Core::Enqueue(Run& run, std::uint32_t task) {
  TaskTable& tasks = run.tasks;
  std::uint32_t index = run.ClassOf(task);
  if (tasks.Has(task, TaskFlag::kEntryLeft)) {  // which would count again, beside the new one
    tasks.Set(task, TaskFlag::kEntryLeft, false);
    classes_[index].queue.Sweep([this, index](const ReadyEntry& entry) { return IsQueuedIn(entry.key, index); });
  }
  const bool solo = tasks.Has(task, TaskFlag::kSuspect);
  if (solo) {
    if (classes_[index].solo_twin == kNone) {
      CapabilityKey key = classes_[index].key;
      key.solo = true;
      const std::uint32_t twin = InternClass(key);
      classes_[index].solo_twin = twin;
    }
    index = classes_[index].solo_twin;
  }
  SetPhase(run, task, Phase::kQueued);
  tasks.Set(task, TaskFlag::kInSolo, solo);
  tasks.ready[task] = now_ - run.submitted;
  Capability& capability = classes_[index];
  capability.queue.Push(
      {.priority = run.PolicyOf(task).priority, .below = run.BelowOf(task), .key = {.run = run.slot, .task = task}});
  if (++capability.queued == 1) active_.insert(index);
  capability.blocked = capability.prefetch_blocked = false;
  if (capability.servers == 0) ArmStuck(index, StuckAt(run, task));
}

void Core::AskCache(Run& run, std::uint32_t task) {
  run.tasks.Set(task, TaskFlag::kRecallOver);
  SetPhase(run, task, Phase::kRecalling);
  const Instant until = now_ + kCacheWait;
  run.wake[task] = until;
  timers_.Push({.at = until, .kind = TimerKind::kTask, .a = run.slot, .b = task});
  Recall recall{.task = {run.id, task},
                .module = run.ModuleOf(task),
                .inputs = run.job->tasks.SharedInputsOf(task),
                .env = CacheEnvironment(run.job->tasks.EnvOf(task), run.PolicyOf(task).secrets),
                .data = {},
                .produces = run.PolicyOf(task).produces,
                .consumes = run.PolicyOf(task).consumes};
  for (const Dependency need : run.NeedsOf(task)) recall.data.push_back(DatumOf(run, need.task));
  actions_->push_back({.after = 0, .body = std::move(recall)});
}

void Core::OnRecalled(const Recalled& event) {
  Run* run = FindRun(event.task.run);
  if (run == nullptr || event.task.index >= run->tasks.size()) return;
  const std::uint32_t task = event.task.index;
  const Phase phase = run->tasks.phase[task];
  if (phase == Phase::kEnded) return;
  // A late hit still saves the work of a task that has not been handed out.
  const bool whole = event.result && (event.artifacts || run->PolicyOf(task).produces.empty());
  if (whole && (phase == Phase::kRecalling || phase == Phase::kQueued)) {
    Commit(TaskEnded{.task = {run->id, task},
                     .attempt = {},
                     .outcome = Outcome::kCached,
                     .result = *event.result,
                     .failure = {},
                     .reason = {},
                     .execution = {},
                     .artifacts = event.artifacts});
    return;
  }
  if (!whole && !event.key.empty()) run->cache_key[task] = event.key;
  if (phase != Phase::kRecalling) return;
  SetPhase(*run, task, Phase::kPending);
  ListPending(*run, task);
}

Datum Core::DatumOf(const Run& run, std::uint32_t task) const {
  Datum datum;
  datum.task = {run.id, task};
  datum.name = run.NameOf(task);
  datum.module = run.ModuleOf(task).name;
  datum.outcome = run.tasks.outcome[task];
  datum.inputs.bytes = run.job->tasks.SharedInputsOf(task);
  datum.inputs.size = datum.inputs.bytes.size();
  if (const auto it = run.results.find(task); it != run.results.end()) datum.result = it->second;
  if (const auto it = run.artifacts.find(task); it != run.artifacts.end()) datum.artifacts = it->second;
  if (const Story* story = run.StoryOf(task); story != nullptr && !IsGood(datum.outcome)) {
    datum.failure = story->failure;
    if (datum.failure.message.empty()) datum.failure.message = story->reason;
  }
  return datum;
}

std::string Core::StopReason(const Run& run) const {
  if (run.cancelled && (run.cancelled_first || run.job->fail_mode == FailMode::kKeepGoing)) return run.cancel_reason;
  return absl::StrFormat("run failed: %s", run.root_cause);
}

// Once, when a run fails fast or is cancelled: nothing new starts, what runs is asked to stop. What always runs stays.
void Core::Sweep(Run& run) {
  run.swept = true;
  MarkRunChanged(run);
  for (std::uint32_t task = 0; task < run.tasks.size(); ++task) {
    if (run.tasks.phase[task] == Phase::kEnded || run.PolicyOf(task).always_run) continue;
    if (run.tasks.attempt[task] != kNone) {
      AskCancel(run.tasks.attempt[task]);
    } else if (run.tasks.Has(task, TaskFlag::kDoomed)) {
      EndDoomed(run, task);
    } else {
      EndCancelled(run, task);
    }
  }
}

void Core::EndCancelled(Run& run, std::uint32_t task) { EndTask(run, task, Outcome::kCancelled, {}, StopReason(run)); }

// The reason names the dependency, and the root of the chain when that is another task.
void Core::EndDoomed(Run& run, std::uint32_t task) {
  const std::uint32_t direct = run.stories[task].blame;
  std::uint32_t root = direct;
  while (true) {
    const Story* story = run.StoryOf(root);
    const Outcome outcome = run.tasks.outcome[root];
    const bool passed_on = outcome == Outcome::kDependencyFailed || outcome == Outcome::kSkipped;
    if (!passed_on || story == nullptr || story->blame == kNone) break;
    root = run.stories[task].blame = story->blame;  // shortens the chain for those behind
  }
  const Outcome outcome = run.tasks.outcome[root];
  if (outcome == Outcome::kCancelled) return EndCancelled(run, task);
  const bool skipped = outcome == Outcome::kSkipped;
  const Story* story = run.StoryOf(root);
  std::string why;
  if (story != nullptr) why = skipped ? story->reason : story->failure.message;
  if (!why.empty()) why = ": " + why;
  const std::string_view name = run.NameOf(direct);
  std::string reason;
  if (root == direct) {
    reason = absl::StrFormat("needs '%s', which %s%s", name, skipped ? "was skipped" : "failed", why);
  } else {
    reason = absl::StrFormat("needs '%s', which did not run because '%s' %s%s", name, run.NameOf(root),
                             skipped ? "was skipped" : "failed", why);
  }
  EndTask(run, task, skipped ? Outcome::kSkipped : Outcome::kDependencyFailed, {}, std::move(reason));
}

void Core::EndTask(Run& run, std::uint32_t task, Outcome outcome, Failure failure, std::string reason) {
  const std::uint32_t attempt = run.tasks.attempt[task];
  Commit(TaskEnded{.task = {run.id, task},
                   .attempt = attempt == kNone ? AttemptId{} : attempts_[attempt].id,
                   .outcome = outcome,
                   .result = {},
                   .failure = std::move(failure),
                   .reason = std::move(reason),
                   .execution = {}});
}

// Never green with a missing outcome: every task has ended, and none of the bad ends went unnoticed.
void Core::FinishRun(Run& run) {
  const std::uint32_t good = run.Of(Outcome::kSucceeded) + run.Of(Outcome::kCached) + run.Of(Outcome::kSkipped);
  RunState state = RunState::kFailed;
  if (run.cancelled_first) {
    state = RunState::kCancelled;
  } else if (!run.failed && good + run.ignored == run.tasks.size()) {
    state = RunState::kSucceeded;
  } else if (!run.failed && run.cancelled) {
    state = RunState::kCancelled;
  }
  Commit(RunEnded{.run = run.id, .state = state});
  AnswerWaiters(run);
  Deactivate(run);
  timers_.Push({.at = run.ended + config_.run_retention, .kind = TimerKind::kRetire, .a = run.slot});
  while (ended_runs_.size() > std::max<std::uint32_t>(config_.runs_kept, 1)) RetireRun(ended_runs_.front());
}

void Core::RetireRun(std::uint32_t slot) {
  const auto it = std::find(ended_runs_.begin(), ended_runs_.end(), slot);
  if (it == ended_runs_.end()) return;
  ended_runs_.erase(it);
  const Run& run = *RunAt(slot);
  run_index_.erase(run.id);
  if (run.token != 0) tokens_.erase(run.token);
  runs_[slot].reset();
}

}  // namespace millrace::sched
