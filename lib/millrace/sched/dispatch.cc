// SPDX-License-Identifier: Apache-2.0
// Who runs what. Workers with free slots first, the freest of them first, so that equal tasks spread; then prefetch, by
// what each worker's measured speed asks for; then work is taken back from the loaded for those that idle.
#include <algorithm>
#include <utility>

#include "millrace/sched/core.h"

namespace millrace::sched {

void Core::Dispatch() {
  for (const std::uint32_t index : touched_) {
    if (sessions_[index] != nullptr) Rekey(*sessions_[index]);
  }
  touched_.clear();
  if (reserved_ > 0) ReleaseReservations();
  if (active_.empty()) return;
  const std::vector<std::uint32_t> queues(active_.begin(), active_.end());
  for (const std::uint32_t index : queues) {
    if (classes_[index].key.solo) DispatchSolo(index);
  }
  for (const bool prefetch : {false, true}) {
    while (!(prefetch ? prefetch_room_.empty() : room_.empty())) {
      const Turn turn = PickClass(prefetch);
      if (turn.capability == kNone) break;
      Capability& capability = classes_[turn.capability];
      const std::uint32_t worker =
          prefetch ? FindPrefetchRoom(capability, turn.capability) : FindRoom(capability, turn.capability);
      if (worker == kNone) {
        (prefetch ? capability.prefetch_blocked : capability.blocked) = true;
        continue;
      }
      Session& session = *sessions_[worker];
      Assign(session, turn, prefetch ? ShareOf(session, turn.capability) : 1);
    }
  }
}

// The class whose turn it is: few workers can serve it, then priority, path and age of its best task.
Core::Turn Core::PickClass(bool prefetch) {
  std::uint32_t best = kNone;
  const ReadyEntry* best_top = nullptr;
  const ReadyEntry* second_top = nullptr;
  for (const std::uint32_t index : active_) {
    const Capability& capability = classes_[index];
    if (capability.key.solo || capability.servers == 0) continue;
    if (prefetch ? capability.prefetch_blocked || !capability.key.idempotent : capability.blocked) continue;
    const ReadyEntry* top = TopOf(index);
    if (top == nullptr) continue;
    if (prefetch && capability.need.cpus <= 1 && IsLong(top->key)) continue;  // a big one keeps its place: see below
    const bool fewer = best == kNone || capability.servers < classes_[best].servers;
    const bool as_few = best != kNone && capability.servers == classes_[best].servers;
    if (fewer) {
      best = index;
      best_top = top;
      second_top = nullptr;
    } else if (as_few && GoesBefore(*top, *best_top)) {
      best = index;
      second_top = std::exchange(best_top, top);
    } else if (as_few && (second_top == nullptr || GoesBefore(*top, *second_top))) {
      second_top = top;
    }
  }
  Turn turn{.capability = best};
  if (second_top != nullptr) turn.until = *second_top;
  return turn;
}

std::uint32_t Core::FindRoom(const Capability& capability, std::uint32_t index) const {
  for (const RoomKey& key : room_) {
    const Session& session = *sessions_[std::get<2>(key)];
    if (session.Serves(index) && session.room.Fits(capability.need)) return session.index;
  }
  return kNone;
}

// A task that takes several slots may wait at a worker beyond its target: that keeps its place there, or small tasks
// would slip past it for ever. What needs memory or resources never waits there, for slots would idle behind it.
std::uint32_t Core::FindPrefetchRoom(const Capability& capability, std::uint32_t index) const {
  if (capability.need.memory > 0 || !capability.need.resources.empty()) return kNone;
  const bool big = capability.need.cpus > 1;
  for (const PrefetchKey& key : prefetch_room_) {
    const bool over_target = std::get<0>(key);
    if (over_target && !big) return kNone;
    const Session& session = *sessions_[std::get<2>(key)];
    if (over_target && session.prefetched > 0) continue;
    if (session.Serves(index)) return session.index;
  }
  return kNone;
}

// How many tasks of a class it is prefetched at once: what it has credit for, and no more than its part of what waits,
// so that equal workers stay equally loaded.
std::uint32_t Core::ShareOf(const Session& session, std::uint32_t capability) const {
  const std::uint32_t target = TargetOf(session);
  if (session.prefetched >= target) return 1;
  const auto part = classes_[capability].queued / static_cast<std::uint32_t>(prefetch_room_.size());
  return std::clamp<std::uint32_t>(part, 1, target - session.prefetched);
}

// Gives a worker the next tasks of a class, all of one run, at most `most` of them.
void Core::Assign(Session& session, const Turn& turn, std::uint32_t most) {
  ReadyQueue& queue = classes_[turn.capability].queue;
  const TaskKey first = TopOf(turn.capability)->key;
  Run& run = *RunAt(first.run);
  TasksAssigned record{.run = run.id,
                       .worker = session.name,
                       .assigned_unix_ms = 0,
                       .first_attempt = AttemptId{EpochQualified(config_.epoch, next_attempt_ + 1)},
                       .tasks = {}};
  record.tasks.reserve(std::min(most, classes_[turn.capability].queued));
  while (record.tasks.size() < most) {
    const ReadyEntry* top = TopOf(turn.capability);
    if (top == nullptr || top->key.run != first.run || (turn.until && GoesBefore(*turn.until, *top))) break;
    if (!record.tasks.empty() && IsLong(top->key)) break;
    const std::uint32_t task = top->key.task;
    queue.Pop();
    // One that has left the queue and come back may stand in it twice, side by side.
    if (!record.tasks.empty() && record.tasks.back() == task) continue;
    record.tasks.push_back(task);
  }
  const std::vector<std::uint32_t> tasks = record.tasks;
  const JournalPosition at = Commit(std::move(record));
  for (const std::uint32_t task : tasks) {
    const std::uint32_t index = run.tasks.attempt[task];
    AddHeld(session, index);
    session.to_assign.push_back(index);
    if (session.takes_ahead && run.job->tasks.needs() > 0) ListAhead(session, {.run = run.slot, .task = task});
  }
  // That it was handed out must be known after a crash, when it may not be handed out twice.
  if (!classes_[turn.capability].key.idempotent) session.orders_after = std::max(session.orders_after, at);
  NoteOrders(session);
  Rekey(session);
}

// A suspect gets a worker to itself. When none is empty, one is emptied: it takes nothing new until then.
void Core::DispatchSolo(std::uint32_t index) {
  while (TopOf(index) != nullptr) {
    std::uint32_t empty = kNone;
    std::uint32_t lightest = kNone;
    bool reserved = false;
    for (const auto& session : sessions_) {
      if (session == nullptr || !session->Serving() || !session->Serves(index)) continue;
      if (session->reserved_for == index) reserved = true;
      if (session->solo != kNone || (session->reserved_for != kNone && session->reserved_for != index)) continue;
      if (session->held == 0) {
        empty = session->index;
        break;
      }
      if (lightest == kNone || session->held < sessions_[lightest]->held) lightest = session->index;
    }
    if (empty != kNone) {
      Session& session = *sessions_[empty];
      if (session.reserved_for != kNone) {
        session.reserved_for = kNone;
        --reserved_;
      }
      Assign(session, {.capability = index}, 1);
      continue;
    }
    if (reserved || lightest == kNone) return;
    Session& session = *sessions_[lightest];
    session.reserved_for = index;
    ++reserved_;
    for (std::uint32_t at = session.first_waiting; at != kNone; at = attempts_[at].next) AskBack(at);
    Rekey(session);
    return;
  }
}

void Core::ReleaseReservations() {
  for (const auto& session : sessions_) {
    if (session == nullptr || session->reserved_for == kNone || classes_[session->reserved_for].queued > 0) continue;
    session->reserved_for = kNone;
    --reserved_;
    Rekey(*session);
  }
}

// Workers that idle, while others hold what they could run, get it: it is asked back and comes through the queue.
void Core::Rebalance() {
  if (!rebalance_) return;
  rebalance_ = false;
  if (waiting_ == 0 || room_.empty()) return;
  std::vector<std::uint32_t> loaded;
  for (const auto& session : sessions_) {
    if (session != nullptr && session->prefetched > 0 && session->link == Link::kLive) loaded.push_back(session->index);
  }
  std::stable_sort(loaded.begin(), loaded.end(), [this](std::uint32_t a, std::uint32_t b) {
    return sessions_[a]->prefetched > sessions_[b]->prefetched;
  });
  for (const RoomKey& key : room_) {
    TakeFor(*sessions_[std::get<2>(key)], loaded);
    if (waiting_ == 0) return;
  }
}

void Core::TakeFor(const Session& idle, const std::vector<std::uint32_t>& loaded) {
  Room room = idle.room;
  for (const std::uint32_t index : loaded) {
    const Session& session = *sessions_[index];
    std::uint32_t left = (session.prefetched + 1) / 2;
    for (std::uint32_t at = session.last; at != kNone && attempts_[at].prefetched && left > 0;
         at = attempts_[at].previous) {
      const Attempt& attempt = attempts_[at];
      if (room.cpus <= 0) return;
      const std::uint32_t capability = RunAt(attempt.task.run)->ClassOf(attempt.task.task);
      const Room& need = classes_[capability].need;
      if (attempt.taking_back) {
        // Already on its way to somebody who idles, perhaps to this one.
        if (idle.Serves(capability) && room.Fits(need)) room.Take(need);
        --left;
        continue;
      }
      if (attempt.cancel_asked || attempt.order == kUnsent || !idle.Serves(capability) || !room.Fits(need)) continue;
      room.Take(need);
      AskBack(at);
      --left;
    }
  }
}

}  // namespace millrace::sched
