// SPDX-License-Identifier: Apache-2.0
// The step: routes one event, lets everything that follows from it happen, then sends what was collected.
#include "millrace/sched/core.h"

#include <algorithm>
#include <type_traits>

#include "millrace/base/status.h"
#include "millrace/sched/bounds.h"
#include "millrace/sched/permission.h"

namespace millrace::sched {
namespace {

constexpr Duration kAnnouncePause = std::chrono::milliseconds(50);
constexpr Duration kBeaconLimit = std::chrono::seconds(5);

}  // namespace

void Core::Step(Instant now, Event event, Actions& actions) {
  actions_ = &actions;
  now_ = std::max(now, now_);
  if (!started_) {
    now_ = now;
    Recover();
  }
  NoticeStall();
  std::visit(
      [this](auto& e) {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, Heard>) {
          OnHeard(std::move(e));
        } else if constexpr (std::is_same_v<E, PeerGone>) {
          OnPeerGone(e);
        } else if constexpr (std::is_same_v<E, Recalled>) {
          OnRecalled(e);
        }
      },
      event);
  RunTimers();
  Settle();
  Dispatch();
  Rebalance();
  AssignAhead();
  FlushOrders();
  AnnounceRuns();
  SweepTimers();
  PruneTimers();
  actions_ = nullptr;
}

// Whether the sender's key allows what it says; if not, it is told, in the form in which it expects an answer.
bool Core::Permitted(const Heard& heard) {
  if (heard.caller == nullptr) return true;
  absl::Status status = CheckPermission(*heard.caller, heard.message);
  if (const auto* beat = std::get_if<Beat>(&heard.message); beat != nullptr && status.ok()) {
    const auto it = session_index_.find(beat->session);
    const bool own = it == session_index_.end() || OwnsWorkerId(heard.caller->name, sessions_[it->second]->name);
    if (!own) status = Error(absl::StatusCode::kPermissionDenied, "the session is another one's");
  }
  if (status.ok()) return true;
  ++protocol_errors_;
  if (!heard.peer.valid()) return false;
  Answer answer;
  std::visit(
      [&answer](const auto& body) {
        if constexpr (requires { body.request; }) answer.request = body.request;
      },
      heard.message);
  if (answer.request == 0) {
    Refuse(heard.peer, RefusalCode::kNotAllowed, TextOf(status));
    return false;
  }
  answer.code = static_cast<std::int32_t>(status.code());
  answer.message = TextOf(status);
  SendTo(heard.peer, std::move(answer));
  return false;
}

void Core::OnHeard(Heard heard) {
  if (!Permitted(heard)) return;
  const PeerId peer = heard.peer;
  if (heard.on_heartbeat_channel) {
    if (const Beat* beat = std::get_if<Beat>(&heard.message)) return OnBeat({}, *beat, true);
    ++protocol_errors_;
    return;
  }
  std::visit(
      [this, peer, prepared = heard.prepared.get()](auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, Hello>) {
          OnHello(peer, std::move(m));
        } else if constexpr (std::is_same_v<M, Report>) {
          OnReport(peer, m);
        } else if constexpr (std::is_same_v<M, Beat>) {
          OnBeat(peer, m, false);
        } else if constexpr (std::is_same_v<M, Output>) {
          if (Session* session = Authentic(peer, m.session)) HeardOf(*session, false);
        } else if constexpr (std::is_same_v<M, Goodbye>) {
          OnGoodbye(peer, m);
        } else if constexpr (std::is_same_v<M, Ping>) {
          SendTo(peer, Pong{.nonce = m.nonce});
          const auto it = peers_.find(peer);
          if (it != peers_.end() && it->second.session != kNone) HeardOf(*sessions_[it->second.session], false);
        } else if constexpr (std::is_same_v<M, Pong>) {
          OnPong(peer, m);
        } else if constexpr (std::is_same_v<M, Submit> || std::is_same_v<M, Query> || std::is_same_v<M, Command>) {
          const auto it = peers_.find(peer);
          if (it != peers_.end() && it->second.role == Role::kWorker) {
            ++protocol_errors_;
            return Refuse(peer, RefusalCode::kNotAllowed, "a worker's connection cannot submit, query or command");
          }
          if constexpr (std::is_same_v<M, Submit>) OnSubmit(peer, std::move(m), prepared);
          if constexpr (std::is_same_v<M, Query>) OnQuery(peer, m);
          if constexpr (std::is_same_v<M, Command>) OnCommand(peer, m);
        } else {
          ++protocol_errors_;
          Refuse(peer, RefusalCode::kMalformed, absl::StrFormat("message kind %d is not for a broker", M::kKind));
        }
      },
      heard.message);
}

JournalPosition Core::Commit(Record record) {
  if (auto* ended = std::get_if<TaskEnded>(&record)) Bound(*ended);
  if (auto* ended = std::get_if<AttemptEnded>(&record)) Bound(*ended);
  Stamp(record);
  position_ += PositionsOf(record);
  Apply(record, position_);
  actions_->push_back({.after = 0, .body = Append{.record = std::move(record)}});
  return position_;
}

// Every record of an end or of an assignment says when that was.
void Core::Stamp(Record& record) const {
  std::visit(
      [this](auto& r) {
        if constexpr (requires { r.assigned_unix_ms; }) r.assigned_unix_ms = UnixMs(now_);
        if constexpr (requires { r.started_unix_ms; }) r.started_unix_ms = StartOf(r.task);
        if constexpr (requires { r.ended_unix_ms; }) r.ended_unix_ms = UnixMs(now_);
      },
      record);
}

std::int64_t Core::StartOf(TaskRef task) const {
  const Run* run = FindRun(task.run);
  if (run == nullptr || task.index >= run->tasks.size()) return 0;
  const Duration started = run->tasks.started[task.index];
  return started < Duration::zero() ? 0 : UnixMs(run->submitted + started);
}

std::int64_t Core::UnixMs(Instant instant) const {
  const Duration since_unix = instant.time_since_epoch() + config_.unix_at_zero;
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_unix).count();
}

Instant Core::AtUnixMs(std::int64_t unix_ms) const {
  return Instant(std::chrono::milliseconds(unix_ms) - config_.unix_at_zero);
}

void Core::SendTo(PeerId peer, Message message, JournalPosition after) {
  actions_->push_back({.after = after, .body = Send{.peer = peer, .message = std::move(message)}});
}

void Core::Publish(Message message, JournalPosition after) {
  actions_->push_back({.after = after, .body = Broadcast{.message = std::move(message)}});
}

void Core::Say(Severity severity, std::string text) {
  actions_->push_back({.after = 0, .body = Note{.severity = severity, .text = std::move(text)}});
}

// The first step: what the journal gave back is brought to life. Whatever followed from it before the stop and was
// not written follows again.
void Core::Recover() {
  started_ = true;
  start_ = now_;
  next_beacon_ = now_;
  timers_.Push({.at = now_, .kind = TimerKind::kBeacon});
  for (const auto& run : runs_) {
    // A watcher may know higher numbers than the replay has given: what it has not seen must lie above them.
    run->changed = EpochQualified(config_.epoch, 0);
    for (std::uint32_t task = 0; task < run->tasks.size(); ++task) MarkChanged(*run, task);
    if (HasEnded(run->state)) {
      // An end that is not known, or that lies ahead because the clock was set back, counts as now.
      if (run->ended == kNever) run->elapsed = std::max(now_ - run->submitted, Duration::zero());
      run->ended = std::min(run->ended, now_);
      timers_.Push({.at = run->ended + config_.run_retention, .kind = TimerKind::kRetire, .a = run->slot});
      continue;
    }
    Activate(*run);
    for (std::uint32_t task = 0; task < run->tasks.size(); ++task) {
      const std::uint32_t attempt = run->tasks.attempt[task];
      if (attempt != kNone) orphans_[attempts_[attempt].worker].push_back(attempts_[attempt].id);
    }
    ListUnsettled(*run);
    MarkRunChanged(*run);
  }
  while (ended_runs_.size() > std::max<std::uint32_t>(config_.runs_kept, 1)) RetireRun(ended_runs_.front());
  if (runs_active_ > 0) {
    Say(Severity::kInfo,
        absl::StrFormat("going on with %d runs; %d attempts wait for their workers", runs_active_, attempts_.count()));
  }
  if (orphans_.empty()) return;
  orphans_until_ = now_ + config_.lease;
  timers_.Push({.at = orphans_until_, .kind = TimerKind::kOrphans});
}

// If we were late for our own wake-up, we slept, not the workers: their deadlines move by as much.
void Core::NoticeStall() {
  const Instant wake = timers_.Next();
  if (wake == kNever || now_ - wake <= config_.heartbeat_interval || now_ == start_) return;
  const Duration stall = now_ - wake;
  Say(Severity::kWarning,
      absl::StrFormat("the broker was stalled for %s; leases are extended by that", FormatDuration(stall)));
  const auto shift = [this, stall](Instant& instant) { instant = std::min(now_, instant + stall); };
  for (const auto& session : sessions_) {
    if (session == nullptr) continue;
    shift(session->last_heard);
    shift(session->last_control);
    if (session->asked != kNever) shift(session->asked);
    shift(session->last_heartbeat);
    shift(session->away_since);
    if (session->challenger) session->challenger->deadline += stall;
  }
  orphans_until_ += stall;
}

Run* Core::FindRun(RunId id) const {
  const auto it = run_index_.find(id);
  return it == run_index_.end() ? nullptr : RunAt(it->second);
}

std::uint32_t Core::NameIndex(const std::string& name) {
  const auto [it, fresh] = name_index_.emplace(name, static_cast<std::uint32_t>(names_.size()));
  if (fresh) names_.push_back({.name = name, .host = {}});
  return it->second;
}

// ---- time -----------------------------------------------------------------------------------------------------------

// When the entry is really due; kNever = it is stale.
Instant Core::DueOf(const Timer& timer) const {
  const Run* run = nullptr;
  switch (timer.kind) {
    case TimerKind::kBeacon: return next_beacon_;
    case TimerKind::kSession: {
      const Session* session = timer.a < sessions_.size() ? sessions_[timer.a].get() : nullptr;
      return session == nullptr || session->timer_at != timer.at ? kNever : DueOfSession(*session);
    }
    case TimerKind::kTask: {
      run = RunAt(timer.a);
      if (run == nullptr) return kNever;
      const auto it = run->wake.find(timer.b);
      return it == run->wake.end() ? kNever : it->second;
    }
    case TimerKind::kClassStuck: return classes_[timer.a].stuck_at == timer.at ? timer.at : kNever;
    case TimerKind::kAnnounce:
      run = RunAt(timer.a);
      return run == nullptr || run->announce_at != timer.at ? kNever : timer.at;
    case TimerKind::kTell: run = RunAt(timer.a); return run == nullptr || run->tell_at != timer.at ? kNever : timer.at;
    case TimerKind::kRetire: run = RunAt(timer.a); return run == nullptr ? kNever : run->ended + config_.run_retention;
    case TimerKind::kOrphans: return orphans_.empty() ? kNever : orphans_until_;
  }
  return kNever;
}

void Core::RunTimers() {
  std::vector<std::uint32_t> sessions;
  while (timers_.Next() <= now_) {
    const Timer timer = timers_.Pop();
    const Instant due = DueOf(timer);
    if (timer.kind == TimerKind::kSession && due != kNever) {
      sessions_[timer.a]->timer_at = kNever;
      if (due > now_) {
        Arm(*sessions_[timer.a]);
      } else {
        sessions.push_back(timer.a);
      }
      continue;
    }
    if (due == kNever) continue;
    if (due > now_) {
      timers_.Push({.at = due, .kind = timer.kind, .a = timer.a, .b = timer.b});
    } else {
      Fire(timer);
    }
  }
  if (sessions.empty()) return;
  std::sort(sessions.begin(), sessions.end());
  CheckSessions(sessions);
}

void Core::Fire(const Timer& timer) {
  switch (timer.kind) {
    case TimerKind::kBeacon:
      next_beacon_ = now_ + std::min(config_.heartbeat_interval, kBeaconLimit);
      Publish(Beacon{.epoch = config_.epoch, .number = ++beacons_});
      timers_.Push({.at = next_beacon_, .kind = TimerKind::kBeacon});
      return;
    case TimerKind::kTask: {
      Run& run = *RunAt(timer.a);
      run.wake.erase(timer.b);
      SetPhase(run, timer.b, Phase::kPending);
      return ListPending(run, timer.b);
    }
    case TimerKind::kClassStuck: return FailStuckClass(timer.a);
    case TimerKind::kAnnounce: return;  // the step ends with AnnounceRuns
    case TimerKind::kTell: return TellAccepted(*RunAt(timer.a));
    case TimerKind::kRetire: return RetireRun(timer.a);
    case TimerKind::kOrphans: return ExpireOrphans();
    case TimerKind::kSession: return;
  }
}

// Corrects the top until it is true, so that NextWake is exact.
void Core::PruneTimers() {
  while (!timers_.Empty()) {
    const Timer top = timers_.Top();
    const Instant due = DueOf(top);
    if (due == top.at) return;
    timers_.Pop();
    if (due == kNever) continue;
    if (top.kind == TimerKind::kSession) {
      sessions_[top.a]->timer_at = due;
    }
    timers_.Push({.at = due, .kind = top.kind, .a = top.a, .b = top.b});
  }
}

// Entries that are stale long before their time (of a back-off of an hour whose task was cancelled, of a class whose
// workers come and go) must not pile up.
void Core::SweepTimers() {
  if (timers_.size() <= timers_swept_at_) return;
  timers_.Sweep([this](const Timer& timer) { return DueOf(timer) == kNever; });
  timers_swept_at_ = 2 * timers_.size() + 64;
}

// Tells watchers which runs have changed: at once, then at most every 50 ms, and always at the end.
void Core::AnnounceRuns() {
  std::vector<std::uint32_t> waiting;
  for (const std::uint32_t slot : to_announce_) {
    Run* run = RunAt(slot);
    if (run == nullptr || !run->announce) continue;
    const bool ended = HasEnded(run->state);
    const bool due = run->announced == Instant{} || now_ >= run->announced + kAnnouncePause;
    if (!due && !(ended && !run->announced_end)) {
      waiting.push_back(slot);
      if (run->announce_at != kNever) continue;
      run->announce_at = run->announced + kAnnouncePause;
      timers_.Push({.at = run->announce_at, .kind = TimerKind::kAnnounce, .a = slot});
      continue;
    }
    run->announce = false;
    run->announced = now_;
    run->announce_at = kNever;
    run->announced_end = ended;
    Publish(Changed{.epoch = config_.epoch, .run = run->id, .changed = run->changed, .ended = ended}, run->last_at);
  }
  to_announce_ = std::move(waiting);
}

}  // namespace millrace::sched
