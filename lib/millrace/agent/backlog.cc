// SPDX-License-Identifier: Apache-2.0
#include "millrace/agent/backlog.h"

#include <algorithm>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::agent {

void Backlog::Push(QueuedPtr queued) {
  const bool takes_cpus = queued->assignment.cpus > 0;
  const std::uint64_t arrival = ++arrivals_;
  places_[queued->assignment.attempt] = {.takes_cpus = takes_cpus, .arrival = arrival};
  LineOf(takes_cpus).push_back({.arrival = arrival, .queued = std::move(queued)});
}

void Backlog::Restore(QueuedPtr queued, std::uint64_t arrival) {
  const bool takes_cpus = queued->assignment.cpus > 0;
  places_[queued->assignment.attempt] = {.takes_cpus = takes_cpus, .arrival = arrival};
  Line& line = LineOf(takes_cpus);
  line.insert(From(line, arrival), {.arrival = arrival, .queued = std::move(queued)});
}

QueuedPtr Backlog::Take(AttemptId attempt) {
  const auto found = places_.find(attempt);
  if (found == places_.end()) return nullptr;
  Line& line = LineOf(found->second.takes_cpus);
  QueuedPtr taken = std::move(From(line, found->second.arrival)->queued);
  places_.erase(found);
  Trim(line);
  return taken;
}

const Queued* Backlog::Front(bool takes_cpus) const {
  const Line& line = takes_cpus ? wide_ : weightless_;
  return line.empty() ? nullptr : line.front().queued.get();
}

QueuedPtr Backlog::PopFront(bool takes_cpus, std::uint64_t* arrival) {
  Line& line = LineOf(takes_cpus);
  Waiting front = std::move(line.front());
  line.pop_front();
  if (arrival != nullptr) *arrival = front.arrival;
  places_.erase(front.queued->assignment.attempt);
  Trim(line);
  return std::move(front.queued);
}

// The first one that did not come before.
Backlog::Line::iterator Backlog::From(Line& line, std::uint64_t arrival) {
  return std::lower_bound(line.begin(), line.end(), arrival,
                          [](const Waiting& waiting, std::uint64_t value) { return waiting.arrival < value; });
}

void Backlog::Trim(Line& line) {
  while (!line.empty() && line.front().queued == nullptr) line.pop_front();
}

std::vector<AttemptId> Backlog::Attempts() const {
  std::vector<std::pair<std::uint64_t, AttemptId>> order;
  order.reserve(size());
  for (const Line* line : {&wide_, &weightless_}) {
    for (const Waiting& waiting : *line) {
      if (waiting.queued != nullptr) order.emplace_back(waiting.arrival, waiting.queued->assignment.attempt);
    }
  }
  std::sort(order.begin(), order.end());
  std::vector<AttemptId> attempts;
  attempts.reserve(order.size());
  for (const auto& [arrival, attempt] : order) attempts.push_back(attempt);
  return attempts;
}

void Backlog::AppendHeld(std::vector<Held>& held) const {
  std::vector<std::pair<std::uint64_t, const Queued*>> order;
  for (const Line* line : {&wide_, &weightless_}) {
    for (const Waiting& waiting : *line) {
      if (waiting.queued != nullptr) order.emplace_back(waiting.arrival, waiting.queued.get());
    }
  }
  std::sort(order.begin(), order.end());
  for (const auto& [arrival, queued] : order) held.push_back(queued->AsHeld(HeldState::kQueued));
}

absl::Status Backlog::CheckInvariants() const {
  std::size_t waiting = 0;
  for (const Line* line : {&wide_, &weightless_}) {
    std::uint64_t last = 0;
    if (!line->empty() && line->front().queued == nullptr) return Internal("the backlog begins with a gap");
    for (const auto& [arrival, queued] : *line) {
      if (arrival <= last) return Internal("arrival %d stands behind %d in the backlog", arrival, last);
      last = arrival;
      if (queued == nullptr) continue;
      ++waiting;
      const auto found = places_.find(queued->assignment.attempt);
      if (found == places_.end() || found->second.arrival != arrival ||
          found->second.takes_cpus != (queued->assignment.cpus > 0) || (line == &wide_) != found->second.takes_cpus) {
        return Internal("queued attempt %d is not where the backlog looks for it", queued->assignment.attempt.value);
      }
    }
  }
  if (waiting != places_.size()) return Internal("backlog has %d attempts in %d places", waiting, places_.size());
  return absl::OkStatus();
}

}  // namespace millrace::agent
