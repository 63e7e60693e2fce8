// SPDX-License-Identifier: Apache-2.0
// Who is alive: our heartbeats, the broker's beacons, the fence against starting work for a broker that may be gone,
// and the pauses of this very process.
#include <algorithm>

#include "millrace/agent/state.h"

namespace millrace::agent {

// A process that was stopped (SIGSTOP, a suspended machine) must not go on as if no time had passed: its lease may be
// over and its attempts may run elsewhere. Nor must it blame the broker for a silence that was its own.
void Agent::State::NoticeGap(Instant at) {
  const Duration still = at - now;
  const Instant wake = still > link.terms.lease && link.session.valid() ? NextWake() : kNever;
  now = at;
  if (wake == kNever || at < wake || at - wake < link.terms.heartbeat_interval) return;  // there was nothing to do
  for (Instant* heard :
       {&life.heard, &life.heard_control, &life.heard_beacon, &link.connected_at, &link.awaiting_since}) {
    *heard += at - wake;
  }
  link.unproven = true;
  Doubt(true,
        absl::StrFormat("this worker stood still for %s (lease %s): asking whether its attempts are still its own",
                        FormatDuration(still), FormatDuration(link.terms.lease)));
  link.hello_at = now;
  TendLink();
}

void Agent::State::OnBeacon(Epoch epoch, bool on_heartbeat_channel) {
  if (!on_heartbeat_channel) life.heard_control = now;
  if (!link.session.valid() || epoch < link.terms.epoch) return;
  if (epoch > link.terms.epoch) {
    if (!link.fenced) {
      Doubt(true, absl::StrFormat("the broker was restarted (epoch %d, ours is %d)", epoch, link.terms.epoch));
    }
    return;
  }
  life.heard = now;
  if (!on_heartbeat_channel) return;
  life.heard_beacon = now;
  if (life.degraded) {
    life.degraded = false;
    Tell(Severity::kInfo, "the heartbeat channel is back");
  }
}

// Well within the lease, after which the broker gives our attempts to others.
Duration Agent::State::Fence() const {
  return link.session.valid() ? std::min(config.self_fence, link.terms.lease / 3 * 2) : config.self_fence;
}

Instant Agent::State::FenceAt() const { return After(life.heard, Fence()); }

// Silence is broken by asking, well before it counts as the broker's: any answer renews.
Instant Agent::State::PingAt() const {
  const Instant silent = std::min(After(life.heard, Fence() / 2), After(life.heard_control, Patience() / 2));
  return std::max(silent, After(life.pinged, link.terms.heartbeat_interval));
}

void Agent::State::TendLiveness() {
  if (closing.on || !link.session.valid()) return;
  if (!link.fenced && now >= FenceAt()) {
    Doubt(true, absl::StrFormat("nothing heard of the broker for %s: starting nothing new",
                                FormatDuration(now - life.heard)));
    TendLink();
  }
  if (attached() && now >= After(life.heard_control, Patience())) {
    Doubt(false,
          absl::StrFormat("the control channel has been silent for %s", FormatDuration(now - life.heard_control)));
    TendLink();
  }
  if (!link.unproven && now >= life.beat_at) SendBeat();
  if (attached() && now >= PingAt()) {
    life.pinged = now;
    Say(Ping{++life.pings});
  }
}

void Agent::State::SendBeat() {
  const Duration interval = link.terms.heartbeat_interval;
  life.beat_at = After(now, interval);
  // Only while there is a connection is the channel to blame for a silence.
  const Duration silent = now - std::max(life.heard_beacon, link.connected_at);
  if (attached() && !link.terms.planes.events.empty() && !life.degraded && silent > kBeatsMissed * interval) {
    life.degraded = true;
    Tell(Severity::kWarning,
         absl::StrFormat("no heartbeat of the broker for %s: using the control channel for ours too",
                         FormatDuration(silent)));
  }
  Beat beat;
  beat.session = link.session;
  beat.incarnation = config.incarnation;
  beat.orders_through = link.orders_through;
  beat.reports_through = outbox.newest();
  beat.running = StillRunning() - Unwanted();
  beat.queued = static_cast<std::uint32_t>(backlog.size() + lanes.size());
  if (!BeatsByControlOnly()) {
    beat.number = ++life.beats;
    Act(Publish{beat});
  }
  if (attached() && (BeatsByControlOnly() || life.degraded || now - life.said >= kBeatsMissed * interval)) {
    beat.number = ++life.beats;
    Say(beat);
  }
}

}  // namespace millrace::agent
