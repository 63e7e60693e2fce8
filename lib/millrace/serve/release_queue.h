// SPDX-License-Identifier: Apache-2.0
// Holds each action of the scheduler until the record it depends on is durable, keeping their order.
#pragma once

#include <deque>
#include <utility>
#include <variant>
#include <vector>

#include "millrace/sched/event.h"

namespace millrace::serve {

class ReleaseQueue {
 public:
  void Add(sched::Actions actions) {
    for (sched::Action& action : actions) (MayOvertake(action) ? free_ : waiting_).push_back(std::move(action));
  }
  // The position every Append so far got: the n-th one is n.
  JournalPosition NextPosition() { return ++appended_; }
  void SetDurable(JournalPosition position) { durable_ = position; }

  // Calls `perform` for every action that may go, in order. One that may not holds up those behind it: a later message
  // to the same peer must not overtake it, and telling which ones could is not worth a queue per peer. What says
  // nothing but that the broker lives, and answers that rest on no record, go first: a disk that is full must not look
  // like a broker that is dead.
  template <class Perform>
  void Release(Perform&& perform) {
    for (sched::Action& action : std::exchange(free_, {})) perform(std::move(action));
    while (!waiting_.empty() && waiting_.front().after <= durable_) {
      sched::Action action = std::move(waiting_.front());
      waiting_.pop_front();
      perform(std::move(action));
    }
  }
  bool empty() const { return waiting_.empty() && free_.empty(); }

 private:
  static bool MayOvertake(const sched::Action& action) {
    if (action.after != 0) return false;
    if (const auto* broadcast = std::get_if<sched::Broadcast>(&action.body)) {
      return std::holds_alternative<Beacon>(broadcast->message);
    }
    const auto* send = std::get_if<sched::Send>(&action.body);
    if (send == nullptr) return false;
    // A client's welcome, too, which its first answer must not overtake; a worker's says which attempts it keeps.
    const auto* welcome = std::get_if<Welcome>(&send->message);
    return (welcome != nullptr && !welcome->session.valid()) || std::holds_alternative<Pong>(send->message) ||
           std::holds_alternative<Answer>(send->message);
  }

  std::deque<sched::Action> free_;
  std::deque<sched::Action> waiting_;
  JournalPosition appended_ = 0;
  JournalPosition durable_ = 0;
};

}  // namespace millrace::serve
