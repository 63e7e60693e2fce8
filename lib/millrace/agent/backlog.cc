// SPDX-License-Identifier: Apache-2.0
#include "millrace/agent/backlog.h"

#include <algorithm>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::agent {

void Backlog::Push(Queued queued) {
  const bool takes_cpus = queued.assignment.cpus > 0;
  const std::uint64_t arrival = ++arrivals_;
  places_[queued.assignment.attempt] = {.takes_cpus = takes_cpus, .arrival = arrival};
  LineOf(takes_cpus).emplace_hint(LineOf(takes_cpus).end(), arrival, std::move(queued));
}

void Backlog::Restore(Queued queued, std::uint64_t arrival) {
  const bool takes_cpus = queued.assignment.cpus > 0;
  places_[queued.assignment.attempt] = {.takes_cpus = takes_cpus, .arrival = arrival};
  LineOf(takes_cpus).emplace(arrival, std::move(queued));
}

std::optional<Queued> Backlog::Take(AttemptId attempt) {
  const auto found = places_.find(attempt);
  if (found == places_.end()) return std::nullopt;
  Line& line = LineOf(found->second.takes_cpus);
  auto node = line.extract(found->second.arrival);
  places_.erase(found);
  return std::move(node.mapped());
}

const Queued* Backlog::Front(bool takes_cpus) const {
  const Line& line = takes_cpus ? wide_ : weightless_;
  return line.empty() ? nullptr : &line.begin()->second;
}

Queued Backlog::PopFront(bool takes_cpus, std::uint64_t* arrival) {
  Line& line = LineOf(takes_cpus);
  auto node = line.extract(line.begin());
  if (arrival != nullptr) *arrival = node.key();
  places_.erase(node.mapped().assignment.attempt);
  return std::move(node.mapped());
}

std::vector<AttemptId> Backlog::Attempts() const {
  std::vector<std::pair<std::uint64_t, AttemptId>> order;
  order.reserve(size());
  for (const auto& [arrival, queued] : wide_) order.emplace_back(arrival, queued.assignment.attempt);
  for (const auto& [arrival, queued] : weightless_) order.emplace_back(arrival, queued.assignment.attempt);
  std::sort(order.begin(), order.end());
  std::vector<AttemptId> attempts;
  attempts.reserve(order.size());
  for (const auto& [arrival, attempt] : order) attempts.push_back(attempt);
  return attempts;
}

void Backlog::AppendHeld(std::vector<Held>& held) const {
  for (const AttemptId attempt : Attempts()) held.push_back({.attempt = attempt, .state = HeldState::kQueued});
}

absl::Status Backlog::CheckInvariants() const {
  if (wide_.size() + weightless_.size() != places_.size()) {
    return Internal("backlog has %d+%d attempts in %d places", wide_.size(), weightless_.size(), places_.size());
  }
  for (const Line* line : {&wide_, &weightless_}) {
    for (const auto& [arrival, queued] : *line) {
      const auto found = places_.find(queued.assignment.attempt);
      if (found == places_.end() || found->second.arrival != arrival ||
          found->second.takes_cpus != (queued.assignment.cpus > 0) || (line == &wide_) != found->second.takes_cpus) {
        return Internal("queued attempt %d is not where the backlog looks for it", queued.assignment.attempt.value);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace millrace::agent
