// SPDX-License-Identifier: Apache-2.0
#include "millrace/agent/lanes.h"

#include <algorithm>
#include <utility>

#include "millrace/agent/timing.h"
#include "millrace/base/status.h"

namespace millrace::agent {

// An attempt that had to wait for a processor seems to be slow, and is no reason to take the next ones for slow: it
// counts for so much at most. One that stalls the lane ends the lining up, and some twenty quick ones begin it again.
void Lanes::Measure(std::uint32_t slot, Duration execution) {
  constexpr double kWeight = 0.2;
  constexpr double kOutlier = 5;  // times the mean
  double& mean = lanes_[slot].service_ns;
  double sample = std::max(static_cast<double>(execution.count()), 1.0);
  if (mean > 0 && execution < kLaneStall) sample = std::min(sample, kOutlier * mean);
  mean = mean == 0 ? sample : mean + kWeight * (sample - mean);
}

bool Lanes::HasRoom(std::uint32_t slot) const {
  const Lane& lane = lanes_[slot];
  return lane.service_ns > 0 && lane.service_ns <= static_cast<double>(kLaneService.count()) &&
         lane.line.size() < kLaneLength &&
         static_cast<double>(lane.line.size() + 1) * lane.service_ns <= static_cast<double>(kLaneWork.count());
}

void Lanes::Push(std::uint32_t slot, QueuedPtr queued, std::uint64_t arrival) {
  slot_of_.emplace(queued->assignment.attempt, slot);
  lanes_[slot].line.push_back({.queued = std::move(queued), .arrival = arrival, .wish = Wish::kNone});
  ++lanes_[slot].waiting;
}

std::optional<Lined> Lanes::PopFront(std::uint32_t slot) {
  Lane& lane = lanes_[slot];
  if (lane.line.empty()) return std::nullopt;
  Lined front = std::move(lane.line.front());
  lane.line.pop_front();
  if (front.wish == Wish::kNone) --lane.waiting;
  slot_of_.erase(front.queued->assignment.attempt);
  return front;
}

Lined* Lanes::Find(AttemptId attempt) {
  const auto found = slot_of_.find(attempt);
  if (found == slot_of_.end()) return nullptr;
  std::deque<Lined>& line = lanes_[found->second].line;
  const auto at = std::find_if(line.begin(), line.end(),
                               [attempt](const Lined& lined) { return lined.queued->assignment.attempt == attempt; });
  return &*at;
}

std::vector<AttemptId> Lanes::Attempts(std::uint32_t slot) const {
  std::vector<AttemptId> attempts;
  for (const Lined& lined : lanes_[slot].line) attempts.push_back(lined.queued->assignment.attempt);
  return attempts;
}

std::vector<AttemptId> Lanes::Attempts() const {
  std::vector<AttemptId> attempts;
  if (slot_of_.empty()) return attempts;
  for (const Lane& lane : lanes_) {
    for (const Lined& lined : lane.line) attempts.push_back(lined.queued->assignment.attempt);
  }
  return attempts;
}

Lined Lanes::Take(AttemptId attempt) {
  Lane& lane = lanes_[slot_of_.extract(attempt).mapped()];
  const auto at = std::find_if(lane.line.begin(), lane.line.end(),
                               [attempt](const Lined& lined) { return lined.queued->assignment.attempt == attempt; });
  Lined taken = std::move(*at);
  lane.line.erase(at);
  if (taken.wish == Wish::kNone) --lane.waiting;
  return taken;
}

absl::Status Lanes::CheckInvariants() const {
  std::size_t lined = 0;
  for (std::uint32_t slot = 0; slot < lanes_.size(); ++slot) {
    std::uint32_t waiting = 0;
    for (const Lined& one : lanes_[slot].line) {
      ++lined;
      waiting += one.wish == Wish::kNone;
      const auto found = slot_of_.find(one.queued->assignment.attempt);
      if (found == slot_of_.end() || found->second != slot) {
        return Internal("attempt %d stands in lane %d and is not found there", one.queued->assignment.attempt.value,
                        slot);
      }
    }
    if (waiting != lanes_[slot].waiting) {
      return Internal("%d attempts wait in lane %d; counted %d", waiting, slot, lanes_[slot].waiting);
    }
  }
  if (lined != slot_of_.size()) return Internal("%d attempts in lanes, %d known", lined, slot_of_.size());
  return absl::OkStatus();
}

}  // namespace millrace::agent
