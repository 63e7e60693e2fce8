// SPDX-License-Identifier: Apache-2.0
// How a worker leaves: drained (finish, hand over, say goodbye), or closing (stop everything, exit in bounded time).
#include <algorithm>
#include <utility>

#include "millrace/agent/state.h"

namespace millrace::agent {

std::uint32_t Agent::State::StillRunning() const {
  std::uint32_t running = 0;
  for (std::uint32_t index = 0; index < slots.size(); ++index) running += slots[index].busy() && !slots[index].told;
  return running;
}

// What the broker has disowned and is on its way out: it counts these no more.
std::uint32_t Agent::State::Unwanted() const {
  std::uint32_t unwanted = 0;
  for (std::uint32_t index = 0; index < slots.end(); ++index) {
    const Slot& slot = slots[index];
    unwanted += slot.busy() && !slot.told && slot.cause == StopCause::kUnwanted;
  }
  return unwanted;
}

void Agent::State::BeginDrain(std::string reason, bool by_signal) {
  if (closing.on) return;
  if (!drain.on) {
    drain.on = true;
    drain.reason = std::move(reason);
    Tell(Severity::kInfo, absl::StrFormat("draining: %s; %d attempts run, %d are given back", drain.reason,
                                          slots.busy(), backlog.size() + lanes.size()));
    WithdrawAll(Wish::kReturn);
    ReturnAhead();
    for (const AttemptId attempt : backlog.Attempts()) {
      backlog.Take(attempt);
      ReportUnstarted(attempt, ReportKind::kReturned, Outcome::kNone, "");
    }
  }
  if (!by_signal || drain.stop_at != kNever) return;
  drain.stop_at = After(now, config.drain_timeout);
  drain.give_up_at = After(drain.stop_at, config.kill_grace + kFlushGrace);
  if (!link.session.valid() || link.awaiting) return;
  link.awaiting = true;  // a hello tells the broker; its answer, that everything assigned before has arrived
  link.awaiting_since = now;
  link.hello_at = now;
}

void Agent::State::TendDrain() {
  if (!drain.on || closing.on) return;
  if (now >= drain.stop_at) {
    drain.stop_at = kNever;
    Tell(Severity::kWarning, absl::StrFormat("drain_timeout (%s) is over: stopping %d attempts",
                                             FormatDuration(config.drain_timeout), StillRunning()));
    for (std::uint32_t index = 0; index < slots.size(); ++index) {
      if (slots[index].busy()) Stop(index, StopCause::kLeaving);
    }
  }
  const std::uint32_t running = StillRunning();
  if (now >= drain.give_up_at && (running > 0 || !outbox.empty())) {
    SayGoodbye(drain.reason);
    return Close(kExitTempFail,
                 absl::StrFormat("%s, but %d attempts did not stop and %d reports were not recorded in time",
                                 drain.reason, running, outbox.size()),
                 true);
  }
  if (running > 0 || !outbox.empty()) return;
  const bool answered = !link.up || !link.session.valid() || !link.awaiting;
  if (!answered && now < drain.give_up_at) return;
  SayGoodbye(drain.reason);
  ExitNow(0, drain.reason);
}

void Agent::State::Close(std::int32_t code, std::string reason, bool hard) {
  if (!closing.on) {
    closing.on = true;
    closing.code = code;
    closing.reason = std::move(reason);
    closing.exit_by = After(now, config.kill_grace + kExitGrace);
    for (const AttemptId attempt : backlog.Attempts()) {
      backlog.Take(attempt);
      ++counts.given_up;
    }
    ReturnAhead();
    WithdrawAll(Wish::kLeave);
    for (std::uint32_t index = 0; index < slots.size(); ++index) {
      if (slots[index].busy()) Stop(index, StopCause::kLeaving);
    }
  }
  if (!hard || closing.hard) return;
  closing.hard = true;
  closing.exit_by = After(now, kExitGrace);
  for (std::uint32_t index = 0; index < slots.size(); ++index) {
    if (slots[index].busy() && !slots[index].in_process && !slots[index].killed) KillSlot(index);
  }
}

void Agent::State::TendClosing() {
  if (closing.on && !closing.exited && (StillRunning() == 0 || now >= closing.exit_by)) {
    ExitNow(closing.code, closing.reason);
  }
}

void Agent::State::SayGoodbye(std::string reason) {
  if (!link.up || !link.session.valid()) return;
  SendOutput();
  Say(Goodbye{.session = link.session, .reason = std::move(reason)});
}

void Agent::State::ExitNow(std::int32_t code, std::string reason) {
  closing.exited = true;
  KeepAll();
  Act(Exit{.code = code, .reason = std::move(reason)});
}

}  // namespace millrace::agent
