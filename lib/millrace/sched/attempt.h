// SPDX-License-Identifier: Apache-2.0
// The attempts that workers hold now: a slab with stable indexes, and the way from an attempt's id to it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "millrace/base/ids.h"
#include "millrace/base/time.h"
#include "millrace/sched/task_table.h"

namespace millrace::sched {

inline constexpr std::uint64_t kUnsent = UINT64_MAX;

struct Attempt {
  AttemptId id;
  TaskKey task;
  std::uint32_t worker = kNone;    // name of who got it
  std::uint32_t session = kNone;   // who holds it; kNone = assigned by an earlier broker, not claimed yet
  std::uint32_t previous = kNone;  // in the session's list, in the order of assignment
  std::uint32_t next = kNone;
  std::uint64_t order = kUnsent;  // number of the Assign that carried it; 0 = an earlier broker sent it
  Instant assigned{};
  bool prefetched = false;  // waits at the worker behind what runs there
  bool direct = false;      // was never prefetched: its round trip can be measured
  bool cancel_asked = false;
  bool taking_back = false;
  bool succeeded = false;  // it is among those that are committed together at the end of this report
};

class AttemptTable {
 public:
  std::uint32_t Add(const Attempt& attempt);
  void Remove(std::uint32_t index);
  // kNone when no task's current attempt has this id.
  std::uint32_t Find(AttemptId id) const;

  Attempt& operator[](std::uint32_t index) { return slab_[index]; }
  const Attempt& operator[](std::uint32_t index) const { return slab_[index]; }
  std::size_t count() const { return by_id_.size(); }

 private:
  std::vector<Attempt> slab_;
  std::vector<std::uint32_t> free_;
  absl::flat_hash_map<AttemptId, std::uint32_t> by_id_;
};

inline std::uint32_t AttemptTable::Add(const Attempt& attempt) {
  auto index = static_cast<std::uint32_t>(slab_.size());
  if (free_.empty()) {
    slab_.push_back(attempt);
  } else {
    index = free_.back();
    free_.pop_back();
    slab_[index] = attempt;
  }
  by_id_.emplace(attempt.id, index);
  return index;
}

inline void AttemptTable::Remove(std::uint32_t index) {
  by_id_.erase(slab_[index].id);
  slab_[index] = Attempt{};
  free_.push_back(index);
}

inline std::uint32_t AttemptTable::Find(AttemptId id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? kNone : it->second;
}

}  // namespace millrace::sched
