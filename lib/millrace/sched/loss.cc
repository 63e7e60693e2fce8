// SPDX-License-Identifier: Apache-2.0
// The end of a worker's session, and of what an earlier broker had assigned: who is blamed, who goes back to the queue.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_join.h"
#include "millrace/base/status.h"
#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

constexpr std::size_t kTasksNamed = 10;

}  // namespace

// After a crash, the oldest attempts that fit the worker's slots may have been running, and those it said so of. If
// that is one, it is blamed; if they are several, all of them run again alone before anything is blamed. The rest never
// started.
void Core::EndSession(Session& session, Departure departure, const std::string& why) {
  const bool before = session.Serving();
  const std::optional<Challenger> challenger = std::exchange(session.challenger, std::nullopt);
  RecantAll(session);
  if (challenger) SetAsideFinished(session, challenger->hello);
  std::vector<std::uint32_t> held;
  std::vector<std::string> names;
  std::vector<bool> may_have_run;
  for (std::uint32_t at = session.first; at != kNone; at = attempts_[at].next) {
    held.push_back(at);
    const TaskKey key = attempts_[at].task;
    const bool hinted = RunAt(key.run)->tasks.phase[key.task] == Phase::kRunning;
    may_have_run.push_back(hinted || !attempts_[at].prefetched);
    if (names.size() < kTasksNamed) names.emplace_back(RunAt(key.run)->NameOf(key.task));
  }
  if (held.size() > names.size()) names.push_back(absl::StrFormat("and %d more", held.size() - names.size()));
  const bool crash = departure == Departure::kCrash;
  Say(crash ? Severity::kWarning : Severity::kInfo,
      absl::StrFormat("worker %s %s; %s", session.Title(), why,
                      held.empty() ? "it had no tasks" : "its tasks: " + absl::StrJoin(names, ", ")));
  holders_.erase(session.name);
  session_index_.erase(session.id);
  session.link = Link::kLost;
  session.lost_at = now_;
  if (session.reserved_for != kNone) --reserved_;
  session.reserved_for = kNone;
  SessionServing(session, before);
  Rekey(session);
  if (session.peer.valid()) {
    if (const auto it = peers_.find(session.peer); crash && it != peers_.end()) {
      if (it->second.stale.valid()) stale_.erase(it->second.stale);
      it->second.stale = session.id;
      stale_[session.id] = session.peer;
    }
    // It may not know: a silent machine that comes back must say hello again.
    if (crash) Refuse(session.peer, RefusalCode::kUnknownSession, absl::StrFormat("session lost: %s", why), true);
  }
  const auto running = std::count(may_have_run.begin(), may_have_run.end(), true);
  for (std::size_t i = 0; i < held.size(); ++i) {
    const TaskKey key = attempts_[held[i]].task;
    const bool suspect = crash && may_have_run[i];
    LoseAttempt(held[i], suspect, suspect && running == 1);
    if (suspect) session.blamed.push_back(key);
  }
  for (const TaskKey key : session.data) {
    auto& holders = data_holders_[key];
    holders.erase(std::find(holders.begin(), holders.end(), session.index));
    if (holders.empty()) data_holders_.erase(key);
  }
  session.data.clear();
  session.to_assign.clear();
  session.frontier.clear();
  session.to_cancel.clear();
  session.to_take_back.clear();
  session.to_forget.clear();
  session.to_drop.clear();
  session.unacked.clear();
  session.serves.clear();
  if (crash) {
    lost_[{session.name, session.incarnation}] = session.index;
    session.timer_at = kNever;
    Arm(session);
  } else {
    DropSession(session.index);
  }
  if (challenger) Admit(challenger->peer, challenger->hello);
}

// What has ended is not lost with its process if the next one found it on its disk: that one adopts it.
void Core::SetAsideFinished(const Session& session, const Hello& successor) {
  for (const Held& held : successor.held) {
    const std::uint32_t index = attempts_.Find(held.attempt);
    if (held.state != HeldState::kFinished || index == kNone || attempts_[index].session != session.index) continue;
    Detach(index);
  }
}

void Core::LoseAttempt(std::uint32_t index, bool suspect, bool crashed) {
  const Attempt attempt = attempts_[index];
  Run& run = *RunAt(attempt.task.run);
  const std::uint32_t task = attempt.task.task;
  const Policy& policy = run.PolicyOf(task);
  if (attempt.cancel_asked || (run.Stopping() && !policy.always_run)) return EndCancelled(run, task);
  const WorkerName& worker = names_[attempt.worker];
  Failure failure{.message = {},
                  .exception = {},
                  .exit_code = 0,
                  .signal = 0,
                  .output = {},
                  .transient = false,
                  .crashed = crashed,
                  .worker = worker.name,
                  .host = worker.host,
                  .try_number = run.tasks.tries[task]};
  if (!policy.idempotent) {
    failure.message = absl::StrFormat("worker %s was lost while it had the task", worker.name);
    return EndTask(run, task, Outcome::kLost, std::move(failure), "not tried again: the module is not idempotent");
  }
  const std::uint32_t counted =
      run.tasks.crashes[task] + (run.tasks.Has(task, TaskFlag::kSuspicion) ? 1u : 0u) + (crashed ? 1u : 0u);
  if (crashed && counted >= config_.crash_limit) {
    std::vector<std::string> workers = run.stories[task].crashed_workers;
    workers.push_back(worker.name);
    failure.message = absl::StrFormat("poison: took down %d workers: %s", workers.size(), absl::StrJoin(workers, ", "));
    return EndTask(run, task, Outcome::kFailed, std::move(failure), {});
  }
  Commit(AttemptEnded{.task = {run.id, task},
                      .attempt = attempt.id,
                      .outcome = Outcome::kLost,
                      .charged = false,
                      .suspect = suspect,
                      .crashed = crashed});
}

// Assigned by an earlier broker, and nobody came to claim it within a lease.
void Core::ExpireOrphans() {
  while (!orphans_.empty()) ReturnOrphansOf(orphans_.begin()->first, false);
}

// `claimed`: their worker is here and does not have them.
void Core::ReturnOrphansOf(std::uint32_t name, bool claimed) {
  const auto it = orphans_.find(name);
  if (it == orphans_.end()) return;
  const std::vector<AttemptId> ids = std::move(it->second);
  orphans_.erase(it);
  std::size_t lost = 0;
  for (const AttemptId id : ids) {
    const std::uint32_t index = attempts_.Find(id);
    if (index == kNone || attempts_[index].session != kNone) continue;
    ++lost;
    LoseAttempt(index, false, false);
  }
  if (lost == 0) return;
  Say(Severity::kWarning,
      absl::StrFormat("worker %s %s %d attempts from before the restart; they run again", names_[name].name,
                      claimed ? "does not have" : "has not come back for", lost));
}

void Core::DropSession(std::uint32_t index) {
  Session& session = *sessions_[index];
  const auto it = lost_.find({session.name, session.incarnation});
  if (it != lost_.end() && it->second == index) lost_.erase(it);
  if (const auto peer = peers_.find(session.peer); peer != peers_.end() && peer->second.session == index) {
    peer->second.session = kNone;
  }
  std::erase(touched_, index);
  std::erase(with_orders_, index);
  std::erase(leading_, index);
  sessions_[index].reset();
  free_sessions_.push_back(index);
}

}  // namespace millrace::sched
