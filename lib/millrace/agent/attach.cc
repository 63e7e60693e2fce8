// SPDX-License-Identifier: Apache-2.0
// Link, hello and session: how the worker comes under a broker, and stays or comes back under it.
#include <algorithm>
#include <utility>

#include "millrace/agent/state.h"

namespace millrace::agent {

Duration Agent::State::Patience() const { return std::max(link.terms.lease, config.self_fence); }

Duration Agent::State::Jittered(Duration wait) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(wait.count()) * (0.5 + random.Unit())));
}

void Agent::State::On(Connected) {
  if (closing.on) return;
  link.up = true;
  link.connected_at = now;
  link.dial_at = kNever;
  link.awaiting = true;  // the broker may not be the one we knew
  link.awaiting_since = now;
  link.hello_said = kNever;
  link.hello_at = now;
}

void Agent::State::On(Disconnected event) {
  if (closing.on) return;
  if (link.up) Tell(Severity::kWarning, "lost the connection to the broker: " + event.reason);
  link.up = false;
  link.dial_at = std::min(link.dial_at, After(now, Jittered(link.backoff)));
  link.backoff = std::min(2 * link.backoff, config.reconnect_limit);
}

void Agent::State::SayHello() {
  ReturnAhead();
  Hello hello;
  hello.takes_ahead = true;
  hello.role = Role::kWorker;
  hello.name = config.name;
  hello.incarnation = config.incarnation;
  hello.host = config.host;
  hello.pid = config.pid;
  hello.version = config.version;
  hello.local = config.local;
  hello.offer = config.offer;
  outbox.AppendHeld(hello.held);
  for (std::uint32_t index = 0; index < slots.size(); ++index) {
    const Slot& slot = slots[index];
    if (slot.busy() && !slot.told && slot.cause != StopCause::kUnwanted) {
      hello.held.push_back(
          {.attempt = slot.attempt, .state = HeldState::kRunning, .task = slot.came_ahead ? slot.task : TaskRef{}});
    }
  }
  for (const AttemptId attempt : lanes.Attempts()) {
    const Lined& lined = *lanes.Find(attempt);
    if (lined.wish != Wish::kDisown) hello.held.push_back(lined.queued->AsHeld(HeldState::kQueued));
  }
  backlog.AppendHeld(hello.held);
  hello.first_report = outbox.first();
  hello.draining = drain.on;
  hello.session = link.session;
  hello.orders_through = link.orders_through;
  hello.broker = link.terms.broker;
  link.hello_said = now;
  link.hello_at = After(now, config.hello_retry);
  Say(std::move(hello));
}

void Agent::State::Doubt(bool fence, std::string why) {
  if (fence) WithdrawAll(Wish::kRequeue);
  link.fenced |= fence;
  if (!link.awaiting) {
    link.awaiting = true;
    link.awaiting_since = now;
    link.hello_at = link.hello_said == kNever ? now : std::max(now, After(link.hello_said, config.hello_retry));
  }
  Tell(Severity::kWarning, std::move(why));
}

void Agent::State::Redial(std::string_view why) {
  Tell(Severity::kWarning, absl::StrFormat("dialling the broker again: %s", why));
  link.up = false;
  link.dial_at = After(now, Jittered(config.reconnect_limit));
  Act(Reconnect{});
}

void Agent::State::TendLink() {
  if (closing.on) return;
  if (now >= After(life.heard, config.broker_lost_timeout)) {
    return Close(
        kExitTempFail,
        absl::StrFormat("nothing heard of a broker for %s (broker_lost_timeout is %s); stopping %d attempts",
                        FormatDuration(now - life.heard), FormatDuration(config.broker_lost_timeout), slots.busy()),
        false);
  }
  if (link.up && now >= After(std::max(life.heard, link.connected_at), Patience())) {
    Redial(absl::StrFormat("nothing heard for %s", FormatDuration(now - life.heard)));
  }
  if (link.up && link.awaiting && now >= After(std::max(link.awaiting_since, link.connected_at), Patience())) {
    Redial(absl::StrFormat("no answer to a hello for %s", FormatDuration(Patience())));
  }
  if (!link.up && now >= link.dial_at) {
    link.dial_at = After(now, Jittered(config.reconnect_limit));
    Act(Reconnect{});
  }
  if (link.up && link.awaiting && now >= link.hello_at) SayHello();
}

void Agent::State::OnWelcome(Welcome welcome) {
  // Another broker's ids say nothing about those that we have: it may be new and count from the start.
  const bool other = link.terms.broker != 0 && welcome.broker != link.terms.broker;
  if (!link.up || !welcome.session.valid()) return;
  if (!other && welcome.session < link.session) return;  // late, from an older session
  if (welcome.protocol < kProtocolOldest || welcome.protocol > kProtocolNewest) {
    return Close(kExitProtocol,
                 absl::StrFormat("the broker chose protocol %d; this worker speaks %d to %d (broker %s, worker %s)",
                                 welcome.protocol, kProtocolOldest, kProtocolNewest, welcome.version, config.version),
                 false);
  }
  const bool fresh = other || welcome.session != link.session;
  for (const AttemptId attempt : welcome.drop) Disown(attempt);
  if (!fresh && !link.awaiting) return;  // the same answer again
  if (fresh) {
    // A new session owns nothing of the old ones but what it says it keeps: not orders, not data, and no attempt that
    // was still on its way to us when we said hello.
    const absl::flat_hash_set<AttemptId> kept(welcome.keep.begin(), welcome.keep.end());
    for (const AttemptId attempt : backlog.Attempts()) {
      if (!kept.contains(attempt)) Disown(attempt);
    }
    for (const AttemptId attempt : lanes.Attempts()) {
      if (!kept.contains(attempt)) Disown(attempt);
    }
    for (std::uint32_t index = 0; index < slots.size(); ++index) {
      if (slots[index].busy() && !kept.contains(slots[index].attempt)) Disown(slots[index].attempt);
    }
    if (other) outbox.HollowAll();
    data.clear();
    link.orders_through = 0;
    welcome.heartbeat_interval = std::max(welcome.heartbeat_interval, kShortestBeat);
    welcome.lease = std::max(welcome.lease, 2 * welcome.heartbeat_interval);
    life.heard_beacon = now;
    life.degraded = false;
    life.beat_at = After(
        now,
        Duration(static_cast<Duration::rep>(random.Unit() * static_cast<double>(welcome.heartbeat_interval.count()))));
    link.session = welcome.session;
    Tell(Severity::kInfo, absl::StrFormat("attached to broker %s (epoch %d), %d attempts kept, %d dropped",
                                          welcome.version, welcome.epoch, welcome.keep.size(), welcome.drop.size()));
    welcome.keep.clear();
    welcome.drop.clear();
    link.terms = std::move(welcome);
  }
  link.awaiting = link.fenced = link.unproven = false;
  link.hello_at = kNever;
  link.backoff = config.reconnect_first;
  outbox.Rewind();
  speech.report_owed = !outbox.empty();
  speech.notice_at = kNever;  // what is missing is sent again without being asked for
  speech.resend_at = kNever;
  speech.resend_delay = kResendFirst;
}

void Agent::State::OnRefused(const Refused& refused) {
  switch (refused.code) {
    case RefusalCode::kUnknownSession:
      if (!link.fenced) Doubt(true, "the broker does not know our session: " + refused.reason);
      return;
    case RefusalCode::kShuttingDown: return On(Disconnected{"it is shutting down: " + refused.reason});
    case RefusalCode::kNotAllowed: return Close(kExitNoPermission, "refused by the broker: " + refused.reason, false);
    case RefusalCode::kVersion:
    case RefusalCode::kDuplicateWorker:
    case RefusalCode::kMalformed: break;
  }
  // These answer a hello; without one to answer they are late, or about something else that we said.
  if (!link.awaiting || refused.retryable) {
    Tell(Severity::kError, "refused by the broker: " + refused.reason);
    return;
  }
  std::int32_t code = kExitProtocol;
  if (refused.code == RefusalCode::kDuplicateWorker) code = kExitConfig;
  if (refused.code == RefusalCode::kMalformed) code = kExitSoftware;
  Close(code, "refused by the broker: " + refused.reason, false);
}

}  // namespace millrace::agent
