// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/chronicle.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/base/text.h"

namespace millrace::store {
namespace {

constexpr std::size_t kMaxMessage = 1024;  // bytes, of an attempt

bool IsFailure(Outcome outcome) {
  return outcome == Outcome::kFailed || outcome == Outcome::kTimedOut || outcome == Outcome::kLost;
}

}  // namespace

RunStory::RunStory(RunAccepted record) {
  run_.view.run = record.run;
  run_.view.name = std::move(record.job.name);
  run_.view.submitted_unix_ms = record.submitted_unix_ms;
  run_.view.tasks = static_cast<std::uint32_t>(record.job.tasks.size());
  policies_ = std::move(record.job.policies);
  use_cache_ = record.job.use_cache;
  for (ModuleSpec& module : record.job.modules) modules_.push_back(std::move(module.name));
  run_.without_tasks = !KeepsTasks(record.job.tasks.size());
  tasks_.resize(record.job.tasks.size());
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    tasks_[i].name = std::move(record.job.tasks[i].name);
    tasks_[i].module = record.job.tasks[i].module;
    tasks_[i].policy = record.job.tasks[i].policy;
    if (run_.without_tasks) continue;
    tasks_[i].needs = std::move(record.job.tasks[i].needs);
    std::erase_if(tasks_[i].needs, [this](const Dependency& need) { return need.task >= tasks_.size(); });
  }
}

// Lives of the broker need not agree on the wall clock: nothing lasts less than nothing.
Duration RunStory::Offset(std::int64_t unix_ms) const {
  if (unix_ms == 0) return Duration(-1);
  return std::max<Duration>(std::chrono::milliseconds(unix_ms - run_.view.submitted_unix_ms), Duration::zero());
}

RunStory::Rest& RunStory::RestOf(Task& task) const {
  if (task.rest == nullptr) task.rest = std::make_unique<Rest>();
  return *task.rest;
}

PastAttempt RunStory::LatestOf(const Task& task, Outcome outcome, std::string message) const {
  if (message.size() > kMaxMessage) message = Beginning(message, kMaxMessage);
  return {.try_number = task.tries,
          .worker = workers_[task.worker],
          .assigned = task.assigned,
          .started = task.started,
          .ended = task.ended,
          .outcome = outcome,
          .message = std::move(message)};
}

void RunStory::Take(TaskAssigned record) {
  Task* task = Find(record.task);
  if (task == nullptr || task->outcome != Outcome::kNone) return;
  const auto [it, fresh] = worker_index_.try_emplace(record.worker, static_cast<std::uint32_t>(workers_.size()));
  if (fresh) workers_.push_back(std::move(record.worker));
  task->worker = it->second;
  task->assigned = Offset(record.assigned_unix_ms);
  task->started = Duration(-1);
  ++task->tries;
}

void RunStory::Take(AttemptEnded record) {
  Task* task = Find(record.task);
  if (task == nullptr || task->outcome != Outcome::kNone) return;
  task->started = Offset(record.started_unix_ms);
  if (record.outcome == Outcome::kNone) {  // given back untried
    if (task->tries > 0) --task->tries;
  } else {
    task->ended = Offset(record.ended_unix_ms);
    if (!run_.without_tasks) Keep(*task, LatestOf(*task, record.outcome, std::move(record.message)));
  }
  task->worker = 0;  // it is with nobody
}

void RunStory::Keep(Task& task, PastAttempt attempt) const {
  Rest& rest = RestOf(task);
  if (rest.attempts.size() >= kMaxAttemptsKept) {
    rest.attempts.erase(rest.attempts.begin());
    ++rest.left_out;
  }
  rest.attempts.push_back(std::move(attempt));
}

void RunStory::Take(TaskEnded record) {
  Task* task = Find(record.task);
  if (task == nullptr || task->outcome != Outcome::kNone || record.outcome == Outcome::kNone) return;
  task->outcome = record.outcome;
  task->by_attempt = record.attempt.valid();
  task->started = Offset(record.started_unix_ms);
  task->ended = Offset(record.ended_unix_ms);
  task->execution = record.execution;
  task->ignored = IsFailure(record.outcome) && policies_[task->policy].ignore_failure;
  const bool always_run = policies_[task->policy].always_run;
  if (IsFailure(record.outcome) && !task->ignored) {
    if (!cancelled_first_ && (!failed_ || (root_is_teardown_ && !always_run))) {
      run_.view.root_cause = absl::StrFormat("%s: %s", task->name, record.failure.message);
      root_is_teardown_ = always_run;
    }
    failed_ = true;
  }
  Count(*task);
  if (run_.without_tasks) return;
  task->result = std::move(record.result);
  if (!IsFailure(record.outcome) && record.reason.empty()) return;
  Rest& rest = RestOf(*task);
  rest.failure = std::move(record.failure);
  rest.reason = std::move(record.reason);
}

void RunStory::Count(const Task& task) {
  RunView& view = run_.view;
  switch (task.outcome) {
    case Outcome::kNone: break;
    case Outcome::kSucceeded: ++view.succeeded; break;
    case Outcome::kCached: ++view.cached; break;
    case Outcome::kFailed:
    case Outcome::kTimedOut:
    case Outcome::kLost: ++(task.ignored ? view.ignored : view.failed); break;
    case Outcome::kSkipped:
    case Outcome::kDependencyFailed: ++view.skipped; break;
    case Outcome::kCancelled: ++view.cancelled; break;
  }
}

void RunStory::Take(const RunCancelled& record) {
  if (failed_ || cancelled_first_) return;
  cancelled_first_ = true;
  run_.view.root_cause = record.reason;
}

void RunStory::Take(const RunEnded& record) {
  run_.view.state = record.state;
  run_.ended_unix_ms = record.ended_unix_ms;
  // An older Millrace did not write it: the end of the last task is as good, where that is known.
  if (run_.ended_unix_ms == 0) {
    Duration last{};
    for (const Task& task : tasks_) last = std::max(last, task.ended);
    run_.ended_unix_ms =
        run_.view.submitted_unix_ms + std::chrono::duration_cast<std::chrono::milliseconds>(last).count();
  }
  run_.view.elapsed = std::max(Offset(run_.ended_unix_ms), Duration::zero());
  if (run_.without_tasks) tasks_.clear();
}

// When the last of what it needs had ended. What never ran has waited to its end, unless all it needs was good.
Duration RunStory::ReadyOf(const Task& task) const {
  bool good = true;
  Duration ready{};
  for (const Dependency& need : task.needs) {
    const Task& other = tasks_[need.task];
    good = good && IsGood(other.outcome);
    ready = std::max(ready, other.ended);
  }
  return good || task.tries > 0 || task.outcome == Outcome::kCached ? ready : Duration(-1);
}

PastLinks RunStory::LinksAt(std::uint32_t index) const {
  const Task& task = tasks_[index];
  PastLinks links{.needs = task.needs, .cacheable = use_cache_ && policies_[task.policy].cached};
  std::vector<Dependency>& needs = links.needs;
  if (needs.size() <= kMaxNeedsKept) return links;
  // Those that ended last are the ones that it has waited for.
  std::stable_sort(needs.begin(), needs.end(), [this](const Dependency& a, const Dependency& b) {
    return tasks_[a.task].ended > tasks_[b.task].ended;
  });
  needs.resize(kMaxNeedsKept);
  links.needs_left_out = static_cast<std::uint32_t>(task.needs.size() - needs.size());
  std::sort(needs.begin(), needs.end(), [](const Dependency& a, const Dependency& b) { return a.task < b.task; });
  return links;
}

PastTask RunStory::TaskAt(std::uint32_t index) const {
  const Task& task = tasks_[index];
  PastTask past;
  TaskView& view = past.view;
  view.index = index;
  view.name = task.name;
  view.module = modules_[task.module];
  view.state = TaskState::kEnded;
  view.outcome = task.outcome;
  view.ignored = task.ignored;
  view.try_number = task.tries;
  view.worker = workers_[task.worker];
  view.ready = ReadyOf(task);
  view.started = task.started;
  view.ended = task.ended;
  view.execution = task.execution;
  past.result = task.result;
  if (task.rest != nullptr) {
    view.reason = task.rest->reason;
    view.failure = task.rest->failure;
    past.attempts = task.rest->attempts;
    past.attempts_left_out = task.rest->left_out;
  }
  if (task.by_attempt) past.attempts.push_back(LatestOf(task, task.outcome, view.failure.message));
  return past;
}

std::unique_ptr<RunStory> Chronicle::Take(Record record) {
  return std::visit(
      [this](auto& body) -> std::unique_ptr<RunStory> {
        using R = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<R, RunAccepted>) {
          const RunId id = body.run;
          if (!open_.contains(id)) open_.emplace(id, std::make_unique<RunStory>(std::move(body)));
          return nullptr;
        } else if constexpr (std::is_same_v<R, CrashForgiven>) {
          return nullptr;
        } else {
          RunId id;
          if constexpr (requires { body.task; }) {
            id = body.task.run;
          } else {
            id = body.run;
          }
          const auto it = open_.find(id);
          if (it == open_.end()) return nullptr;
          it->second->Take(std::move(body));
          if constexpr (std::is_same_v<R, RunEnded>) {
            std::unique_ptr<RunStory> ended = std::move(it->second);
            open_.erase(it);
            return ended;
          } else {
            return nullptr;
          }
        }
      },
      record);
}

}  // namespace millrace::store
