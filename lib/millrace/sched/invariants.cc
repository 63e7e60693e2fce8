// SPDX-License-Identifier: Apache-2.0
// Recounts everything that is kept as a counter, a list or a key, and says which two tables disagree.
#include <algorithm>

#include "millrace/base/status.h"
#include "millrace/sched/core.h"

namespace millrace::sched {

absl::Status Core::CheckInvariants() const {
  if (!started_) return absl::OkStatus();
  std::size_t attempts = 0;
  std::uint32_t active = 0;
  for (const auto& run : runs_) {
    if (run == nullptr) continue;
    MILLRACE_RETURN_IF_ERROR(CheckRun(*run));
    if (!HasEnded(run->state)) ++active;
    for (const std::uint32_t attempt : run->tasks.attempt) attempts += attempt != kNone ? 1 : 0;
  }
  if (active != runs_active_) return Internal("%d runs are active, counted %d", active, runs_active_);
  if (attempts != attempts_.count()) {
    return Internal("the tasks have %d attempts, the table %d", attempts, attempts_.count());
  }
  std::uint64_t waiting = 0;
  std::uint32_t reserved = 0;
  for (const auto& session : sessions_) {
    if (session == nullptr) continue;
    MILLRACE_RETURN_IF_ERROR(CheckSession(*session));
    if (session->reserved_for != kNone) ++reserved;
    for (std::uint32_t at = session->first_waiting; at != kNone; at = attempts_[at].next) {
      waiting += attempts_[at].taking_back ? 0 : 1;
    }
  }
  MILLRACE_RETURN_IF_ERROR(CheckConnections());
  MILLRACE_RETURN_IF_ERROR(CheckAhead());
  MILLRACE_RETURN_IF_ERROR(CheckBounds());
  if (waiting != waiting_) return Internal("%d attempts wait at workers, counted %d", waiting, waiting_);
  if (reserved != reserved_) return Internal("%d workers are reserved, counted %d", reserved, reserved_);
  return CheckQueues();
}

// What is known by a connection or a session is known of one that is.
absl::Status Core::CheckConnections() const {
  for (const auto& [peer, known] : peers_) {
    const Session* session = known.session == kNone ? nullptr : sessions_[known.session].get();
    if (known.session != kNone && session == nullptr) return Internal("peer %d has no session", peer.value);
    const auto stale = stale_.find(known.stale);
    if (known.stale.valid() && (stale == stale_.end() || stale->second != peer)) {
      return Internal("peer %d: its lost session is not known", peer.value);
    }
  }
  for (const auto& run : runs_) {
    if (run == nullptr) continue;
    for (const Waiter& waiter : run->waiters) {
      const auto peer = peers_.find(waiter.peer);
      const bool known =
          peer != peers_.end() && std::count(peer->second.awaits.begin(), peer->second.awaits.end(), run->slot) == 1;
      if (!known || HasEnded(run->state)) return Internal("peer %d waits for %s", waiter.peer.value, RunName(run->id));
    }
  }
  for (const auto& [session, peer] : stale_) {
    if (!peers_.contains(peer)) return Internal("session %d is kept for a connection that is gone", session.value);
  }
  for (const auto& [name, index] : lost_) {
    if (sessions_[index] == nullptr || sessions_[index]->link != Link::kLost)
      return Internal("%s is not lost", name.first);
  }
  if (session_index_.size() != holders_.size()) return Internal("names and sessions disagree");
  return absl::OkStatus();
}

// What was given ahead waits, for what the same worker has.
absl::Status Core::CheckAhead() const {
  std::size_t given = 0;
  for (const auto& run : runs_) {
    if (run == nullptr) continue;
    given += run->ahead.size();
    for (const auto& [task, at] : run->ahead) {
      const Session* session = sessions_[at.session].get();
      const auto ahead = session == nullptr ? decltype(session->ahead.end()){} : session->ahead.find(at.attempt);
      if (session == nullptr || ahead == session->ahead.end() || ahead->second.task != TaskKey{run->slot, task}) {
        return Internal("%s '%s' was given ahead to nobody", RunName(run->id), run->NameOf(task));
      }
      if (attempts_.Find(at.attempt) != kNone) return Internal("attempt %d was given ahead", at.attempt.value);
      if (run->tasks.phase[task] != Phase::kWaiting || run->Unmet(task) == 0) {
        return Internal("%s '%s' was given ahead of nothing", RunName(run->id), run->NameOf(task));
      }
      for (const Dependency need : run->NeedsOf(task)) {
        const bool good = run->tasks.phase[need.task] == Phase::kEnded && IsGood(run->tasks.outcome[need.task]);
        if (!good && !AttemptAt(*session, *run, need.task).valid()) {
          return Internal("%s '%s' waits at %s for '%s', which is not there", RunName(run->id), run->NameOf(task),
                          session->name, run->NameOf(need.task));
        }
      }
    }
  }
  std::size_t taken = 0;
  std::size_t adopted = 0;
  for (const auto& session : sessions_) {
    if (session == nullptr) continue;
    taken += session->ahead.size();
    for (const auto& [id, ahead] : session->ahead) adopted += adopted_.contains(id);
    if (!session->to_assign_ahead.empty()) return Internal("%s: what is given ahead was not sent", session->name);
    if (!session->frontier.empty() && std::count(leading_.begin(), leading_.end(), session->index) != 1) {
      return Internal("%s: nobody looks at its frontier", session->name);
    }
  }
  if (adopted != adopted_.size()) return Internal("%d are taken up, of %d", adopted, adopted_.size());
  if (given != taken) return Internal("%d tasks are given ahead, workers have %d", given, taken);
  return absl::OkStatus();
}

// Nothing is kept for longer than something else that lives needs it.
absl::Status Core::CheckBounds() const {
  std::size_t tasks = 0;
  std::size_t runs = 0;
  for (const auto& run : runs_) {
    tasks += run == nullptr ? 0 : run->tasks.size();
    runs += run == nullptr ? 0 : 1;
  }
  const std::size_t waiters = 2 * tasks + 3 * runs + sessions_.size() + classes_.size() + 2;
  if (timers_.size() > 2 * waiters + 64) return Internal("%d timers for %d that may wait", timers_.size(), waiters);
  for (const auto& session : sessions_) {
    if (session == nullptr) continue;
    if (session->link == Link::kLost && now_ >= session->lost_at + 2 * config_.lease) {
      return Internal("%s is remembered for longer than two leases", session->name);
    }
    for (const TaskKey key : session->data) {
      if (!data_holders_.contains(key)) return Internal("%s holds a result that nobody knows of", session->name);
    }
  }
  for (const auto& [key, holders] : data_holders_) {
    const Run* run = RunAt(key.run);
    if (run == nullptr || run->OpenDependants(key.task) == 0) return Internal("a result is held for nobody");
    if (holders.empty()) return Internal("a result is held by nobody");
  }
  // An attempt that nobody holds is one that its worker may still claim.
  std::size_t unclaimed = 0;
  for (const auto& [name, ids] : orphans_) {
    for (const AttemptId id : ids) {
      const std::uint32_t index = attempts_.Find(id);
      unclaimed += index != kNone && attempts_[index].session == kNone ? 1 : 0;
    }
  }
  std::size_t held = 0;
  for (const auto& session : sessions_) held += session == nullptr ? 0 : session->held;
  if (held + unclaimed != attempts_.count()) {
    return Internal("of %d attempts %d are held, and %d may be claimed", attempts_.count(), held, unclaimed);
  }
  return absl::OkStatus();
}

Footprint Core::Remembers() const {
  Footprint footprint{.peers = peers_.size(), .orders = 0, .data = 0};
  for (const auto& session : sessions_) {
    if (session == nullptr) continue;
    footprint.orders += session->unacked.size();
    footprint.data += session->data.size() + session->to_forget.size() + session->to_drop.size();
  }
  return footprint;
}

absl::Status Core::CheckRun(const Run& run) const {
  std::array<std::uint32_t, kPhases> phases{};
  std::array<std::uint32_t, kOutcomes> outcomes{};
  std::uint32_t ignored = 0;
  std::uint32_t open = 0;
  for (std::uint32_t task = 0; task < run.tasks.size(); ++task) {
    ++phases[static_cast<std::size_t>(run.tasks.phase[task])];
    if (run.tasks.phase[task] == Phase::kEnded) {
      ++outcomes[static_cast<std::size_t>(run.tasks.outcome[task])];
    } else {
      ++open;
    }
    ignored += run.tasks.Has(task, TaskFlag::kIgnored) ? 1 : 0;
    if (const absl::Status status = CheckTask(run, task); !status.ok()) {
      return Annotate(status, absl::StrFormat("%s %s", RunName(run.id), run.NameOf(task)));
    }
  }
  if (phases != run.by_phase) return Internal("run %s: the phases are miscounted", RunName(run.id));
  if (outcomes != run.by_outcome) return Internal("run %s: the outcomes are miscounted", RunName(run.id));
  if (ignored != run.ignored || open != run.open)
    return Internal("run %s: ignored or open are miscounted", RunName(run.id));
  if (HasEnded(run.state) != (open == 0))
    return Internal("run %s: %d tasks are open, state disagrees", RunName(run.id), open);
  if (run.open > 0 && !run.unsettled && run.next_root < run.tasks.size()) {
    return Internal("run %s: nobody looks at task %d", RunName(run.id), run.next_root);
  }
  if (!run.pending.empty()) return Internal("run %s: tasks are pending after the step", RunName(run.id));
  if (run.state == RunState::kSucceeded) {
    const std::uint32_t good = run.Of(Outcome::kSucceeded) + run.Of(Outcome::kCached) + run.Of(Outcome::kSkipped);
    if (good + run.ignored != run.tasks.size())
      return Internal("run %s is green without good outcomes", RunName(run.id));
  }
  return absl::OkStatus();
}

absl::Status Core::CheckTask(const Run& run, std::uint32_t task) const {
  const TaskTable& tasks = run.tasks;
  const Phase phase = tasks.phase[task];
  std::uint32_t unmet = 0;
  for (const Dependency need : run.NeedsOf(task)) {
    const bool ended = tasks.phase[need.task] == Phase::kEnded;
    unmet += ended ? 0 : 1;
    const bool required = need.kind == DependencyKind::kRequired && !run.PolicyOf(task).always_run;
    const bool good = IsGood(tasks.outcome[need.task]) || tasks.Has(need.task, TaskFlag::kIgnored);
    const bool ran = phase == Phase::kAssigned || phase == Phase::kRunning || IsGood(tasks.outcome[task]);
    if (ran && !ended) return Internal("runs before '%s' has ended", run.NameOf(need.task));
    if (ran && required && !good) return Internal("runs although '%s' did not succeed", run.NameOf(need.task));
  }
  std::uint32_t open = 0;
  for (const Edge edge : run.Dependants(task)) open += tasks.phase[edge.target()] == Phase::kEnded ? 0 : 1;
  if (unmet != run.Unmet(task)) return Internal("%d dependencies are unmet, counted %d", unmet, run.Unmet(task));
  if (open != run.OpenDependants(task)) return Internal("%d dependants are open", open);
  const bool waits = unmet > 0 || (phase == Phase::kWaiting && task >= run.next_root && run.NeedsOf(task).empty());
  if ((phase == Phase::kWaiting) != waits && phase != Phase::kEnded) {
    return Internal("phase %d with %d unmet dependencies", static_cast<int>(phase), unmet);
  }
  if (phase == Phase::kPending) return Internal("is pending after the step");
  if ((phase == Phase::kEnded) != (tasks.outcome[task] != Outcome::kNone))
    return Internal("outcome and phase disagree");
  const bool assigned = phase == Phase::kAssigned || phase == Phase::kRunning;
  const std::uint32_t attempt = tasks.attempt[task];
  if (assigned != (attempt != kNone)) return Internal("phase %d and attempt disagree", static_cast<int>(phase));
  if (assigned && attempts_[attempt].task != TaskKey{run.slot, task}) return Internal("the attempt is another task's");
  const bool sleeping = phase == Phase::kBackingOff || phase == Phase::kRecalling;
  if (sleeping != run.wake.contains(task)) return Internal("phase %d and wake disagree", static_cast<int>(phase));
  return absl::OkStatus();
}

absl::Status Core::CheckSession(const Session& session) const {
  Room room = RoomOf(session.offer);
  std::uint32_t held = 0;
  std::uint32_t prefetched = 0;
  std::int64_t long_cpus = 0;
  std::uint32_t before = kNone;
  for (std::uint32_t at = session.first; at != kNone; at = attempts_[at].next) {
    const Attempt& attempt = attempts_[at];
    if (attempt.session != session.index) return Internal("%s holds a foreign attempt", session.name);
    if (attempt.previous != before) return Internal("%s: the list of attempts is broken", session.name);
    if (attempts_.Find(attempt.id) != at) return Internal("%s: an attempt is not in the table", session.name);
    const Run& run = *RunAt(attempt.task.run);
    if (run.tasks.attempt[attempt.task.task] != at) return Internal("%s holds an old attempt", session.name);
    ++held;
    if (attempt.prefetched) {
      if (prefetched++ == 0 && session.first_waiting != at) return Internal("%s: wrong first waiting", session.name);
      if (!run.PolicyOf(attempt.task.task).idempotent && attempt.order != 0) {
        return Internal("%s: a task that is not idempotent was prefetched", session.name);
      }
    } else {
      if (prefetched > 0) return Internal("%s: one that runs stands behind one that waits", session.name);
      room.Take(classes_[run.ClassOf(attempt.task.task)].need);
      long_cpus += LongCpusOf(attempt);
    }
    if (attempt.order != 0 && attempt.order != kUnsent && attempt.order > session.orders_sent) {
      return Internal("%s: an attempt's order is from the future", session.name);
    }
    if (attempt.order == kUnsent) return Internal("%s: an attempt was not sent", session.name);
    before = at;
  }
  if (before != session.last || held != session.held || prefetched != session.prefetched) {
    return Internal("%s: %d held, %d prefetched, counted %d, %d", session.name, held, prefetched, session.held,
                    session.prefetched);
  }
  if (long_cpus != session.long_cpus) {
    return Internal("%s: long tasks take %d cpus, counted %d", session.name, long_cpus, session.long_cpus);
  }
  if (session.solo != kNone && held != 1 && session.link != Link::kLost) {
    return Internal("%s runs a suspect beside %d others", session.name, held - 1);
  }
  for (const auto& [name, amount] : session.room.resources) room.resources.try_emplace(name, 0);
  Room counted = session.room;
  for (const auto& [name, amount] : room.resources) counted.resources.try_emplace(name, 0);
  if (!(room == counted)) return Internal("%s: %d cpus are free, counted %d", session.name, room.cpus, counted.cpus);
  if (room.cpus < 0 || room.memory < 0) return Internal("%s is over its capacity", session.name);
  if (session.link == Link::kLost) return held == 0 ? absl::OkStatus() : Internal("lost %s holds", session.name);
  std::uint64_t number = session.orders_acked;
  for (const Order& order : session.unacked) {
    if (order.number != ++number) return Internal("%s: a gap in the orders at %d", session.name, number);
  }
  if (number != session.orders_sent) return Internal("%s: orders end at %d", session.name, number);
  if (!session_index_.contains(session.id)) return Internal("%s is not in the index", session.name);
  return absl::OkStatus();
}

absl::Status Core::CheckQueues() const {
  absl::flat_hash_map<TaskKey, int> entries;
  for (std::uint32_t index = 0; index < classes_.size(); ++index) {
    const Capability& capability = classes_[index];
    std::uint32_t live = 0;
    absl::Status twice;
    capability.queue.ForEach([&](const ReadyEntry& entry) {
      if (!IsQueuedIn(entry.key, index)) return;
      ++live;
      if (++entries[entry.key] > 1) {
        twice.Update(Internal("'%s' is queued twice", RunAt(entry.key.run)->NameOf(entry.key.task)));
      }
    });
    MILLRACE_RETURN_IF_ERROR(twice);
    MILLRACE_RETURN_IF_ERROR(capability.queue.CheckInvariants());
    if (capability.queue.size() > MostEntries(capability)) {
      return Internal("class %d has %d entries for %d queued tasks", index, capability.queue.size(), live);
    }
    if (live != capability.queued)
      return Internal("class %d has %d queued, counted %d", index, live, capability.queued);
    if ((live > 0) != active_.contains(index)) return Internal("class %d: active disagrees", index);
    if ((capability.stuck_at != kNever) != (live > 0 && capability.servers == 0)) {
      return Internal("class %d: %d tasks are queued, %d workers can run them, its timer disagrees", index, live,
                      capability.servers);
    }
    std::uint32_t servers = 0;
    for (const auto& session : sessions_) {
      servers += session != nullptr && session->Serving() && session->Serves(index) ? 1 : 0;
    }
    if (capability.users > 0 && servers != capability.servers) {
      return Internal("class %d has %d servers, counted %d", index, servers, capability.servers);
    }
  }
  std::size_t queued = 0;
  for (const auto& run : runs_) queued += run == nullptr ? 0 : run->Of(Phase::kQueued);
  if (queued != entries.size()) return Internal("%d tasks are queued, %d are in queues", queued, entries.size());
  return absl::OkStatus();
}

}  // namespace millrace::sched
