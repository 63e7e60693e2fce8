// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/capability.h"

#include <algorithm>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::sched {
namespace {

constexpr std::size_t kWorthMoving = 4096;  // entries

// std's heaps have the greatest on top.
constexpr bool GoesAfter(const ReadyEntry& a, const ReadyEntry& b) { return GoesBefore(b, a); }

}  // namespace

void ReadyQueue::Push(const ReadyEntry& entry) {
  if (head_ == line_.size() || !GoesBefore(entry, line_.back())) return line_.push_back(entry);
  heap_.push_back(entry);
  std::push_heap(heap_.begin(), heap_.end(), GoesAfter);
}

void ReadyQueue::Pop() {
  if (TopIsInLine()) {
    ++head_;
    // What was popped makes room once it is the larger part, so that each entry is moved once at most.
    if (head_ == line_.size() || (head_ >= kWorthMoving && head_ > line_.size() / 2)) {
      line_.erase(line_.begin(), line_.begin() + static_cast<std::ptrdiff_t>(std::exchange(head_, 0)));
    }
    return;
  }
  std::pop_heap(heap_.begin(), heap_.end(), GoesAfter);
  heap_.pop_back();
}

void ReadyQueue::Clear() {
  line_.clear();
  heap_.clear();
  head_ = 0;
}

absl::Status ReadyQueue::CheckInvariants() const {
  for (std::size_t i = head_; i + 1 < line_.size(); ++i) {
    if (GoesBefore(line_[i + 1], line_[i])) return Internal("entry %d of a line of ready tasks is out of order", i + 1);
  }
  if (!std::is_heap(heap_.begin(), heap_.end(), GoesAfter)) return Internal("the heap of ready tasks is none");
  return absl::OkStatus();
}

void ReadyQueue::Restore() { std::make_heap(heap_.begin(), heap_.end(), GoesAfter); }

std::uint32_t CapabilityTable::Intern(const CapabilityKey& key, Instant now, bool* fresh) {
  const auto it = index_.find(key);
  *fresh = it == index_.end();
  if (!*fresh) {
    ++table_[it->second].users;
    return it->second;
  }
  std::uint32_t index = size();
  if (free_.empty()) {
    table_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Capability& capability = table_[index];
  capability = Capability{};
  capability.key = key;
  capability.need = NeedOf(key.requirements);
  capability.unservable_since = now;
  capability.users = 1;
  index_.emplace(key, index);
  return index;
}

void CapabilityTable::Release(std::uint32_t index) {
  Capability& capability = table_[index];
  if (--capability.users > 0) return;
  const std::uint32_t twin = capability.solo_twin;
  index_.erase(capability.key);
  capability = Capability{};
  free_.push_back(index);
  if (twin != kNone) Release(twin);
}

}  // namespace millrace::sched
