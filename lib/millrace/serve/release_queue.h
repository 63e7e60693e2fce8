// SPDX-License-Identifier: Apache-2.0
// Holds each action of the scheduler until the record it depends on is durable, keeping their order.
#pragma once

#include <cstdint>
#include <deque>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "millrace/sched/event.h"

namespace millrace::serve {

class ReleaseQueue {
 public:
  void Add(sched::Actions actions);
  // Of the newest record, after those that took so many positions more.
  JournalPosition Advance(std::size_t positions) { return appended_ += positions; }
  void SetDurable(JournalPosition position) { durable_ = position; }

  // Calls `perform` for every action that may go, in order. One that may not holds up those behind it: a later message
  // to the same peer must not overtake it, and telling which ones could is not worth a queue per peer. What says
  // nothing but that the broker lives, and answers that rest on no record, go first: a disk that is full must not look
  // like a broker that is dead.
  template <class Perform>
  void Release(Perform&& perform) {
    for (sched::Action& action : std::exchange(free_, {})) perform(std::move(action));
    while (MayGo()) perform(TakeFirst());
  }
  bool empty() const { return waiting_.empty() && free_.empty(); }
  std::size_t size() const { return waiting_.size() + free_.size(); }

 private:
  using OrderKey = std::tuple<PeerId, SessionId, std::uint64_t>;

  bool MayGo() const;
  sched::Action TakeFirst();

  std::deque<sched::Action> free_;
  std::deque<sched::Action> waiting_;
  // Those among them that are numbered. The scheduler says them again and again while it hears no answer; while a disk
  // is full none can come, and only the first one of each is kept.
  absl::flat_hash_set<OrderKey> orders_;
  JournalPosition appended_ = 0;
  JournalPosition durable_ = 0;
};

}  // namespace millrace::serve
