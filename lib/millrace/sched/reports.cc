// SPDX-License-Identifier: Apache-2.0
// What workers report: each report is taken once, in its order, and only from the session that owns the attempt.
#include <algorithm>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/sched/bounds.h"
#include "millrace/sched/core.h"
#include "millrace/sched/retry.h"

namespace millrace::sched {
namespace {

// Before an attempt that its worker gave back unasked is handed out again: two that disagree must not play ping-pong.
constexpr Duration kReturnPause = std::chrono::milliseconds(500);

}  // namespace

void Core::OnReport(PeerId peer, const Report& report) {
  Session* session = Authentic(peer, report.session);
  if (session == nullptr) return;
  HeardOf(*session, false);
  Acknowledge(*session, report.orders_through);
  if (report.reports.empty() && report.started.empty() && report.orders_through < session->orders_sent) {
    Resend(*session);
  }
  for (const AttemptId id : report.started) {
    const std::uint32_t index = attempts_.Find(id);
    if (index == kNone || attempts_[index].session != session->index) continue;
    const TaskKey key = attempts_[index].task;
    Run& run = *RunAt(key.run);
    if (run.tasks.phase[key.task] != Phase::kAssigned) continue;
    run.tasks.started[key.task] = std::max(now_ - run.submitted, Duration::zero());
    SetPhase(run, key.task, Phase::kRunning);
  }
  if (report.reports.empty()) return;
  Recorded recorded{.session = session->id, .through = 0, .dropped = {}};
  std::uint64_t number = report.first_number;
  for (const AttemptReport& attempt : report.reports) {
    if (number > session->reports_through + 1 || number == 0) break;
    if (number++ <= session->reports_through) {
      ++outcomes_dropped_;
      continue;
    }
    ++session->reports_through;
    if (TakeReport(*session, attempt)) continue;
    ++outcomes_dropped_;
    recorded.dropped.push_back(attempt.attempt);
  }
  CommitSuccesses();
  recorded.through = session->reports_through;
  session->recorded_after = std::max(session->recorded_after, position_);
  // Behind what comes of the report: there others wait for it.
  session->recorded = std::move(recorded);
  NoteOrders(*session);
}

// False: not, or no longer, the sender's.
bool Core::TakeReport(Session& session, const AttemptReport& report) {
  std::uint32_t index = attempts_.Find(report.attempt);
  if (index == kNone && !session.ahead.empty()) index = FulfilReported(session, report);
  if (index == kNone || attempts_[index].session != session.index || attempts_[index].succeeded) return false;
  const TaskKey key = attempts_[index].task;
  Run& run = *RunAt(key.run);
  if (report.kind != ReportKind::kFinished || report.outcome != Outcome::kSucceeded) CommitSuccesses();
  if (report.kind == ReportKind::kReturned) {
    const bool asked = attempts_[index].taking_back || session.draining;
    // Perhaps for want of a result that was to come there and did not: whoever needs it next is sent it.
    if (!asked) {
      for (const Dependency need : run.NeedsOf(key.task)) DropPromise(session, {.run = key.run, .task = need.task});
    }
    GiveBack(run, key.task, Outcome::kNone, !asked);
    return true;
  }
  ++session.completed;
  std::optional<Duration> round_trip;
  if (attempts_[index].direct) round_trip = now_ - attempts_[index].assigned - report.execution;
  if (report.outcome == Outcome::kSucceeded || report.outcome == Outcome::kFailed) {
    session.speed.Add(std::max(report.execution, Duration::zero()), round_trip);
  }
  TakeFinished(session, run, key.task, report);
  return true;
}

void Core::TakeFinished(Session& session, Run& run, std::uint32_t task, const AttemptReport& report) {
  const Attempt& attempt = attempts_[run.tasks.attempt[task]];
  ++tasks_completed_;
  if (run.tasks.phase[task] == Phase::kAssigned) {
    // The hint that it runs was not worth a message, or was lost.
    const Duration since = now_ - run.submitted - std::max(report.execution, Duration::zero());
    const Duration assigned = std::min(attempt.assigned, now_) - run.submitted;
    run.tasks.started[task] = std::max({since, assigned, Duration::zero()});
  }
  switch (report.outcome) {
    case Outcome::kSucceeded:
      if (!report.artifacts && !run.PolicyOf(task).produces.empty()) break;
      if (report.result.size <= config_.max_payload && report.result.bytes.size() <= config_.max_payload) {
        return TakeSuccess(run, task, report);
      }
      break;
    case Outcome::kSkipped:
      Commit(TaskEnded{.task = {run.id, task},
                       .attempt = report.attempt,
                       .outcome = Outcome::kSkipped,
                       .result = {},
                       .failure = {},
                       .reason = report.failure.message,
                       .execution = report.execution});
      return;
    case Outcome::kCancelled:
      if (attempt.cancel_asked) {
        Commit(TaskEnded{.task = {run.id, task},
                         .attempt = report.attempt,
                         .outcome = Outcome::kCancelled,
                         .result = {},
                         .failure = {},
                         .reason = StopReason(run),
                         .execution = report.execution});
        return;
      }
      return GiveBack(run, task, Outcome::kCancelled, true);
    case Outcome::kLost: return GiveBack(run, task, Outcome::kLost, true);
    default: break;
  }
  TakeFailure(session, run, task, report);
}

// Nearly every report tells of nothing but successes: those of one run become one record. What has no room in a row is
// one of its own.
void Core::TakeSuccess(Run& run, std::uint32_t task, const AttemptReport& report) {
  const bool makes = report.artifacts.has_value() && !run.PolicyOf(task).produces.empty();
  const bool plain = !makes && !report.result.digest && report.result.bytes.size() <= report.result.size;
  if (!plain || successes_.run != run.id) CommitSuccesses();
  if (plain) {
    successes_.run = run.id;
    if (report.result.size > 0) {
      successes_.results.resize(successes_.rows.size());
      successes_.results.push_back(report.result);
    }
    successes_.rows.push_back({.task = task,
                               .attempt = report.attempt,
                               .execution = report.execution,
                               .started_unix_ms = StartOf({run.id, task})});
    attempts_[run.tasks.attempt[task]].succeeded = true;
  } else {
    Commit(TaskEnded{.task = {run.id, task},
                     .attempt = report.attempt,
                     .outcome = Outcome::kSucceeded,
                     .result = report.result,
                     .failure = {},
                     .reason = {},
                     .execution = report.execution,
                     .artifacts = makes ? report.artifacts : std::nullopt});
  }
  const auto it = run.cache_key.find(task);
  if (it == run.cache_key.end()) return;
  CommitSuccesses();
  actions_->push_back({.after = position_,
                       .body = Remember{.key = it->second,
                                        .task = std::string(run.NameOf(task)),
                                        .result = report.result,
                                        .artifacts = makes ? report.artifacts : std::nullopt}});
  run.cache_key.erase(it);
}

void Core::CommitSuccesses() {
  if (successes_.rows.empty()) return;
  Commit(std::exchange(successes_, {}));
}

void Core::TakeFailure(Session& session, Run& run, std::uint32_t task, const AttemptReport& report) {
  CommitSuccesses();  // also before a success that is none: records keep the order of their reports
  Outcome outcome = report.outcome;
  Failure failure = report.failure;
  Bound(failure);
  if (outcome == Outcome::kSucceeded && !report.artifacts && !run.PolicyOf(task).produces.empty()) {
    failure.message = absl::StrFormat(
        "worker %s handed over none of the artifacts that the task produces: it is of an older Millrace", session.name);
    failure.transient = false;
    outcome = Outcome::kFailed;
  } else if (outcome == Outcome::kSucceeded) {
    failure.message =
        absl::StrFormat("the result has %d bytes; max_payload_size is %d",
                        std::max<std::uint64_t>(report.result.size, report.result.bytes.size()), config_.max_payload);
    failure.transient = false;
    outcome = Outcome::kFailed;
  } else if (outcome != Outcome::kFailed && outcome != Outcome::kTimedOut) {
    ++protocol_errors_;
    failure.message = absl::StrFormat("worker %s reported outcome number %d, which is not for a worker to give",
                                      session.name, static_cast<int>(outcome));
    outcome = Outcome::kFailed;
  }
  failure.worker = session.name;
  failure.host = session.host;
  failure.try_number = run.tasks.tries[task];
  const Policy& policy = run.PolicyOf(task);
  const bool stopping = (run.Stopping() && !policy.always_run) || attempts_[run.tasks.attempt[task]].cancel_asked;
  const bool transient = failure.transient || outcome == Outcome::kTimedOut;
  const std::uint32_t charged = run.tasks.charged[task];
  if (!stopping && charged < RetriesAllowed(policy, transient, config_.max_retry_attempts)) {
    const Duration pause = BackoffBefore(policy, charged, random_);
    run.wake[task] = now_ + pause;
    Story& story = run.stories[task];
    story.reason = absl::StrFormat("try %d on %s failed: %s; next try after %s", failure.try_number, session.name,
                                   failure.message, FormatDuration(pause));
    story.failure = std::move(failure);
    Commit(AttemptEnded{.task = {run.id, task},
                        .attempt = report.attempt,
                        .outcome = outcome,
                        .charged = true,
                        .suspect = false,
                        .crashed = false,
                        .message = story.failure.message});
    return;
  }
  std::string reason;
  if (!policy.idempotent && !stopping) reason = "not tried again: the module is not idempotent";
  Commit(TaskEnded{.task = {run.id, task},
                   .attempt = report.attempt,
                   .outcome = outcome,
                   .result = {},
                   .failure = std::move(failure),
                   .reason = std::move(reason),
                   .execution = report.execution});
}

// Back to the queue, no retry consumed: it was not the task's fault. kNone tells that it never started.
void Core::GiveBack(Run& run, std::uint32_t task, Outcome outcome, bool pause) {
  const Attempt& attempt = attempts_[run.tasks.attempt[task]];
  const Policy& policy = run.PolicyOf(task);
  if (attempt.cancel_asked || (run.Stopping() && !policy.always_run)) return EndCancelled(run, task);
  if (!policy.idempotent && outcome != Outcome::kNone) {
    Failure failure;
    failure.worker = names_[attempt.worker].name;
    failure.host = names_[attempt.worker].host;
    failure.try_number = run.tasks.tries[task];
    failure.message = absl::StrFormat("worker %s gave it up after it may have started", failure.worker);
    return EndTask(run, task, Outcome::kLost, std::move(failure), "not tried again: the module is not idempotent");
  }
  if (pause) run.wake[task] = now_ + kReturnPause;
  Commit(AttemptEnded{.task = {run.id, task},
                      .attempt = attempt.id,
                      .outcome = outcome,
                      .charged = false,
                      .suspect = false,
                      .crashed = false});
}

}  // namespace millrace::sched
