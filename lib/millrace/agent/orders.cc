// SPDX-License-Identifier: Apache-2.0
// What the broker wants: orders are taken in their order, each once, and only from the session that is ours.
#include <algorithm>
#include <utility>

#include "millrace/agent/artifacts.h"
#include "millrace/agent/state.h"

namespace millrace::agent {

bool Agent::State::TakeOrder(SessionId session, std::uint64_t number) {
  if (session != link.session) return false;
  if (number == link.orders_through + 1) {
    ++link.orders_through;
    speech.notice_at = kNever;  // what comes next tells whether anything is still missing
    return true;
  }
  // Something is missing: say so. One that came again is not worth a word, the next heartbeat covers it; answering it
  // could make the broker send again what is still on its way.
  if (number > link.orders_through) WantNotice();
  return false;
}

void Agent::State::OnAssign(Assign assign) {
  for (Datum& datum : assign.data) {
    const TaskRef task = datum.task;
    data[task] = std::make_shared<const Datum>(std::move(datum));
  }
  std::vector<Assignment> tasks = std::move(assign.tasks);
  for (Assignment& task : tasks) Accept(assign, std::move(task));
}

void Agent::State::Accept(const Assign& assign, Assignment&& task) {
  const AttemptId attempt = task.attempt;
  if (!attempt.valid()) return Tell(Severity::kError, "the broker assigned '" + task.name + "' without an attempt");
  if (backlog.Holds(attempt) || ahead.Holds(attempt) || outbox.Holds(attempt) || left.contains(attempt)) return;
  if (lanes.Holds(attempt) && lanes.Find(attempt)->wish != Wish::kDisown) return;
  const auto slot = slots.Find(attempt);
  const bool namesake = slot && slots[*slot].cause == StopCause::kUnwanted;  // another broker's, which has yet to end
  if (slot && !namesake) return;
  ++counts.taken;
  if (drain.on || namesake) return ReportUnstarted(attempt, ReportKind::kReturned, Outcome::kNone, "");
  if (task.module >= assign.modules.size() || task.policy >= assign.policies.size()) {
    return ReportUnstarted(attempt, ReportKind::kFinished, Outcome::kFailed,
                           absl::StrFormat("the assignment names module %d of %d and policy %d of %d", task.module,
                                           assign.modules.size(), task.policy, assign.policies.size()));
  }
  const Policy& policy = assign.policies[task.policy];
  auto queued = std::make_unique<Queued>();
  queued->module = assign.modules[task.module].name;
  queued->timeout = policy.timeout;
  queued->in_process = config.threads_only || (policy.isolation == Isolation::kInProcess && !config.hosts_only);
  queued->memory_limit = policy.memory_limit;
  queued->secrets = policy.secrets;
  const auto is_ahead = [](const Need& need) { return need.ahead.valid(); };
  std::optional<std::uint32_t> missing;
  if (!Provide(*queued, task, missing)) {
    if (!missing) return ReportUnstarted(attempt, ReportKind::kReturned, Outcome::kNone, "");
    return ReportUnstarted(
        attempt, ReportKind::kFinished, Outcome::kFailed,
        absl::StrFormat("the result of task %d, which it depends on, did not come to this worker", *missing), true);
  }
  queued->produces = policy.produces;
  if (!policy.consumes.empty()) queued->consumed = ConsumedOf(policy.consumes, queued->needs);
  queued->came_ahead = std::any_of(task.needs.begin(), task.needs.end(), is_ahead);
  task.needs.clear();
  queued->assignment = std::move(task);
  const bool waits =
      std::any_of(queued->needs.begin(), queued->needs.end(), [](const Needed& need) { return need.ahead.valid(); });
  waits ? ahead.Push(std::move(queued)) : backlog.Push(std::move(queued));
}

void Agent::State::OnCancel(const Cancel& cancel) {
  for (const AttemptId attempt : cancel.attempts) {
    if (backlog.Take(attempt) != nullptr || ahead.Take(attempt) != nullptr) {
      ReportUnstarted(attempt, ReportKind::kFinished, Outcome::kCancelled, "cancelled before it started");
    } else if (lanes.Holds(attempt)) {
      Withdraw_(attempt, Wish::kCancel);
    } else if (const auto slot = slots.Find(attempt)) {
      Stop(*slot, StopCause::kCancel);
    }
  }
}

void Agent::State::OnTakeBack(const TakeBack& take_back) {
  for (const AttemptId attempt : take_back.attempts) {
    if (backlog.Take(attempt) != nullptr) ReportUnstarted(attempt, ReportKind::kReturned, Outcome::kNone, "");
    if (lanes.Holds(attempt)) Withdraw_(attempt, Wish::kReturn);
  }
}

// The broker says that this attempt is not ours: its end interests nobody.
void Agent::State::Disown(AttemptId attempt) {
  if (backlog.Take(attempt) != nullptr || ahead.Take(attempt) != nullptr) {
    ++counts.given_up;
    Settle(attempt, nullptr);
  } else if (lanes.Holds(attempt)) {
    Withdraw_(attempt, Wish::kDisown);
  } else if (const auto slot = slots.Find(attempt)) {
    Stop(*slot, StopCause::kUnwanted);
  }
  outbox.Hollow(attempt);
}

void Agent::State::ReportUnstarted(AttemptId attempt, ReportKind kind, Outcome outcome, std::string message,
                                   bool transient) {
  AttemptReport report;
  report.attempt = attempt;
  report.kind = kind;
  report.outcome = outcome;
  report.failure.message = std::move(message);
  report.failure.transient = transient;
  Make(std::move(report));
}

}  // namespace millrace::agent
