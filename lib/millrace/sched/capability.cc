// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/capability.h"

#include <algorithm>

namespace millrace::sched {
namespace {

// std's heaps have the greatest on top.
constexpr bool GoesAfter(const ReadyEntry& a, const ReadyEntry& b) { return GoesBefore(b, a); }

}  // namespace

void ReadyQueue::Push(const ReadyEntry& entry) {
  heap_.push_back(entry);
  std::push_heap(heap_.begin(), heap_.end(), GoesAfter);
}

void ReadyQueue::Pop() {
  std::pop_heap(heap_.begin(), heap_.end(), GoesAfter);
  heap_.pop_back();
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
