// SPDX-License-Identifier: Apache-2.0
// Who runs what. Workers with free slots first, the freest of them first, so that equal tasks spread; then prefetch, by
// what each worker's measured speed asks for; then work is taken back from the loaded for those that idle.
#include <algorithm>

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
      const std::uint32_t index = PickClass(prefetch);
      if (index == kNone) break;
      Capability& capability = classes_[index];
      const std::uint32_t worker = prefetch ? FindPrefetchRoom(capability, index) : FindRoom(capability, index);
      if (worker == kNone) {
        (prefetch ? capability.prefetch_blocked : capability.blocked) = true;
        continue;
      }
      Assign(*sessions_[worker], index);
    }
  }
}

// The class whose turn it is: few workers can serve it, then priority, path and age of its best task.
std::uint32_t Core::PickClass(bool prefetch) {
  std::uint32_t best = kNone;
  const ReadyEntry* best_top = nullptr;
  for (const std::uint32_t index : active_) {
    const Capability& capability = classes_[index];
    if (capability.key.solo || capability.servers == 0) continue;
    if (prefetch ? capability.prefetch_blocked || !capability.key.idempotent : capability.blocked) continue;
    const ReadyEntry* top = TopOf(index);
    if (top == nullptr) continue;
    if (prefetch && capability.need.cpus <= 1 && IsLong(top->key)) continue;  // a big one keeps its place: see below
    const bool better = best == kNone || capability.servers < classes_[best].servers ||
                        (capability.servers == classes_[best].servers && GoesBefore(*top, *best_top));
    if (!better) continue;
    best = index;
    best_top = top;
  }
  return best;
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

void Core::Assign(Session& session, std::uint32_t capability) {
  const TaskKey key = TopOf(capability)->key;
  classes_[capability].queue.Pop();
  Run& run = *RunAt(key.run);
  const AttemptId attempt{EpochQualified(config_.epoch, next_attempt_ + 1)};
  const JournalPosition at =
      Commit(TaskAssigned{.task = {run.id, key.task}, .attempt = attempt, .worker = session.name});
  const std::uint32_t index = run.tasks.attempt[key.task];
  AddHeld(session, index);
  // That it was handed out must be known after a crash, when it may not be handed out twice.
  if (!run.PolicyOf(key.task).idempotent) session.orders_after = std::max(session.orders_after, at);
  session.to_assign.push_back(index);
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
      Assign(session, index);
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
      const std::uint32_t capability = RunAt(attempt.task.run)->tasks.capability[attempt.task.task];
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
