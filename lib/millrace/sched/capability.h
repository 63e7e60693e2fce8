// SPDX-License-Identifier: Apache-2.0
// Capability classes: tasks that the same workers can run share a ready queue, ordered by priority, then the longest
// path below, then age (older runs first, and in a run the order of the job).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "millrace/base/time.h"
#include "millrace/model/job.h"
#include "millrace/sched/match.h"
#include "millrace/sched/task_table.h"

namespace millrace::sched {

struct ReadyEntry {
  std::int32_t priority = 0;
  std::uint64_t below = 0;  // JobGraph::below
  TaskKey key;
};
// Whether `a` goes first.
constexpr bool GoesBefore(const ReadyEntry& a, const ReadyEntry& b) {
  if (a.priority != b.priority) return a.priority > b.priority;
  if (a.below != b.below) return a.below > b.below;
  return a.key < b.key;
}

// What comes in order, as the tasks of a job mostly do, stands in a line; the rest in a binary heap beside it. Entries
// of tasks that have ended meanwhile stay until they come to the top, where the owner drops them, or until they are too
// many for the owner.
class ReadyQueue {
 public:
  void Push(const ReadyEntry& entry);
  // Room for so many more in the line. Growing by steps would copy a large queue, all at once, when it is in use.
  void Reserve(std::size_t more) {
    if (more > line_.size()) line_.reserve(line_.size() + more);
  }
  void Pop();
  // Drops the entries for which `is_live` is false.
  template <class IsLive>
  void Sweep(IsLive&& is_live) {
    const auto is_dead = [&](const ReadyEntry& entry) { return !is_live(entry); };
    line_.erase(line_.begin(), line_.begin() + static_cast<std::ptrdiff_t>(std::exchange(head_, 0)));
    std::erase_if(line_, is_dead);
    std::erase_if(heap_, is_dead);
    Restore();
  }
  const ReadyEntry& Top() const { return TopIsInLine() ? line_[head_] : heap_.front(); }
  bool Empty() const { return size() == 0; }
  void Clear();
  std::size_t size() const { return line_.size() - head_ + heap_.size(); }
  template <class Visit>
  void ForEach(Visit&& visit) const {
    for (std::size_t i = head_; i < line_.size(); ++i) visit(line_[i]);
    for (const ReadyEntry& entry : heap_) visit(entry);
  }
  absl::Status CheckInvariants() const;

 private:
  bool TopIsInLine() const {
    return head_ < line_.size() && (heap_.empty() || !GoesBefore(heap_.front(), line_[head_]));
  }
  void Restore();

  std::vector<ReadyEntry> line_;  // sorted from head_ on
  std::size_t head_ = 0;          // those before it have been popped
  std::vector<ReadyEntry> heap_;
};

struct CapabilityKey {
  std::string module;
  std::uint64_t fingerprint = 0;
  Requirements requirements;
  bool idempotent = true;
  bool solo = false;  // suspects, which run alone
  friend auto operator<=>(const CapabilityKey&, const CapabilityKey&) = default;
};

struct Capability {
  CapabilityKey key;
  Room need;
  ReadyQueue queue;
  std::uint32_t queued = 0;    // live entries of the queue
  std::uint32_t servers = 0;   // workers that can take its tasks now: live, not draining, capable
  std::uint32_t users = 0;     // runs; 0 = a free place in the table
  Instant unservable_since{};  // while servers == 0
  Instant stuck_at = kNever;   // when the first of its tasks may give up, while servers == 0 and some are queued
  bool blocked = false;        // no worker has room for it: look again when one gains some
  bool prefetch_blocked = false;
  std::uint32_t solo_twin = kNone;

  ModuleSpec Module() const { return {.name = key.module, .fingerprint = key.fingerprint, .version = {}}; }
};

// How many entries a queue may have for its live ones.
inline std::size_t MostEntries(const Capability& capability) { return 2 * std::size_t{capability.queued} + 32; }

class CapabilityTable {
 public:
  // The class of this key, made if need be; `fresh` tells whether workers have to be matched against it.
  std::uint32_t Intern(const CapabilityKey& key, Instant now, bool* fresh);
  // The caller's use is over; the place is free for another class when it was the last one.
  void Release(std::uint32_t index);

  Capability& operator[](std::uint32_t index) { return table_[index]; }
  const Capability& operator[](std::uint32_t index) const { return table_[index]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(table_.size()); }

 private:
  std::vector<Capability> table_;
  std::vector<std::uint32_t> free_;
  std::map<CapabilityKey, std::uint32_t> index_;
};

}  // namespace millrace::sched
