// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "millrace/agent/ahead.h"
#include "millrace/base/status.h"

namespace millrace::agent {

void AheadTable::Push(QueuedPtr queued) {
  const AttemptId attempt = queued->assignment.attempt;
  for (const Needed& need : queued->needs) {
    if (!need.ahead.valid()) continue;
    std::vector<AttemptId>& dependants = expected_.at(need.ahead).dependants;
    if (dependants.empty() || dependants.back() != attempt) dependants.push_back(attempt);
  }
  waiting_[attempt] = std::move(queued);
}

QueuedPtr AheadTable::Take(AttemptId attempt) {
  auto taken = waiting_.extract(attempt);
  if (taken.empty()) return nullptr;
  for (const Needed& need : taken.mapped()->needs) {
    const auto found = need.ahead.valid() ? expected_.find(need.ahead) : expected_.end();
    if (found != expected_.end()) std::erase(found->second.dependants, attempt);
  }
  return std::move(taken.mapped());
}

void AheadTable::Expect(AttemptId attempt, const std::shared_ptr<const Datum>& promise) {
  expected_.try_emplace(attempt, Expectation{promise, {}});
}

AheadTable::Settled AheadTable::Settle(AttemptId attempt) {
  auto settled = expected_.extract(attempt);
  if (settled.empty()) return {};
  return {std::move(settled.mapped().promise), std::move(settled.mapped().dependants)};
}

std::vector<QueuedPtr> AheadTable::Fill(const std::vector<AttemptId>& dependants, AttemptId attempt,
                                        const std::shared_ptr<const Datum>& datum) {
  std::vector<QueuedPtr> complete;
  for (const AttemptId dependant : dependants) {
    const auto found = waiting_.find(dependant);
    bool missing = false;
    for (Needed& need : found->second->needs) {
      if (need.ahead == attempt) {
        need.datum = datum;
        need.ahead = {};
      }
      missing |= need.ahead.valid();
    }
    if (missing) continue;
    complete.push_back(std::move(found->second));
    waiting_.erase(found);
  }
  return complete;
}

std::vector<AttemptId> AheadTable::Attempts() const {
  std::vector<AttemptId> attempts;
  for (const auto& [attempt, queued] : waiting_) attempts.push_back(attempt);
  std::sort(attempts.begin(), attempts.end());
  return attempts;
}

std::vector<AttemptId> AheadTable::Expected() const {
  std::vector<AttemptId> attempts;
  for (const auto& [attempt, expectation] : expected_) attempts.push_back(attempt);
  std::sort(attempts.begin(), attempts.end());
  return attempts;
}

std::vector<TaskRef> AheadTable::Clear() {
  std::vector<TaskRef> tasks;
  for (const AttemptId attempt : Expected()) tasks.push_back(expected_.at(attempt).promise->task);
  expected_.clear();
  return tasks;
}

absl::Status AheadTable::CheckInvariants() const {
  for (const auto& [attempt, queued] : waiting_) {
    bool missing = false;
    for (const Needed& need : queued->needs) {
      if (!need.ahead.valid()) continue;
      missing = true;
      const auto found = expected_.find(need.ahead);
      if (found == expected_.end() ||
          std::count(found->second.dependants.begin(), found->second.dependants.end(), attempt) != 1) {
        return Internal("attempt %d waits for attempt %d, which does not know", attempt.value, need.ahead.value);
      }
    }
    if (!missing) return Internal("attempt %d waits for nothing", attempt.value);
  }
  for (const auto& [attempt, expectation] : expected_) {
    for (const AttemptId dependant : expectation.dependants) {
      if (!waiting_.contains(dependant)) {
        return Internal("attempt %d is awaited by %d, which is not here", attempt.value, dependant.value);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace millrace::agent
