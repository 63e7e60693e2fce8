// SPDX-License-Identifier: Apache-2.0
// Who is alive: heartbeats, leases, pings, and the doubt whether it is rather us who slept.
#include <algorithm>

#include "millrace/base/status.h"
#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

constexpr int kSilentIntervals = 3;  // of a heartbeat channel that is taken for down
constexpr int kPingIntervals = 2;    // of silence before the control channel is tried
constexpr int kPingShare = 3;        // of a lease: the last such part of it is for an answer on the control channel
constexpr int kStrangeBeats = 2;     // in a row that do not add up, before the worker is asked what it holds
constexpr std::size_t kMassSessions = 5;

}  // namespace

std::string Session::Title() const { return absl::StrFormat("%s (process %d on %s)", name, pid, host); }

// The session that this peer may speak for; answers and counts if there is none.
Session* Core::Authentic(PeerId peer, SessionId id) {
  const auto known = peers_.find(peer);
  if (known != peers_.end() && known->second.role == Role::kClient) {
    ++protocol_errors_;
    Refuse(peer, RefusalCode::kNotAllowed, "only workers report");
    return nullptr;
  }
  const auto it = session_index_.find(id);
  if (it == session_index_.end()) {
    Refuse(peer, RefusalCode::kUnknownSession, "this broker does not know the session: say hello again", true);
    return nullptr;
  }
  Session& session = *sessions_[it->second];
  if (session.peer == peer) return &session;
  ++protocol_errors_;
  return nullptr;
}

void Core::HeardOf(Session& session, bool on_heartbeat_channel) {
  if (session.link != Link::kLive) return;  // away: the lease runs until it says hello
  session.last_heard = now_;
  if (!on_heartbeat_channel) {
    session.last_control = now_;
    session.asked = kNever;
    return;
  }
  session.last_heartbeat = now_;
  if (!session.degraded) return;
  session.degraded = false;
  Say(Severity::kInfo, absl::StrFormat("the heartbeat channel of worker %s works again", session.Title()));
}

void Core::OnBeat(PeerId peer, const Beat& beat, bool on_heartbeat_channel) {
  const auto it = session_index_.find(beat.session);
  if (it == session_index_.end()) {
    if (!on_heartbeat_channel) {
      Authentic(peer, beat.session);
    } else if (const auto stale = stale_.find(beat.session); stale != stale_.end()) {
      Refuse(stale->second, RefusalCode::kUnknownSession, "the session was lost: say hello again", true);
    }
    return;
  }
  Session* session = sessions_[it->second].get();
  if (!on_heartbeat_channel) session = Authentic(peer, beat.session);
  if (session == nullptr) return;
  if (session->incarnation != beat.incarnation) {
    ++protocol_errors_;
    return;
  }
  if (beat.number <= session->last_beat) return;
  session->last_beat = beat.number;
  HeardOf(*session, on_heartbeat_channel);
  Acknowledge(*session, beat.orders_through);
  Compare(*session, beat);
}

// When both sides have all that the other has said, they hold the same attempts. Should they not, whatever went wrong,
// a hello sets it right; a task that one side has forgotten must not wait for ever. An answer to a hello may be on its
// way, so that one strange beat means nothing.
void Core::Compare(Session& session, const Beat& beat) {
  const bool level = session.link == Link::kLive && !session.has_orders &&
                     session.orders_acked == session.orders_sent && beat.orders_through == session.orders_sent &&
                     beat.reports_through == session.reports_through;
  if (!level || std::uint64_t{beat.running} + beat.queued == session.held) {
    session.strange_beats = 0;
    return;
  }
  if (++session.strange_beats < kStrangeBeats) return;
  session.strange_beats = 0;
  Say(Severity::kWarning, absl::StrFormat("worker %s holds %d attempts and should hold %d: asking it which",
                                          session.Title(), std::uint64_t{beat.running} + beat.queued, session.held));
  Refuse(session.peer, RefusalCode::kUnknownSession, "you and the broker disagree on what you hold: say hello again",
         true);
}

// Many workers beat more slowly, so that all of them together stay cheap; never so slowly that a lease is at risk.
Duration Core::IntervalFor(std::size_t sessions) const {
  const Duration scaled = std::chrono::milliseconds(20) * static_cast<std::int64_t>(sessions);
  return std::max(config_.heartbeat_interval, std::min<Duration>(scaled, config_.lease / 3));
}

// Silent for a lease, on every channel; or on the control channel alone, where it was asked for a word a lease ago.
// Work and results need that one, and it may be dead in a way that TCP does not see: beats alone would keep its tasks
// for ever.
bool Core::Expired(const Session& session) const { return now_ >= ExpiryOf(session); }

Instant Core::ExpiryOf(const Session& session) const {
  if (session.link == Link::kAway) return session.away_since + config_.lease;
  const Instant silent = session.last_heard + config_.lease;
  return session.asked == kNever ? silent : std::min(silent, session.asked + config_.lease);
}

// When the worker should be asked for a word on the control channel.
Instant Core::PingAt(const Session& session) const {
  const Instant silent = std::min(session.last_heard + kPingIntervals * session.interval,
                                  session.last_control + config_.lease - config_.lease / kPingShare);
  return std::max(silent, session.last_ping + session.interval);
}

Instant Core::DueOfSession(const Session& session) const {
  if (session.link == Link::kLost) return session.lost_at + 2 * config_.lease;
  const Instant guard = mass_guard_ ? mass_guard_until_ : Instant::min();
  if (session.link == Link::kAway) return std::max(ExpiryOf(session), guard);
  Instant due = std::max(ExpiryOf(session), guard);
  due = std::min(due, PingAt(session));
  if (!config_.planes.heartbeat.empty() && !session.degraded) {
    const Instant silent = session.last_heartbeat + kSilentIntervals * session.interval;
    due = std::min(due, std::max(silent, session.degrade_check));
  }
  if (!session.unacked.empty()) due = std::min(due, session.orders_sent_at + session.interval);
  if (session.challenger) due = std::min(due, session.challenger->deadline);
  return due;
}

void Core::Arm(Session& session) {
  const Instant due = DueOfSession(session);
  if (due >= session.timer_at) return;
  session.timer_at = due;
  timers_.Push({.at = due, .kind = TimerKind::kSession, .a = session.index});
}

void Core::CheckSessions(const std::vector<std::uint32_t>& due) {
  // Also when it does: only their ends are put off by that, whatever else is due with them is done now.
  static_cast<void>(SuspectOurselves(due));
  for (const std::uint32_t index : due) {
    if (sessions_[index] != nullptr) CheckSession(*sessions_[index]);
  }
}

// When most of the workers seem to have died at once, more likely our own network did: one more interval, once.
bool Core::SuspectOurselves(const std::vector<std::uint32_t>& due) {
  if (mass_guard_) {
    if (now_ < mass_guard_until_) return false;
    mass_guard_ = false;  // they have had their chance
    return false;
  }
  std::vector<std::uint32_t> expired;
  for (const std::uint32_t index : due) {
    const Session* session = sessions_[index].get();
    if (session != nullptr && session->link != Link::kLost && Expired(*session)) expired.push_back(index);
  }
  const std::size_t all = session_index_.size();
  if (all < kMassSessions || expired.size() * 2 <= all) return false;
  if (mass_guard_until_ + config_.lease > now_ && mass_guard_until_ != Instant{}) return false;
  mass_guard_ = true;
  mass_guard_until_ = now_ + config_.heartbeat_interval;
  Say(Severity::kWarning, absl::StrFormat("%d of %d workers fell silent at once: waiting %s more before giving them up",
                                          expired.size(), all, FormatDuration(config_.heartbeat_interval)));
  for (const std::uint32_t index : expired) {
    if (sessions_[index]->link == Link::kLive) SendTo(sessions_[index]->peer, Ping{.nonce = ++next_nonce_});
    sessions_[index]->last_ping = now_;
  }
  return true;
}

void Core::CheckSession(Session& session) {
  if (session.link == Link::kLost) {
    if (now_ >= session.lost_at + 2 * config_.lease) return DropSession(session.index);
    return Arm(session);
  }
  const bool guarded = mass_guard_ && now_ < mass_guard_until_;
  if (Expired(session) && !guarded) {
    const bool beats = session.link == Link::kLive && now_ < session.last_heard + config_.lease;
    const char* const on_beats = beats ? ", but for its heartbeats" : "";
    return EndSession(session, Departure::kCrash,
                      absl::StrFormat("was silent for more than %s%s", FormatDuration(config_.lease), on_beats));
  }
  if (session.link == Link::kAway) return Arm(session);
  if (session.challenger && now_ >= session.challenger->deadline) {
    return EndSession(session, Departure::kCrash, "did not answer, and was replaced by a new process");
  }
  if (!session.unacked.empty() && now_ >= session.orders_sent_at + session.interval) Resend(session);
  if (now_ >= PingAt(session)) {
    session.last_ping = now_;
    if (session.asked == kNever) session.asked = now_;
    SendTo(session.peer, Ping{.nonce = ++next_nonce_});
  }
  const bool silent = now_ >= session.last_heartbeat + kSilentIntervals * session.interval;
  const bool control = now_ < session.last_control + kPingIntervals * session.interval;
  if (silent) session.degrade_check = now_ + session.interval;
  if (!config_.planes.heartbeat.empty() && !session.degraded && silent && control) {
    session.degraded = true;
    Say(Severity::kWarning,
        absl::StrFormat("nothing comes over the heartbeat channel of worker %s; its control channel "
                        "works: is port %s open?",
                        session.Title(), config_.planes.heartbeat));
  }
  Arm(session);
}

}  // namespace millrace::sched
