// SPDX-License-Identifier: Apache-2.0
// What a worker holds: a list in the order of assignment, of which the head runs and the tail waits there. The broker
// assumes what the worker does: attempts start in their order as soon as there is room.
#include <algorithm>

#include "millrace/sched/core.h"

namespace millrace::sched {

void Core::AddHeld(Session& session, std::uint32_t index) {
  Attempt& attempt = attempts_[index];
  attempt.session = session.index;
  attempt.previous = session.last;
  attempt.next = kNone;
  if (session.last != kNone) {
    attempts_[session.last].next = index;
  } else {
    session.first = index;
  }
  session.last = index;
  ++session.held;
  const Run& run = *RunAt(attempt.task.run);
  if (run.tasks.Has(attempt.task.task, TaskFlag::kSuspect)) session.solo = index;
  MarkWaiting(session, index, true);
  Promote(session);
  attempt.direct = !attempt.prefetched;
  Touch(session);
}

void Core::RemoveHeld(std::uint32_t index) {
  const Attempt& attempt = attempts_[index];
  RunAt(attempt.task.run)->tasks.attempt[attempt.task.task] = kNone;
  if (attempt.session != kNone) Detach(index);
  attempts_.Remove(index);
}

// The attempt is held by nobody from here on.
void Core::Detach(std::uint32_t index) {
  Attempt& attempt = attempts_[index];
  Session& session = *sessions_[attempt.session];
  if (attempt.prefetched) {
    MarkWaiting(session, index, false);
  } else {
    session.room.Give(classes_[RunAt(attempt.task.run)->ClassOf(attempt.task.task)].need);
    session.long_cpus -= LongCpusOf(attempt);
  }
  (attempt.previous == kNone ? session.first : attempts_[attempt.previous].next) = attempt.next;
  (attempt.next == kNone ? session.last : attempts_[attempt.next].previous) = attempt.previous;
  if (session.solo == index) session.solo = kNone;
  if (--session.held == 0 && !session.to_forget.empty()) NoteOrders(session);
  if (attempt.order == kUnsent) std::erase(session.to_assign, index);
  attempt.session = kNone;
  attempt.taking_back = false;
  Promote(session);
  Touch(session);
}

// Keeps the boundary between what runs and what waits, and the counters of the waiting ones.
void Core::MarkWaiting(Session& session, std::uint32_t index, bool waiting) {
  Attempt& attempt = attempts_[index];
  if (waiting) {
    if (session.first_waiting == kNone) session.first_waiting = index;
    ++session.prefetched;
    ++waiting_;
  } else {
    if (session.first_waiting == index) session.first_waiting = attempt.next;
    --session.prefetched;
    if (!attempt.taking_back) --waiting_;
  }
  attempt.prefetched = waiting;
}

void Core::Promote(Session& session) {
  while (session.first_waiting != kNone) {
    const std::uint32_t index = session.first_waiting;
    const Attempt& attempt = attempts_[index];
    const Room& need = classes_[RunAt(attempt.task.run)->ClassOf(attempt.task.task)].need;
    if (!session.room.Fits(need)) return;
    session.room.Take(need);
    session.long_cpus += LongCpusOf(attempt);
    MarkWaiting(session, index, false);
  }
}

// Asks for an attempt that waits at its worker. It may have started meanwhile; then it stays there.
void Core::AskBack(std::uint32_t index) {
  Attempt& attempt = attempts_[index];
  if (attempt.taking_back || !attempt.prefetched) return;
  attempt.taking_back = true;
  --waiting_;
  Session& session = *sessions_[attempt.session];
  session.to_take_back.push_back(attempt.id);
  NoteOrders(session);
}

void Core::AskCancel(std::uint32_t index) {
  Attempt& attempt = attempts_[index];
  if (attempt.cancel_asked) return;
  attempt.cancel_asked = true;
  if (attempt.session == kNone) return;  // told to whoever claims it
  Session& session = *sessions_[attempt.session];
  session.to_cancel.push_back(attempt.id);
  NoteOrders(session);
}

void Core::Touch(Session& session) {
  rebalance_ = true;
  if (session.touched) return;
  session.touched = true;
  touched_.push_back(session.index);
}

std::int64_t Core::LongCpusOf(const Attempt& attempt) const {
  if (!IsLong(attempt.task)) return 0;
  return classes_[RunAt(attempt.task.run)->ClassOf(attempt.task.task)].need.cpus;
}

std::uint32_t Core::TargetOf(const Session& session) const {
  const std::int64_t slots = std::max<std::int64_t>(session.offer.cpus - session.long_cpus, 0);
  return session.speed.PrefetchTarget(slots, config_.prefetch_limit);
}

// Puts the worker where Dispatch finds it, and lets the classes it serves look again.
void Core::Rekey(Session& session) {
  session.touched = false;
  if (session.room_key) room_.erase(*session.room_key);
  if (session.prefetch_key) prefetch_room_.erase(*session.prefetch_key);
  session.room_key.reset();
  session.prefetch_key.reset();
  if (!session.Serving() || session.reserved_for != kNone || session.solo != kNone) return;
  if (session.prefetched == 0 && session.room.cpus > 0) {
    session.room_key = RoomKey(!(config_.prefer_local && session.local), -session.room.cpus, session.index);
    room_.insert(*session.room_key);
  }
  const std::uint32_t target = TargetOf(session);
  if (session.held > 0 && session.prefetched < std::max<std::uint32_t>(target, 1)) {
    const auto load = static_cast<std::uint64_t>(session.prefetched) * 1024 /
                      static_cast<std::uint64_t>(std::max<std::int64_t>(session.offer.cpus, 1));
    session.prefetch_key = PrefetchKey(session.prefetched >= target, load, session.index);
    prefetch_room_.insert(*session.prefetch_key);
  }
  for (const std::uint32_t index : active_) {
    if (session.Serves(index)) classes_[index].blocked = classes_[index].prefetch_blocked = false;
  }
}

}  // namespace millrace::sched
