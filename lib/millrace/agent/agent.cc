// SPDX-License-Identifier: Apache-2.0
#include "millrace/agent/agent.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "millrace/agent/state.h"

namespace millrace::agent {

Agent::Agent(Config config) {
  std::vector<AttemptReport> restored = std::exchange(config.restored, {});
  state_ = std::make_unique<State>(std::move(config), std::move(restored));
}
Agent::~Agent() = default;
void Agent::Step(Instant now, Event event, Actions& actions) { state_->Step(now, std::move(event), actions); }
Instant Agent::NextWake() const { return state_->NextWake(); }
absl::Status Agent::CheckInvariants() const { return state_->CheckInvariants(); }
Footprint Agent::Remembers() const {
  return {.reports = state_->outbox.size(), .queued = state_->backlog.size(), .data = state_->data.size()};
}

Agent::State::State(Config c, std::vector<AttemptReport> restored)
    : config(std::move(c)), random(config.seed), slots(config.offer.cpus, config.extra_slots), lanes(slots.size()) {
  link.terms.broker = config.restored_from;
  for (AttemptReport& report : restored) {
    if (!report.attempt.valid() || outbox.Holds(report.attempt)) continue;
    ++counts.taken;
    ++counts.reported;
    outbox.Add(std::move(report), Instant::min(), config.keeps_outbox);
  }
}

void Agent::State::Step(Instant at, Event event, Actions& actions) {
  if (closing.exited) return;
  out = &actions;
  if (!begun) {
    begun = true;
    now = at;
    link.backoff = config.reconnect_first;
    link.dial_at = After(now, config.reconnect_limit);  // the shell has dialled before it asked us
    life.heard = life.heard_control = life.heard_beacon = life.said = now;
  }
  NoticeGap(std::max(now, at));
  std::visit([this](auto&& taken) { On(std::move(taken)); }, std::move(event));
  TendSlots();
  TendLink();
  TendLiveness();
  if (!forsaken.empty()) ReturnForsaken();
  StartQueued();
  Speak();
  TendDisk();
  TendDrain();
  TendClosing();
  out = nullptr;
}

void Agent::State::On(Heard event) {
  if (closing.on) return;
  if (const auto* beacon = std::get_if<Beacon>(&event.message)) {
    return OnBeacon(beacon->epoch, event.on_heartbeat_channel);
  }
  if (const auto* changed = std::get_if<Changed>(&event.message)) {
    return OnBeacon(changed->epoch, event.on_heartbeat_channel);
  }
  if (event.on_heartbeat_channel) return;  // nothing else has authority there
  life.heard = life.heard_control = now;
  if (auto* welcome = std::get_if<Welcome>(&event.message)) return OnWelcome(std::move(*welcome));
  if (const auto* refused = std::get_if<Refused>(&event.message)) return OnRefused(*refused);
  if (const auto* ping = std::get_if<Ping>(&event.message)) return Say(Pong{ping->nonce});
  if (const auto* recorded = std::get_if<Recorded>(&event.message)) return OnRecorded(*recorded);
  if (auto* assign = std::get_if<Assign>(&event.message)) {
    if (TakeOrder(assign->session, assign->number)) OnAssign(std::move(*assign));
  } else if (const auto* cancel = std::get_if<Cancel>(&event.message)) {
    if (TakeOrder(cancel->session, cancel->number)) OnCancel(*cancel);
  } else if (const auto* take_back = std::get_if<TakeBack>(&event.message)) {
    if (TakeOrder(take_back->session, take_back->number)) OnTakeBack(*take_back);
  } else if (const auto* forget = std::get_if<Forget>(&event.message)) {
    if (!TakeOrder(forget->session, forget->number)) return;
    for (const TaskRef& task : forget->data) data.erase(task);
  } else if (const auto* order = std::get_if<Drain>(&event.message)) {
    if (TakeOrder(order->session, order->number)) BeginDrain(order->reason, false);
  }
}

void Agent::State::On(StopAsked event) {
  if (event.kind == StopKind::kNow) {
    SayGoodbye("stopped at once");
    Close(kExitInterrupted, "stopped at once", true);
  } else {
    BeginDrain("asked to stop", true);
  }
}

Instant Agent::State::NextWake() const {
  if (closing.exited || !begun) return kNever;
  return std::min({NextLinkWake(), NextWorkWake(), NextKeep(), closing.exit_by});
}

// What waits for time while there is a link, a session or the hope of one.
Instant Agent::State::NextLinkWake() const {
  if (closing.on) return kNever;
  Instant next = After(life.heard, config.broker_lost_timeout);
  if (link.up) {
    next = std::min(next, After(std::max(life.heard, link.connected_at), Patience()));
    if (link.awaiting) {
      next = std::min({next, link.hello_at, After(std::max(link.awaiting_since, link.connected_at), Patience())});
    }
  } else {
    next = std::min(next, link.dial_at);
  }
  if (link.session.valid()) {
    if (!link.fenced) next = std::min(next, FenceAt());
    if (!link.unproven) next = std::min(next, life.beat_at);
  }
  if (attached()) {
    next = std::min({next, PingAt(), After(life.heard_control, Patience()), speech.notice_at, output.DueAt()});
    if (outbox.unsent() > 0) next = std::min(next, speech.batch_until);
    if (!outbox.empty()) next = std::min(next, speech.resend_at);
  }
  if (drain.on) next = std::min({next, drain.stop_at, drain.give_up_at});
  return next;
}

Instant Agent::State::NextWorkWake() const {
  Instant next = kNever;
  for (std::uint32_t index = 0; index < slots.end(); ++index) {
    const Slot& slot = slots[index];
    if (!slot.busy()) continue;
    if (slot.cause == StopCause::kNone) next = std::min(next, slot.deadline);
    next = std::min(next, slot.kill_at);
    if (lanes.Waiting(index)) next = std::min(next, After(slot.started, kLaneStall));
    if (attached() && HintDue(slot, Duration::zero())) next = std::min(next, After(slot.started, kStartedHint));
  }
  return next;
}

}  // namespace millrace::agent
