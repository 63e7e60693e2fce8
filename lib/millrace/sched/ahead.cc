// SPDX-License-Identifier: Apache-2.0
// Work that is given ahead: a task whose dependencies have not ended, but are all at one worker, which goes on with it
// by itself when they have succeeded. So a chain of tasks costs no round trip for each of its hops.
//
// Nothing of this is durable. To the tables the task waits, until its last dependency has ended well: then it becomes
// an attempt of that worker, under the id it was given ahead (Fulfil), instead of going to a queue. Should a dependency
// not succeed there, should the worker go away or be unsure of its session, then all that rests on it is taken back
// (Recant), here and there alike; whatever the worker says of such an attempt is dropped.
#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

// Nothing is given ahead across wider joints: there the hop is not what costs, and to look at all of their sides again
// and again would.
constexpr std::size_t kWidestFork = 256;  // dependants of one task
constexpr std::size_t kWidestJoin = 64;   // needs of one task

}  // namespace

// Its dependants may be given ahead.
void Core::ListAhead(Session& session, TaskKey given) {
  // One that was emptied in this step may still be on the list.
  const bool listed =
      !session.frontier.empty() || std::find(leading_.begin(), leading_.end(), session.index) != leading_.end();
  if (!listed) leading_.push_back(session.index);
  session.frontier.push_back(given);
}

// After Dispatch, so that what is ready and can be given to anybody goes first.
void Core::AssignAhead() {
  std::erase_if(leading_, [this](std::uint32_t index) { return !Leads(*sessions_[index]); });
}

// True: there is more to look at once the worker has room.
bool Core::Leads(Session& session) {
  const bool able = session.Serving() && session.solo == kNone && session.reserved_for == kNone;
  const std::size_t target = TargetOf(session);
  if (!able || target == 0) session.frontier.clear();
  if (session.frontier.empty()) return false;
  const bool has_room = session.prefetched + session.ahead.size() < target;
  // Whatever is ready and could run there has its turn first, also what can only be given to a free slot.
  const bool others_first = has_room && std::any_of(active_.begin(), active_.end(),
                                                    [&session](std::uint32_t index) { return session.Serves(index); });
  while (has_room && !others_first && !session.frontier.empty() && session.prefetched + session.ahead.size() < target) {
    const TaskKey key = session.frontier.front();
    session.frontier.pop_front();
    Run* run = RunAt(key.run);
    if (run == nullptr || !AttemptAt(session, *run, key.task).valid()) continue;
    // One of its dependants only: the others are for whoever has room when it has ended.
    const std::uint32_t next = NextAhead(session, *run, key.task);
    if (next == kNone) continue;
    GiveAhead(session, *run, next);
    session.frontier.push_back({.run = key.run, .task = next});
  }
  if (session.frontier.size() > 2 * (session.held + session.ahead.size()) + 64) {
    std::erase_if(session.frontier, [&](const TaskKey& key) {
      const Run* run = RunAt(key.run);
      return run == nullptr || !AttemptAt(session, *run, key.task).valid();
    });
  }
  return !session.frontier.empty();
}

// Of those that will be ready with this task's end, the one that goes first; if that cannot be given ahead, none is.
std::uint32_t Core::NextAhead(const Session& session, const Run& run, std::uint32_t task) const {
  std::uint32_t best = kNone;
  ReadyEntry best_entry;
  const std::span<const Edge> dependants = run.Dependants(task);
  if (dependants.size() > kWidestFork) return kNone;
  for (const Edge edge : dependants) {
    const std::uint32_t target = edge.target();
    if (run.tasks.phase[target] != Phase::kWaiting || run.ahead.contains(target)) continue;
    const PackedTasks::Needs needs = run.NeedsOf(target);
    if (needs.size() > kWidestJoin) continue;
    const bool ready = std::all_of(needs.begin(), needs.end(), [&](const Dependency& need) {
      return run.tasks.phase[need.task] == Phase::kEnded || AttemptAt(session, run, need.task).valid();
    });
    if (!ready) continue;
    const ReadyEntry entry{.priority = run.PolicyOf(target).priority,
                           .below = run.BelowOf(target),
                           .key = {.run = run.slot, .task = target}};
    if (best != kNone && !GoesBefore(entry, best_entry)) continue;
    best = target;
    best_entry = entry;
  }
  return best != kNone && FitsAhead(session, run, best) ? best : kNone;
}

// What could not be prefetched is not given ahead either; and nothing that the cache or another policy has a say in.
bool Core::FitsAhead(const Session& session, const Run& run, std::uint32_t task) const {
  const TaskTable& tasks = run.tasks;
  if (tasks.phase[task] != Phase::kWaiting || tasks.flags[task] != 0 || run.Stopping() || run.ahead.contains(task)) {
    return false;
  }
  const Policy& policy = run.PolicyOf(task);
  const std::uint32_t index = run.ClassOf(task);
  if (policy.always_run || (policy.cached && run.job->use_cache) || policy.expected > kLongTask) return false;
  if (!policy.consumes.empty()) return false;  // files come by way of the broker
  if (index == kNone || !session.Serves(index) || !classes_[index].key.idempotent) return false;
  const Room& need = classes_[index].need;
  if (need.cpus > 1 || need.memory > 0 || !need.resources.empty()) return false;
  for (const Dependency other : run.NeedsOf(task)) {
    if (tasks.phase[other.task] == Phase::kEnded) {
      if (!IsGood(tasks.outcome[other.task])) return false;
      continue;
    }
    if (!AttemptAt(session, run, other.task).valid()) return false;
    const std::uint32_t attempt = tasks.attempt[other.task];
    if (attempt != kNone && (attempts_[attempt].cancel_asked || attempts_[attempt].taking_back)) return false;
  }
  return true;
}

// The attempt of this task that the session has, or was given ahead.
AttemptId Core::AttemptAt(const Session& session, const Run& run, std::uint32_t task) const {
  const std::uint32_t attempt = run.tasks.attempt[task];
  if (attempt != kNone) return attempts_[attempt].session == session.index ? attempts_[attempt].id : AttemptId{};
  const auto ahead = run.ahead.find(task);
  return ahead != run.ahead.end() && ahead->second.session == session.index ? ahead->second.attempt : AttemptId{};
}

void Core::GiveAhead(Session& session, Run& run, std::uint32_t task) {
  const AttemptId id{EpochQualified(config_.epoch, ++next_attempt_)};
  run.ahead[task] = {.session = session.index, .attempt = id};
  session.ahead[id] = {.task = {.run = run.slot, .task = task}, .order = kUnsent, .since = now_};
  session.to_assign_ahead.push_back(id);
  NoteOrders(session);
}

// Its dependencies have ended: the worker has it already. kNone: it was not given ahead.
std::uint32_t Core::Fulfil(Run& run, std::uint32_t task) {
  const auto found = run.ahead.find(task);
  if (found == run.ahead.end()) return kNone;
  const AheadAt at = found->second;
  Session& session = *sessions_[at.session];
  const Ahead ahead = session.ahead.extract(at.attempt).mapped();
  run.ahead.erase(found);
  adopted_.erase(at.attempt);
  Commit(TasksAssigned{
      .run = run.id, .worker = session.name, .assigned_unix_ms = 0, .first_attempt = at.attempt, .tasks = {task}});
  const std::uint32_t index = run.tasks.attempt[task];
  run.tasks.ready[task] = now_ - run.submitted;
  attempts_[index].assigned = ahead.since;
  attempts_[index].order = ahead.order;
  AddHeld(session, index);
  attempts_[index].direct = false;
  return index;
}

// A report of what was given ahead, behind that of what it needed, perhaps in the same message.
std::uint32_t Core::FulfilReported(Session& session, const AttemptReport& report) {
  const auto found = session.ahead.find(report.attempt);
  if (found == session.ahead.end()) return kNone;
  const TaskKey key = found->second.task;
  Run& run = *RunAt(key.run);
  CommitSuccesses();
  if (report.kind == ReportKind::kReturned) {
    Recant(run, key.task);
    return kNone;
  }
  const bool may_run = run.tasks.phase[key.task] == Phase::kPending && !run.tasks.Has(key.task, TaskFlag::kDoomed) &&
                       (!run.Stopping() || run.PolicyOf(key.task).always_run);
  return may_run ? Fulfil(run, key.task) : kNone;
}

// Takes back what was given ahead, and all that was given ahead of that.
void Core::Recant(Run& run, std::uint32_t task) {
  std::vector<std::uint32_t> work{task};
  while (!work.empty()) {
    const std::uint32_t one = work.back();
    work.pop_back();
    const auto found = run.ahead.find(one);
    if (found == run.ahead.end()) continue;
    const AheadAt at = found->second;
    run.ahead.erase(found);
    Session& session = *sessions_[at.session];
    const Ahead ahead = session.ahead.extract(at.attempt).mapped();
    adopted_.erase(at.attempt);
    if (ahead.order == kUnsent) {
      std::erase(session.to_assign_ahead, at.attempt);
    } else {
      session.to_cancel.push_back(at.attempt);
      NoteOrders(session);
    }
    DropPromise(session, {.run = run.slot, .task = one});
    for (const Dependency need : run.NeedsOf(one)) {
      if (run.tasks.phase[need.task] != Phase::kEnded) DropPromise(session, {.run = run.slot, .task = need.task});
    }
    for (const Edge edge : run.Dependants(one)) work.push_back(edge.target());
  }
}

// The task has not succeeded at this worker, where others may have been waiting for it.
void Core::Disappoint(Session& session, Run& run, std::uint32_t task) {
  for (const Edge edge : run.ahead.empty() ? std::span<const Edge>{} : run.Dependants(task)) {
    const auto found = run.ahead.find(edge.target());
    if (found != run.ahead.end() && found->second.session == session.index) Recant(run, edge.target());
  }
  DropPromise(session, {.run = run.slot, .task = task});
}

// All but what the worker holds and what orders beyond number `through` have told it, which it has yet to see: before a
// hello it gives up everything that waits.
void Core::RecantBut(Session& session, const absl::flat_hash_set<AttemptId>& held, std::uint64_t through) {
  session.frontier.clear();
  std::vector<AttemptId> given_up;
  for (const auto& [id, ahead] : session.ahead) {
    if (ahead.order <= through && !held.contains(id)) given_up.push_back(id);
  }
  std::sort(given_up.begin(), given_up.end());
  for (const AttemptId id : given_up) {
    const auto found = session.ahead.find(id);
    if (found == session.ahead.end()) continue;
    Recant(*RunAt(found->second.task.run), found->second.task.task);
  }
}

// An earlier life of this broker has given it ahead, and the worker has gone on with it.
bool Core::AdoptAhead(Session& session, const Held& held) {
  Run* run = FindRun(held.task.run);
  // Of an earlier life, and told once: the id will be an attempt's.
  const bool plausible = held.attempt.valid() && EpochOf(held.attempt.value) < config_.epoch &&
                         !adopted_.contains(held.attempt) && attempts_.Find(held.attempt) == kNone;
  if (!plausible || run == nullptr || held.task.index >= run->tasks.size()) return false;
  const std::uint32_t task = held.task.index;
  const TaskTable& tasks = run->tasks;
  if (tasks.tries[task] > 0) return false;  // it has been counted, and has ended
  const bool ready = tasks.phase[task] == Phase::kQueued && !tasks.Has(task, TaskFlag::kInSolo);
  if ((!ready && tasks.phase[task] != Phase::kWaiting) || run->Stopping() || run->ahead.contains(task) ||
      tasks.Has(task, TaskFlag::kDoomed) || !session.Serves(run->ClassOf(task)) || !run->PolicyOf(task).idempotent) {
    return false;
  }
  for (const Dependency need : run->NeedsOf(task)) {
    const bool good = tasks.phase[need.task] == Phase::kEnded && IsGood(tasks.outcome[need.task]);
    if (!good && !AttemptAt(session, *run, need.task).valid()) return false;
  }
  adopted_.insert(held.attempt);
  run->ahead[task] = {.session = session.index, .attempt = held.attempt};
  session.ahead[held.attempt] = {.task = {.run = run->slot, .task = task}, .order = 0, .since = now_};
  if (ready) {
    run->tasks.Set(task, TaskFlag::kEntryLeft);
    Fulfil(*run, task);
  }
  return true;
}

// The worker may not come to have the result of this task. Should it be needed there, it is sent.
void Core::DropPromise(Session& session, TaskKey key) {
  if (session.data.erase(key) == 0) return;
  session.to_drop.push_back(key);
  NoteOrders(session);
  const auto holders = data_holders_.find(key);
  const auto at = std::find(holders->second.begin(), holders->second.end(), session.index);
  holders->second.erase(at);
  if (holders->second.empty()) data_holders_.erase(holders);
}

}  // namespace millrace::sched
