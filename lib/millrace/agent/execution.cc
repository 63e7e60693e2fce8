// SPDX-License-Identifier: Apache-2.0
// What the slots do: starting, stopping with a grace, and the end of each attempt.
#include <algorithm>
#include <utility>

#include "millrace/agent/state.h"

namespace millrace::agent {

namespace {

bool Fetches(const Payload& payload) { return payload.digest.has_value() && payload.bytes.empty(); }

bool Fetches(const Queued& queued) {
  // Artifacts come and go in the same way: such an attempt has its slot for itself.
  return !queued.produces.empty() || !queued.consumed.empty() || Fetches(queued.assignment.inputs) ||
         std::any_of(queued.needs.begin(), queued.needs.end(),
                     [](const Needed& need) { return Fetches(need.datum->result) || Fetches(need.datum->inputs); });
}

}  // namespace

bool Agent::State::MayStart() const { return link.session.valid() && !link.fenced && !drain.on && !closing.on; }

void Agent::State::StartQueued() {
  if (!MayStart()) return;
  for (const bool takes_cpus : {false, true}) {
    while (const Queued* head = backlog.Front(takes_cpus)) {
      const auto index = slots.FreeFor(slots.Clamp(head->assignment.cpus));
      if (index.has_value()) {
        Launch(*index, *backlog.PopFront(takes_cpus));
      } else if (!takes_cpus || !LineUp(*head)) {
        break;
      }
    }
  }
}

void Agent::State::Launch(std::uint32_t index, const Queued& queued) {
  slots.Occupy(index, queued.assignment.attempt, slots.Clamp(queued.assignment.cpus));
  Seat(index, queued);
  Act(StartOf(index, queued));
}

// The slot has been taken for it.
void Agent::State::Seat(std::uint32_t index, const Queued& queued) {
  const Assignment& task = queued.assignment;
  Slot& slot = slots[index];
  slot.task = task.task;
  slot.name = task.name;
  slot.try_number = task.try_number;
  slot.in_process = queued.in_process;
  slot.came_ahead = queued.came_ahead;
  slot.fetches = Fetches(queued);
  slot.started = now;
  slot.timeout = queued.timeout;
  slot.memory_limit = queued.memory_limit;
  if (queued.timeout > Duration::zero()) slot.deadline = After(now, queued.timeout);
}

Start Agent::State::StartOf(std::uint32_t index, const Queued& queued) const {
  const Assignment& task = queued.assignment;
  Start start;
  start.slot = index;
  start.in_process = queued.in_process;
  start.memory_limit = queued.memory_limit;
  start.secrets = queued.secrets;
  start.produces = queued.produces;
  start.consumed = queued.consumed;
  SlotExecute& execute = start.execute;
  execute.attempt = task.attempt;
  execute.task = task.task;
  execute.try_number = task.try_number;
  execute.name = task.name;
  execute.module = queued.module;
  execute.inputs = task.inputs;
  execute.env = task.env;
  for (const Needed& need : queued.needs) {
    SlotDependency dependency;
    dependency.name = need.datum->name;
    dependency.module = need.datum->module;
    dependency.parameter = need.parameter;
    dependency.outcome = need.datum->outcome;
    dependency.result = need.datum->result;
    dependency.failure = need.datum->failure;
    dependency.inputs = need.datum->inputs;
    execute.needs.push_back(std::move(dependency));
  }
  execute.work_dir = config.work_dir;
  execute.kill_grace = config.kill_grace;
  execute.max_payload = link.terms.max_payload;
  execute.compression = link.terms.compression;
  return start;
}

// Hands the head of the backlog to the slot with the shortest lane, if there is one where attempts take microseconds.
bool Agent::State::LineUp(const Queued& head) {
  if (!head.in_process || head.memory_limit > 0 || slots.Clamp(head.assignment.cpus) != 1 || Fetches(head))
    return false;
  if (!head.secrets.empty()) return false;  // that they cannot be read is said before the end of those in front
  std::uint32_t best = slots.size();
  for (std::uint32_t index = 0; index < std::min<std::int64_t>(slots.cpus(), slots.end()); ++index) {
    const Slot& slot = slots[index];
    if (!slot.busy() || !slot.in_process || slot.cpus != 1 || slot.cause != StopCause::kNone || slot.told ||
        slot.fetches) {
      continue;
    }
    if (now - slot.started >= kLaneStall || !lanes.HasRoom(index)) continue;
    if (best == slots.size() || lanes.length(index) < lanes.length(best)) best = index;
  }
  if (best == slots.size()) return false;
  std::uint64_t arrival = 0;
  QueuedPtr queued = backlog.PopFront(true, &arrival);
  Act(StartOf(best, *queued));
  lanes.Push(best, std::move(queued), arrival);
  return true;
}

// What ran in the slot has ended: the next of its lane runs, and has perhaps been withdrawn.
void Agent::State::Advance(std::uint32_t index) {
  slots.Free(index);
  std::optional<Lined> next = lanes.PopFront(index);
  if (!next.has_value()) return;
  slots.Occupy(index, next->queued->assignment.attempt, 1);
  Seat(index, *next->queued);
  Slot& slot = slots[index];
  switch (next->wish) {
    case Wish::kNone:
    case Wish::kRequeue:
    case Wish::kReturn: break;
    case Wish::kCancel: Stop(index, StopCause::kCancel); break;
    case Wish::kDisown: Stop(index, StopCause::kUnwanted); break;
    case Wish::kLeave: Stop(index, StopCause::kLeaving); break;
  }
  slot.lined = std::move(next);
}

void Agent::State::Withdraw_(AttemptId attempt, Wish wish) {
  Lined* const lined = lanes.Find(attempt);
  if (lined->wish == Wish::kNone) {
    const std::uint32_t slot = lanes.SlotOf(attempt);
    lanes.Withdrawn(slot);
    Act(Withdraw{.slot = slot, .attempt = attempt});
  }
  if (lined->wish != Wish::kDisown) lined->wish = wish;  // whatever else was wanted of it: nobody asks now
}

void Agent::State::WithdrawAll(Wish wish) {
  for (const AttemptId attempt : lanes.Attempts()) Withdraw_(attempt, wish);
}

// An attempt was withdrawn before it began. Behind the one that runs, or in its place by now.
void Agent::State::OnUnstarted(std::uint32_t index, AttemptId attempt) {
  Slot& slot = slots[index];
  if (lanes.Holds(attempt)) {
    if (lanes.SlotOf(attempt) == index) Unline(lanes.Take(attempt));
    return;
  }
  if (slot.attempt != attempt || !slot.lined.has_value()) {
    return Tell(Severity::kError, absl::StrFormat("slot %d: attempt %d was withdrawn, and attempt %d is thought to run",
                                                  index, attempt.value, slot.attempt.value));
  }
  Lined lined = *std::exchange(slot.lined, std::nullopt);
  if (slot.cause == StopCause::kCancel) lined.wish = Wish::kCancel;
  if (slot.cause == StopCause::kUnwanted) lined.wish = Wish::kDisown;
  if (slot.cause == StopCause::kLeaving) lined.wish = Wish::kLeave;
  Unline(std::move(lined));
  Advance(index);
}

void Agent::State::Unline(Lined lined) {
  const AttemptId attempt = lined.queued->assignment.attempt;
  switch (lined.wish) {
    case Wish::kCancel:
      return ReportUnstarted(attempt, ReportKind::kFinished, Outcome::kCancelled, "cancelled before it started");
    case Wish::kReturn: return ReportUnstarted(attempt, ReportKind::kReturned, Outcome::kNone, "");
    case Wish::kNone:
    case Wish::kRequeue:
      if (drain.on) return ReportUnstarted(attempt, ReportKind::kReturned, Outcome::kNone, "");
      if (!closing.on) return backlog.Restore(std::move(lined.queued), lined.arrival);
      break;
    case Wish::kDisown:
    case Wish::kLeave: break;
  }
  ++counts.given_up;
  Settle(attempt, nullptr);
}

void Agent::State::On(SlotSaid&& event) {
  if (event.slot >= slots.size()) return;
  Slot& slot = slots[event.slot];
  if (auto* printed = std::get_if<SlotOutput>(&event.message)) {
    if (!slot.busy() || printed->attempt != slot.attempt || slot.told) return;
    slot.tail.Append(printed->text);
    OutputChunk chunk;
    chunk.attempt = slot.attempt;
    chunk.task = slot.task;
    chunk.is_stderr = printed->is_stderr;
    chunk.text = std::move(printed->text);
    chunk.name = slot.name;
    chunk.try_number = slot.try_number;
    output.Add(std::move(chunk), now);
  } else if (auto* done = std::get_if<SlotDone>(&event.message)) {
    if (!done->started) return OnUnstarted(event.slot, done->attempt);
    if (slot.busy() && done->attempt == slot.attempt) return OnDone(event.slot, std::move(*done));
    if (!slot.in_process) return;  // a host's last words may be late; a thread's are in their order
    Tell(Severity::kError, absl::StrFormat("slot %d: attempt %d has ended there, but attempt %d was thought to run",
                                           event.slot, done->attempt.value, slot.attempt.value));
  }
}

void Agent::State::OnDone(std::uint32_t index, SlotDone&& done) {
  Slot& slot = slots[index];
  slot.deaths = 0;
  if (slot.killed) {
    slot.done = std::move(done);  // SlotDied is on its way and must not hit the next attempt
    return;
  }
  if (slot.in_process) lanes.Measure(index, done.execution);
  Conclude(index, std::move(done), std::nullopt);
  Advance(index);
}

void Agent::State::On(SlotDied event) {
  if (event.slot >= slots.size()) return;
  Slot& slot = slots[event.slot];
  const Death death{.exit_code = event.exit_code,
                    .signal = event.signal,
                    .memory_used = event.memory_used,
                    .oom_killed = event.oom_killed,
                    .supervisor_lost = event.supervisor_lost};
  if (!slot.busy() || slot.in_process) {
    return Tell(Severity::kInfo,
                absl::StrFormat("slot %d: the idle module process ended: %s", event.slot, Describe(death)));
  }
  if (event.done.has_value() && event.done->attempt == slot.attempt) slot.done = std::move(event.done);
  if (slot.done.has_value()) {
    slot.deaths = 0;
  } else if (!slot.killed && ++slot.deaths % std::max(config.crash_restart_limit, 1u) == 0) {
    Tell(Severity::kError,
         absl::StrFormat(
             "slot %d: the module process died %d times in a row without finishing anything, this time with %s",
             event.slot, slot.deaths, Describe(death)));
  }
  Conclude(event.slot, std::exchange(slot.done, std::nullopt), death);
  slots.Free(event.slot);  // it is no thread of ours, and has no lane
}

// The attempt in this slot is over, or as good as over: says so, once.
void Agent::State::Conclude(std::uint32_t index, std::optional<SlotDone>&& done, const std::optional<Death>& death) {
  Slot& slot = slots[index];
  if (slot.told) return;
  if (auto report = Verdict(slot, std::move(done), death, now)) {
    return Make(*std::move(report), slot.came_ahead ? slot.task : TaskRef{});
  }
  ++counts.given_up;
  Settle(slot.attempt, nullptr);
  if (slot.cause == StopCause::kLeaving) left.insert(slot.attempt);
}

void Agent::State::Stop(std::uint32_t index, StopCause cause) {
  Slot& slot = slots[index];
  if (slot.cause != StopCause::kNone) {
    if (cause == StopCause::kUnwanted) slot.cause = cause;  // whatever it was stopped for before: nobody asks now
    return;
  }
  slot.cause = cause;
  slot.stopped_at = now;
  slot.kill_at = After(now, config.kill_grace);
  Act(Terminate{.slot = index, .attempt = slot.attempt});
}

void Agent::State::KillSlot(std::uint32_t index) {
  Slot& slot = slots[index];
  if (slot.killed) {
    Tell(Severity::kWarning, absl::StrFormat("slot %d: '%s' outlived a KILL; killing it again", index, slot.name));
  }
  slot.killed = true;
  slot.kill_at = After(now, std::max<Duration>(config.kill_grace, std::chrono::seconds(1)));
  Act(Kill{index});
}

void Agent::State::TendSlots() {
  for (std::uint32_t index = 0; index < slots.end(); ++index) {
    Slot& slot = slots[index];
    if (!slot.busy()) continue;
    if (lanes.Waiting(index) && now >= After(slot.started, kLaneStall)) {
      for (const AttemptId attempt : lanes.Attempts(index)) {
        if (lanes.Find(attempt)->wish == Wish::kNone) Withdraw_(attempt, Wish::kRequeue);
      }
    }
    if (slot.cause == StopCause::kNone && now >= slot.deadline) Stop(index, StopCause::kTimeout);
    if (now < slot.kill_at) continue;
    if (!slot.in_process) {
      KillSlot(index);
      continue;
    }
    // Nothing can end a thread but itself. The attempt's end is told, or a run would wait for it for ever; the slot
    // stays taken for as long as it is.
    slot.kill_at = kNever;
    Tell(Severity::kWarning,
         absl::StrFormat(
             "slot %d: '%s' runs in this process and does not stop when asked; the slot stays taken until it does",
             index, slot.name));
    Conclude(index, std::nullopt, std::nullopt);
    slot.told = true;
  }
}

}  // namespace millrace::agent
