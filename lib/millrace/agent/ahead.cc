// SPDX-License-Identifier: Apache-2.0
// What was assigned ahead: it goes on by itself when what it needs has succeeded here, and back when that has not. Each
// such attempt ends in a report, like any other; the broker drops those that it has not come to count.
#include <utility>

#include "millrace/agent/state.h"

namespace millrace::agent {

// Finds what an assignment needs. False: it cannot run here; since something never came (`missing`), or since what was
// to come does not.
bool Agent::State::Provide(Queued& queued, const Assignment& task, std::optional<std::uint32_t>& missing) {
  for (const Need& need : task.needs) {
    const auto found = data.find(TaskRef{.run = task.task.run, .index = need.task});
    if (found == data.end()) {
      if (!need.ahead.valid()) missing = need.task;
      return false;
    }
    std::shared_ptr<const Datum> datum = found->second;
    const bool to_come = datum->outcome == Outcome::kNone;
    if (to_come && !need.ahead.valid()) return false;
    if (to_come) {
      // Its report may have been made, but not recorded: the broker knew nothing of it when it said this.
      if (const AttemptReport* report = outbox.Find(need.ahead)) {
        if (report->outcome != Outcome::kSucceeded) return false;
        datum = Complete(*datum, *report);
      } else if (Has(need.ahead)) {
        ahead.Expect(need.ahead, datum);
      } else {
        return false;
      }
    }
    const bool waits = datum->outcome == Outcome::kNone;
    queued.needs.push_back(
        {.datum = std::move(datum), .parameter = need.parameter, .ahead = waits ? need.ahead : AttemptId{}});
  }
  return true;
}

// Whether the attempt is to end here, for all we know.
bool Agent::State::Has(AttemptId attempt) const {
  if (backlog.Holds(attempt) || lanes.Holds(attempt) || ahead.Holds(attempt)) return true;
  const auto slot = slots.Find(attempt);
  return slot.has_value() && slots[*slot].cause == StopCause::kNone;
}

std::shared_ptr<const Datum> Agent::State::Complete(const Datum& promise, const AttemptReport& report) {
  auto datum = std::make_shared<Datum>(promise);
  datum->outcome = report.outcome;
  datum->result = report.result;
  datum->artifacts = report.artifacts;
  std::shared_ptr<const Datum> complete = std::move(datum);
  if (const auto found = data.find(promise.task); found != data.end()) found->second = complete;
  return complete;
}

// The attempt has ended; `report` is null when nobody is told of its end.
void Agent::State::Settle(AttemptId attempt, const AttemptReport* report) {
  const AheadTable::Settled settled = ahead.Settle(attempt);
  if (settled.promise == nullptr) return;
  if (report != nullptr && report->outcome == Outcome::kSucceeded) {
    for (QueuedPtr& queued : ahead.Fill(settled.dependants, attempt, Complete(*settled.promise, *report))) {
      backlog.Push(std::move(queued));
    }
    return;
  }
  if (const auto found = data.find(settled.promise->task); found != data.end() && found->second == settled.promise) {
    data.erase(found);
  }
  forsaken.insert(forsaken.end(), settled.dependants.begin(), settled.dependants.end());
}

// Gives back what waited for something that did not succeed, and what waited for that.
void Agent::State::ReturnForsaken() {
  for (std::size_t i = 0; i < forsaken.size(); ++i) {
    const AttemptId attempt = forsaken[i];
    if (ahead.Take(attempt) == nullptr) continue;
    if (closing.on) {
      ++counts.given_up;
      Settle(attempt, nullptr);
    } else {
      ReportUnstarted(attempt, ReportKind::kReturned, Outcome::kNone, "");
    }
  }
  forsaken.clear();
}

void Agent::State::ReturnAhead() {
  const std::vector<AttemptId> attempts = ahead.Attempts();
  forsaken.insert(forsaken.end(), attempts.begin(), attempts.end());
  ReturnForsaken();
  for (const TaskRef& task : ahead.Clear()) {
    if (const auto found = data.find(task); found != data.end() && found->second->outcome == Outcome::kNone) {
      data.erase(found);
    }
  }
}

}  // namespace millrace::agent
