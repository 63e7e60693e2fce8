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

RunStory::RunStory(RunAccepted record) : job_(std::move(record.job)), tasks_(job_->tasks.size()) {
  run_.view.run = record.run;
  run_.view.name = job_->name;
  run_.view.submitted_unix_ms = record.submitted_unix_ms;
  run_.view.tasks = static_cast<std::uint32_t>(job_->tasks.size());
  run_.without_tasks = !KeepsTasks(job_->tasks.size());
}

RunStory::Task* RunStory::OpenAt(std::uint32_t index) {
  return index < tasks_.size() && tasks_[index].outcome == Outcome::kNone ? &tasks_[index] : nullptr;
}

// Lives of the broker need not agree on the wall clock: nothing lasts less than nothing.
Duration RunStory::Offset(std::int64_t unix_ms) const {
  if (unix_ms == 0) return Duration(-1);
  return std::max<Duration>(std::chrono::milliseconds(unix_ms - run_.view.submitted_unix_ms), Duration::zero());
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

std::uint32_t RunStory::WorkerIndex(const std::string& worker) {
  const auto [it, fresh] = worker_index_.try_emplace(worker, static_cast<std::uint32_t>(workers_.size()));
  if (fresh) workers_.push_back(worker);
  return it->second;
}

void RunStory::Assign(std::uint32_t index, std::uint32_t worker, Duration assigned) {
  Task* task = OpenAt(index);
  if (task == nullptr) return;
  task->worker = worker;
  task->assigned = assigned;
  task->started = Duration(-1);
  ++task->tries;
}

void RunStory::Take(const TaskAssigned& record) {
  Assign(record.task.index, WorkerIndex(record.worker), Offset(record.assigned_unix_ms));
}

void RunStory::Take(const TasksAssigned& record) {
  const std::uint32_t worker = WorkerIndex(record.worker);
  const Duration assigned = Offset(record.assigned_unix_ms);
  for (const std::uint32_t task : record.tasks) Assign(task, worker, assigned);
}

void RunStory::Take(AttemptEnded record) {
  Task* task = OpenAt(record.task.index);
  if (task == nullptr) return;
  task->started = Offset(record.started_unix_ms);
  if (record.outcome == Outcome::kNone) {  // given back untried
    if (task->tries > 0) --task->tries;
  } else {
    task->ended = Offset(record.ended_unix_ms);
    if (!run_.without_tasks) Keep(record.task.index, LatestOf(*task, record.outcome, std::move(record.message)));
  }
  task->worker = 0;  // it is with nobody
}

void RunStory::Keep(std::uint32_t index, PastAttempt attempt) {
  Rest& rest = rests_[index];
  if (rest.attempts.size() >= kMaxAttemptsKept) {
    rest.attempts.erase(rest.attempts.begin());
    ++rest.left_out;
  }
  rest.attempts.push_back(std::move(attempt));
}

void RunStory::Take(TaskEnded record) {
  Task* task = OpenAt(record.task.index);
  if (task == nullptr || record.outcome == Outcome::kNone) return;
  const Policy& policy = job_->PolicyOf(record.task.index);
  task->outcome = record.outcome;
  task->by_attempt = record.attempt.valid();
  task->started = Offset(record.started_unix_ms);
  task->ended = Offset(record.ended_unix_ms);
  task->execution = record.execution;
  task->ignored = IsFailure(record.outcome) && policy.ignore_failure;
  const bool always_run = policy.always_run;
  if (IsFailure(record.outcome) && !task->ignored) {
    if (!cancelled_first_ && (!failed_ || (root_is_teardown_ && !always_run))) {
      run_.view.root_cause = absl::StrFormat("%s: %s", job_->tasks.NameOf(record.task.index), record.failure.message);
      root_is_teardown_ = always_run;
    }
    failed_ = true;
  }
  Count(*task);
  if (run_.without_tasks) return;
  if (!(record.result == Payload{})) results_[record.task.index] = std::move(record.result);
  if (!IsFailure(record.outcome) && record.reason.empty()) return;
  Rest& rest = rests_[record.task.index];
  rest.failure = std::move(record.failure);
  rest.reason = std::move(record.reason);
}

void RunStory::Take(const TasksSucceeded& record) {
  const Duration ended = Offset(record.ended_unix_ms);
  for (std::size_t i = 0; i < record.rows.size(); ++i) {
    const TasksSucceeded::Row& row = record.rows[i];
    Task* task = OpenAt(row.task);
    if (task == nullptr) continue;
    task->outcome = Outcome::kSucceeded;
    task->by_attempt = row.attempt.valid();
    task->started = Offset(row.started_unix_ms);
    task->ended = ended;
    task->execution = row.execution;
    ++run_.view.succeeded;
    if (!run_.without_tasks && !(record.ResultOf(i) == Payload{})) results_[row.task] = record.ResultOf(i);
  }
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
    for (const Task& task : tasks_) last = std::max<Duration>(last, task.ended);
    run_.ended_unix_ms =
        run_.view.submitted_unix_ms + std::chrono::duration_cast<std::chrono::milliseconds>(last).count();
  }
  run_.view.elapsed = std::max(Offset(run_.ended_unix_ms), Duration::zero());
  if (run_.without_tasks) tasks_ = {};
}

// When the last of what it needs had ended. What never ran has waited to its end, unless all it needs was good.
Duration RunStory::ReadyOf(std::uint32_t index) const {
  const Task& task = tasks_[index];
  bool good = true;
  Duration ready{};
  for (const Dependency need : job_->tasks.NeedsOf(index)) {
    if (need.task >= tasks_.size()) continue;
    const Task& other = tasks_[need.task];
    good = good && IsGood(other.outcome);
    ready = std::max<Duration>(ready, other.ended);
  }
  return good || task.tries > 0 || task.outcome == Outcome::kCached ? ready : Duration(-1);
}

PastLinks RunStory::LinksAt(std::uint32_t index) const {
  PastLinks links{.needs = {}, .cacheable = job_->use_cache && job_->PolicyOf(index).cached};
  std::vector<Dependency>& needs = links.needs;
  for (const Dependency need : job_->tasks.NeedsOf(index)) {
    if (need.task < tasks_.size()) needs.push_back(need);
  }
  if (needs.size() <= kMaxNeedsKept) return links;
  // Those that ended last are the ones that it has waited for.
  std::stable_sort(needs.begin(), needs.end(), [this](const Dependency& a, const Dependency& b) {
    return Duration(tasks_[a.task].ended) > Duration(tasks_[b.task].ended);
  });
  links.needs_left_out = static_cast<std::uint32_t>(needs.size() - kMaxNeedsKept);
  needs.resize(kMaxNeedsKept);
  std::sort(needs.begin(), needs.end(), [](const Dependency& a, const Dependency& b) { return a.task < b.task; });
  return links;
}

JobSpec RunStory::Tables() const {
  return {.name = job_->name,
          .fail_mode = job_->fail_mode,
          .use_cache = job_->use_cache,
          .modules = job_->modules,
          .requirements = job_->requirements,
          .policies = job_->policies,
          .tasks = {}};
}

SubmittedTask RunStory::SubmittedAt(std::uint32_t index) const {
  const PackedTasks::Shape& shape = job_->tasks.ShapeOf(index);
  const Bytes inputs = job_->tasks.SharedInputsOf(index);
  SubmittedTask submitted{.spec = {.name = {},
                                   .module = shape.module,
                                   .requirements = shape.requirements,
                                   .policy = shape.policy,
                                   .inputs = inputs,
                                   .env = job_->tasks.EnvOf(index),
                                   .needs = {}}};
  if (inputs.size() <= kMaxInputsKept) return submitted;
  submitted.inputs_left_out = inputs.size();
  submitted.spec.inputs = {};
  return submitted;
}

PastTask RunStory::TaskAt(std::uint32_t index) const {
  const Task& task = tasks_[index];
  PastTask past;
  TaskView& view = past.view;
  view.index = index;
  view.name = job_->tasks.NameOf(index);
  view.module = job_->ModuleOf(index).name;
  view.state = TaskState::kEnded;
  view.outcome = task.outcome;
  view.ignored = task.ignored;
  view.try_number = task.tries;
  view.worker = workers_[task.worker];
  view.ready = ReadyOf(index);
  view.started = task.started;
  view.ended = task.ended;
  view.execution = task.execution;
  if (const auto it = results_.find(index); it != results_.end()) past.result = it->second;
  if (const auto it = rests_.find(index); it != rests_.end()) {
    view.reason = it->second.reason;
    view.failure = it->second.failure;
    past.attempts = it->second.attempts;
    past.attempts_left_out = it->second.left_out;
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
