// SPDX-License-Identifier: Apache-2.0
// How workers come, come again, meet a namesake, and go.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "millrace/base/status.h"
#include "millrace/sched/core.h"
#include "millrace/sched/hello_check.h"

namespace millrace::sched {
void Core::Refuse(PeerId peer, RefusalCode code, std::string reason, bool retryable) {
  SendTo(peer, Refused{.code = code, .reason = std::move(reason), .retryable = retryable});
}

void Core::OnHello(PeerId peer, Hello hello) {
  if (hello.oldest > kProtocolNewest || hello.newest < kProtocolOldest) {
    return Refuse(
        peer, RefusalCode::kVersion,
        absl::StrFormat("this broker (%s) speaks protocol %d to %d, you (%s) speak %d to %d: update the older",
                        config_.version, kProtocolOldest, kProtocolNewest, hello.version, hello.oldest, hello.newest));
  }
  if (hello.role == Role::kClient) return OnClientHello(peer, hello);
  if (const absl::Status status = CheckHello(hello); !status.ok()) {
    ++protocol_errors_;
    return Refuse(peer, RefusalCode::kMalformed, TextOf(status));
  }
  if (const auto it = peers_.find(peer); it != peers_.end()) {
    const bool other = it->second.session != kNone && sessions_[it->second.session]->name != hello.name;
    if (it->second.role == Role::kClient || other) {
      ++protocol_errors_;
      return Refuse(peer, RefusalCode::kNotAllowed, "this connection already belongs to somebody else");
    }
  }
  // Attempts of another broker's data may have the ids of ours. The worker lets go of them by itself.
  if (hello.broker != 0 && hello.broker != config_.identity) hello.held.clear();
  const auto it = holders_.find(hello.name);
  if (it == holders_.end()) {
    const absl::Status room = CheckRoom(sessions_.size() - free_sessions_.size());
    if (room.ok()) return Admit(peer, hello);
    return Refuse(peer, RefusalCode::kNotAllowed, TextOf(room));
  }
  Session& holder = *sessions_[it->second];
  if (holder.incarnation == hello.incarnation) return Reattach(holder, peer, hello);
  if (holder.link == Link::kLive && holder.peer != peer) return Challenge(holder, peer, std::move(hello));
  if (holder.peer == peer) holder.peer = {};
  holder.challenger = Challenger{.peer = peer, .hello = std::move(hello)};
  EndSession(holder, Departure::kCrash, "was replaced by a new process");
}

void Core::OnClientHello(PeerId peer, const Hello& hello) {
  const auto it = peers_.find(peer);
  if (it != peers_.end() && it->second.role == Role::kWorker) {
    ++protocol_errors_;
    return Refuse(peer, RefusalCode::kNotAllowed, "this connection belongs to a worker");
  }
  Peer& known = peers_[peer];
  known.role = Role::kClient;
  known.session = kNone;
  known.stale = {};
  SendTo(peer, Welcome{.protocol = std::min(kProtocolNewest, hello.newest),
                       .session = {},
                       .epoch = config_.epoch,
                       .version = config_.version,
                       .heartbeat_interval = config_.heartbeat_interval,
                       .lease = config_.lease,
                       .max_payload = config_.max_payload,
                       .compression = config_.compression,
                       .planes = config_.planes,
                       .keep = {},
                       .drop = {},
                       .broker = config_.identity});
}

// Two processes with one name: the holder keeps its place if it still answers.
void Core::Challenge(Session& holder, PeerId peer, Hello hello) {
  if (holder.challenger && holder.challenger->hello.incarnation == hello.incarnation) {
    holder.challenger->peer = peer;
    holder.challenger->hello = std::move(hello);
    return;
  }
  if (holder.challenger) {
    return Refuse(peer, RefusalCode::kDuplicateWorker,
                  absl::StrFormat("worker id '%s' is in use, and another process wants it too", hello.name));
  }
  const std::uint64_t nonce = ++next_nonce_;
  holder.challenger =
      Challenger{.peer = peer, .hello = std::move(hello), .deadline = now_ + config_.duplicate_ping, .nonce = nonce};
  SendTo(holder.peer, Ping{.nonce = nonce});
  Arm(holder);
}

void Core::OnPong(PeerId peer, const Pong& pong) {
  const auto it = peers_.find(peer);
  if (it == peers_.end() || it->second.session == kNone) return;
  Session& session = *sessions_[it->second.session];
  if (session.link != Link::kLive || session.peer != peer) return;
  HeardOf(session, false);
  if (session.challenger && session.challenger->nonce == pong.nonce) RefuseChallenger(session);
}

void Core::RefuseChallenger(Session& session) {
  const Challenger challenger = *std::exchange(session.challenger, std::nullopt);
  Refuse(challenger.peer, RefusalCode::kDuplicateWorker,
         absl::StrFormat("worker id '%s' is held by process %d on host '%s', which is alive; choose another id",
                         session.name, session.pid, session.host));
  Say(Severity::kWarning, absl::StrFormat("refused a second worker '%s' (process %d on host '%s'): %s is alive",
                                          session.name, challenger.hello.pid, challenger.hello.host, session.Title()));
}

void Core::Admit(PeerId peer, const Hello& hello) {
  std::uint32_t index = static_cast<std::uint32_t>(sessions_.size());
  if (free_sessions_.empty()) {
    sessions_.emplace_back();
  } else {
    index = free_sessions_.back();
    free_sessions_.pop_back();
  }
  sessions_[index] = std::make_unique<Session>();
  Session& session = *sessions_[index];
  session.id = {EpochQualified(config_.epoch, ++next_session_)};
  session.index = index;
  session.name = hello.name;
  session.name_index = NameIndex(hello.name);
  session.incarnation = hello.incarnation;
  session.host = hello.host;
  names_[session.name_index].host = hello.host;
  session.pid = hello.pid;
  session.version = hello.version;
  session.local = hello.local;
  session.draining = hello.draining;
  session.takes_ahead = hello.takes_ahead;
  session.offer = hello.offer;
  session.room = RoomOf(hello.offer);
  session.reports_through = hello.first_report > 0 ? hello.first_report - 1 : 0;
  session.last_heard = session.last_control = session.last_heartbeat = session.last_ping = now_;
  session.serves.resize(classes_.size(), false);
  for (std::uint32_t i = 0; i < classes_.size(); ++i) {
    if (classes_[i].users == 0) continue;
    session.serves[i] = CanServe(classes_[i].key.requirements, classes_[i].Module(), session.offer);
  }
  holders_[session.name] = index;
  session_index_.emplace(session.id, index);
  session.interval = IntervalFor(session_index_.size());
  BindPeer(session, peer);
  Forgive(session);
  SessionServing(session, false);
  std::vector<AttemptId> keep;
  std::vector<AttemptId> drop;
  Adopt(session, hello, keep, drop);
  Say(Severity::kInfo, absl::StrFormat("worker %s joined with %d slots", session.Title(), session.offer.cpus));
  Welcomed(session, std::move(keep), std::move(drop));
}

// It was thought lost and is alive: no crash happened. Its reports go on where they were.
void Core::Forgive(Session& session) {
  const auto it = lost_.find({session.name, session.incarnation});
  if (it == lost_.end()) return;
  const std::uint32_t old = it->second;
  session.reports_through = std::max(session.reports_through, sessions_[old]->reports_through);
  session.recorded_after = sessions_[old]->recorded_after;
  session.last_beat = sessions_[old]->last_beat;
  session.completed = sessions_[old]->completed;
  for (const TaskKey key : sessions_[old]->blamed) {
    const Run* run = RunAt(key.run);
    if (run == nullptr || run->tasks.phase[key.task] == Phase::kEnded) continue;
    if (!run->tasks.Has(key.task, TaskFlag::kSuspect)) continue;
    Commit(CrashForgiven{.task = {run->id, key.task}});
  }
  DropSession(old);
}

// Attempts of an earlier broker, or of an earlier process of the worker, that it still holds go on; those of the former
// that it does not have run again. What has ended needs nothing any more that the worker might not offer now.
void Core::Adopt(Session& session, const Hello& hello, std::vector<AttemptId>& keep, std::vector<AttemptId>& drop) {
  for (const Held& held : hello.held) {
    const std::uint32_t index = attempts_.Find(held.attempt);
    if (index == kNone && AdoptAhead(session, held)) {
      keep.push_back(held.attempt);
      continue;
    }
    const bool own = index != kNone && attempts_[index].session == kNone &&
                     attempts_[index].worker == session.name_index &&
                     (held.state == HeldState::kFinished ||
                      session.Serves(RunAt(attempts_[index].task.run)->ClassOf(attempts_[index].task.task)));
    if (!own) {
      drop.push_back(held.attempt);
      continue;
    }
    keep.push_back(held.attempt);
    attempts_[index].order = 0;
    AddHeld(session, index);
    attempts_[index].direct = false;
    const TaskKey key = attempts_[index].task;
    Run& run = *RunAt(key.run);
    if (held.state != HeldState::kQueued) SetPhase(run, key.task, Phase::kRunning);
    if (!attempts_[index].cancel_asked) continue;
    session.to_cancel.push_back(held.attempt);
    NoteOrders(session);
  }
  ReturnOrphansOf(session.name_index, true);
}

// The same process on a new connection, or unsure of itself: its session goes on.
void Core::Reattach(Session& session, PeerId peer, const Hello& hello) {
  const bool before = session.Serving();
  if (session.peer.valid() && session.peer != peer) {
    ForgetPeer(session.peer);
    actions_->push_back({.after = 0, .body = Disconnect{.peer = session.peer}});
  }
  if (session.link == Link::kAway) {
    Say(Severity::kInfo,
        absl::StrFormat("worker %s is back after %s", session.Title(), FormatDuration(now_ - session.away_since)));
  }
  session.link = Link::kLive;
  session.draining = session.draining || hello.draining;
  session.host = hello.host;
  session.pid = hello.pid;
  // What it has forgotten since the hello that made this session, an earlier session has recorded: it does not come.
  session.reports_through = std::max(session.reports_through, std::max<std::uint64_t>(hello.first_report, 1) - 1);
  BindPeer(session, peer);
  HeardOf(session, false);
  if (session.challenger) RefuseChallenger(session);
  SessionServing(session, before);
  absl::flat_hash_set<AttemptId> held;
  std::vector<AttemptId> keep;
  std::vector<AttemptId> drop;
  for (const Held& one : hello.held) {
    const std::uint32_t index = attempts_.Find(one.attempt);
    const bool own = index != kNone ? attempts_[index].session == session.index : session.ahead.contains(one.attempt);
    (own ? keep : drop).push_back(one.attempt);
    held.insert(one.attempt);
  }
  // A hello that was long on its way knows nothing of orders that were taken since.
  const std::uint64_t through = hello.session == session.id ? hello.orders_through : 0;
  RecantBut(session, held, through);
  std::vector<std::uint32_t> missing;
  for (std::uint32_t at = session.first; at != kNone; at = attempts_[at].next) {
    if (attempts_[at].order <= through && !held.contains(attempts_[at].id)) missing.push_back(at);
  }
  for (const std::uint32_t index : missing) AssignAgain(session, index);
  Welcomed(session, std::move(keep), std::move(drop));
  Resend(session);
}

// The worker took the order and has lost the attempt: the same one is ordered again, with all it needs.
void Core::AssignAgain(Session& session, std::uint32_t index) {
  const TaskKey key = attempts_[index].task;
  Run& run = *RunAt(key.run);
  if (!run.PolicyOf(key.task).idempotent) return LoseAttempt(index, false, false);
  for (const Dependency need : run.NeedsOf(key.task)) {
    const TaskKey datum{.run = key.run, .task = need.task};
    if (session.data.erase(datum) == 0) continue;
    auto& holders = data_holders_[datum];
    holders.erase(std::find(holders.begin(), holders.end(), session.index));
  }
  attempts_[index].order = kUnsent;
  session.to_assign.push_back(index);
  NoteOrders(session);
}

void Core::BindPeer(Session& session, PeerId peer) {
  session.peer = peer;
  Peer& bound = peers_[peer];
  bound.role = Role::kWorker;
  bound.session = session.index;
}

void Core::Welcomed(Session& session, std::vector<AttemptId> keep, std::vector<AttemptId> drop) {
  SendTo(session.peer, Welcome{.protocol = kProtocolNewest,
                               .session = session.id,
                               .epoch = config_.epoch,
                               .version = config_.version,
                               .heartbeat_interval = session.interval,
                               .lease = config_.lease,
                               .max_payload = config_.max_payload,
                               .compression = config_.compression,
                               .planes = config_.planes,
                               .keep = std::move(keep),
                               .drop = std::move(drop),
                               .broker = config_.identity});
  Arm(session);
}

void Core::ForgetPeer(PeerId peer) {
  const auto it = peers_.find(peer);
  if (it == peers_.end()) return;
  if (it->second.stale.valid()) stale_.erase(it->second.stale);
  for (const std::uint32_t slot : it->second.awaits) {
    if (Run* run = RunAt(slot)) std::erase_if(run->waiters, [peer](const Waiter& one) { return one.peer == peer; });
  }
  peers_.erase(it);
}

void Core::OnPeerGone(const PeerGone& event) {
  for (const auto& session : sessions_) {
    if (session != nullptr && session->challenger && session->challenger->peer == event.peer) {
      session->challenger.reset();
    }
  }
  const auto it = peers_.find(event.peer);
  if (it == peers_.end()) return;
  const std::uint32_t index = it->second.session;
  ForgetPeer(event.peer);
  if (index == kNone || sessions_[index]->peer != event.peer) return;
  Session& session = *sessions_[index];
  session.peer = {};
  if (session.link != Link::kLive) return;
  if (event.revoked) return EndSession(session, Departure::kGoodbye, "has lost its key");
  if (event.process_dead) return EndSession(session, Departure::kCrash, "has died");
  const bool before = session.Serving();
  session.link = Link::kAway;
  session.away_since = now_;
  SessionServing(session, before);
  Say(Severity::kWarning, absl::StrFormat("worker %s has lost its connection; it keeps %d tasks for %s",
                                          session.Title(), session.held, FormatDuration(config_.lease)));
  Arm(session);
  if (!session.challenger) return;
  EndSession(session, Departure::kCrash, "was replaced by a new process");
}

void Core::OnGoodbye(PeerId peer, const Goodbye& goodbye) {
  Session* session = Authentic(peer, goodbye.session);
  if (session == nullptr) return;
  EndSession(*session, Departure::kGoodbye,
             goodbye.reason.empty() ? "said goodbye" : absl::StrFormat("said goodbye: %s", goodbye.reason));
}

}  // namespace millrace::sched
