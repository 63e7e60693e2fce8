// SPDX-License-Identifier: Apache-2.0
// Rows for people, made from the tables on demand.
#include <algorithm>

#include "millrace/base/status.h"
#include "millrace/sched/bounds.h"
#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

TaskState StateOf(Phase phase) {
  switch (phase) {
    case Phase::kWaiting: return TaskState::kWaiting;
    case Phase::kPending:
    case Phase::kRecalling:
    case Phase::kQueued: return TaskState::kReady;
    case Phase::kBackingOff: return TaskState::kBackingOff;
    case Phase::kAssigned: return TaskState::kAssigned;
    case Phase::kRunning: return TaskState::kRunning;
    case Phase::kEnded: return TaskState::kEnded;
  }
  return TaskState::kWaiting;
}

}  // namespace

TaskView Core::ViewTask(const Run& run, std::uint32_t task) const {
  const TaskTable& tasks = run.tasks;
  TaskView view;
  view.index = task;
  view.name = run.NameOf(task);
  view.module = run.ModuleOf(task).name;
  view.state = StateOf(tasks.phase[task]);
  view.outcome = tasks.outcome[task];
  view.ignored = tasks.Has(task, TaskFlag::kIgnored);
  view.try_number = tasks.tries[task];
  view.wave = run.graph->WaveOf(task);
  if (tasks.worker[task] != kNone) {
    view.worker = names_[tasks.worker[task]].name;
    view.host = names_[tasks.worker[task]].host;
  }
  view.ready = tasks.ready[task];
  view.started = tasks.started[task];
  view.ended = tasks.ended[task];
  view.execution = tasks.execution[task];
  view.changed = tasks.ChangedOf(task);
  if (const auto it = run.artifacts.find(task); it != run.artifacts.end()) view.artifacts.push_back(it->second);
  if (const Story* story = run.StoryOf(task)) {
    view.reason = story->reason;
    view.failure = story->failure;
  }
  if (!view.reason.empty()) return view;
  switch (tasks.phase[task]) {
    case Phase::kRecalling: view.reason = "asking the cache"; break;
    case Phase::kQueued:
      if (classes_[QueueOf(run, task)].servers == 0) {
        view.reason = "no worker can run it";
      } else if (tasks.Has(task, TaskFlag::kSuspect)) {
        view.reason = "waits for a worker of its own, since one went down while it ran";
      }
      break;
    default: break;
  }
  return view;
}

RunView Core::ViewRun(const Run& run, Instant now) const {
  RunView view;
  view.run = run.id;
  view.name = run.job->name;
  view.state = run.state;
  view.submitted_unix_ms = run.submitted_unix_ms;
  view.elapsed = HasEnded(run.state) ? run.elapsed : std::max(now, run.submitted) - run.submitted;
  view.tasks = run.tasks.size();
  view.waiting = run.Of(Phase::kWaiting);
  view.ready =
      run.Of(Phase::kPending) + run.Of(Phase::kRecalling) + run.Of(Phase::kQueued) + run.Of(Phase::kBackingOff);
  view.running = run.Of(Phase::kAssigned) + run.Of(Phase::kRunning);
  view.succeeded = run.Of(Outcome::kSucceeded);
  view.cached = run.Of(Outcome::kCached);
  view.failed = run.Of(Outcome::kFailed) + run.Of(Outcome::kTimedOut) + run.Of(Outcome::kLost) - run.ignored;
  view.ignored = run.ignored;
  view.skipped = run.Of(Outcome::kSkipped) + run.Of(Outcome::kDependencyFailed);
  view.cancelled = run.Of(Outcome::kCancelled);
  view.waves = run.graph->waves;
  view.changed = run.changed;
  view.root_cause = run.root_cause;
  view.warnings = RunWarnings(run);
  return view;
}

// What was wrong at submission stays; what is wrong now is added while it lasts.
std::vector<std::string> Core::RunWarnings(const Run& run) const {
  std::vector<std::string> warnings = run.warnings;
  if (HasEnded(run.state)) return warnings;
  for (const std::uint32_t index : run.classes) {
    const Capability& capability = classes_[index];
    if (capability.queued == 0 || capability.servers > 0) continue;
    std::uint32_t count = 0;
    std::uint32_t first = kNone;
    capability.queue.ForEach([&](const ReadyEntry& entry) {
      if (entry.key.run != run.slot || run.tasks.phase[entry.key.task] != Phase::kQueued) return;
      ++count;
      first = std::min(first, entry.key.task);
    });
    if (count == 0) continue;
    warnings.push_back(
        absl::StrFormat("%d ready tasks such as '%s' have no worker that could run them", count, run.NameOf(first)));
  }
  Bound(warnings);
  return warnings;
}

std::vector<RunView> Core::ViewRuns(Instant now) const {
  std::vector<RunView> views;
  for (const auto& [id, slot] : run_index_) views.push_back(ViewRun(*RunAt(slot), now));
  return views;
}

std::vector<RunId> Core::RunIds() const {
  std::vector<RunId> ids;
  for (const auto& [id, slot] : run_index_) ids.push_back(id);
  return ids;
}

WorkerView Core::ViewWorker(const Session& session, Instant now) const {
  WorkerView view;
  view.name = session.name;
  view.host = session.host;
  view.pid = session.pid;
  view.version = session.version;
  view.local = session.local;
  view.heartbeat_degraded = session.degraded;
  view.offer = session.offer;
  view.cpus_used = session.offer.cpus - session.room.cpus;
  view.running = session.held - session.prefetched;
  view.prefetched = session.prefetched;
  view.completed = session.completed;
  view.silent_for = std::max(now - session.last_heard, Duration::zero());
  if (session.link == Link::kLost) {
    view.state = WorkerState::kLost;
  } else if (session.draining) {
    view.state = WorkerState::kDraining;
  } else {
    view.state = session.held > 0 ? WorkerState::kBusy : WorkerState::kIdle;
  }
  return view;
}

// By name; a lost one is shown until its name is taken again.
std::vector<WorkerView> Core::ViewWorkers(Instant now) const {
  std::vector<WorkerView> views;
  for (const auto& [name, index] : holders_) views.push_back(ViewWorker(*sessions_[index], now));
  for (const auto& [key, index] : lost_) {
    if (!holders_.contains(key.first)) views.push_back(ViewWorker(*sessions_[index], now));
  }
  std::stable_sort(views.begin(), views.end(),
                   [](const WorkerView& a, const WorkerView& b) { return a.name < b.name; });
  return views;
}

BrokerView Core::ViewBroker(Instant now) const {
  BrokerView view;
  view.version = config_.version;
  view.epoch = config_.epoch;
  view.uptime = std::max(now - start_, Duration::zero());
  view.workers = static_cast<std::uint32_t>(session_index_.size());
  view.expected_workers = config_.expect_workers;
  for (const auto& [name, index] : holders_) {
    view.cpus += sessions_[index]->offer.cpus;
    view.cpus_used += sessions_[index]->offer.cpus - sessions_[index]->room.cpus;
  }
  view.runs_active = runs_active_;
  for (const auto& [id, slot] : run_index_) {
    const Run& run = *RunAt(slot);
    if (HasEnded(run.state)) continue;
    view.tasks_ready += run.Of(Phase::kQueued) + run.Of(Phase::kRecalling) + run.Of(Phase::kBackingOff);
    view.tasks_running += run.Of(Phase::kAssigned) + run.Of(Phase::kRunning);
  }
  view.tasks_completed = tasks_completed_;
  view.outcomes_dropped = outcomes_dropped_;
  view.protocol_errors = protocol_errors_;
  view.warnings = BrokerWarnings();
  return view;
}

std::vector<std::string> Core::BrokerWarnings() const {
  std::vector<std::string> warnings;
  if (session_index_.size() < config_.expect_workers) {
    warnings.push_back(
        absl::StrFormat("%d of %d expected workers are here", session_index_.size(), config_.expect_workers));
  }
  for (const auto& [name, index] : holders_) {
    const Session& session = *sessions_[index];
    if (session.link == Link::kAway) {
      warnings.push_back(absl::StrFormat("worker %s has lost its connection and holds %d tasks", name, session.held));
    } else if (session.degraded) {
      warnings.push_back(absl::StrFormat("the heartbeat channel of worker %s is down", name));
    }
  }
  std::uint64_t stuck = 0;
  for (const std::uint32_t index : active_) {
    if (classes_[index].servers == 0) stuck += classes_[index].queued;
  }
  if (stuck > 0) warnings.push_back(absl::StrFormat("%d ready tasks have no worker that could run them", stuck));
  return warnings;
}

}  // namespace millrace::sched
