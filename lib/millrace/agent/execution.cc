// SPDX-License-Identifier: Apache-2.0
// What the slots do: starting, stopping with a grace, and the end of each attempt.
#include <algorithm>
#include <utility>

#include "millrace/agent/state.h"

namespace millrace::agent {

bool Agent::State::MayStart() const { return link.session.valid() && !link.fenced && !drain.on && !closing.on; }

void Agent::State::StartQueued() {
  if (!MayStart()) return;
  for (const bool takes_cpus : {false, true}) {
    while (const Queued* head = backlog.Front(takes_cpus)) {
      const auto index = slots.FreeFor(slots.Clamp(head->assignment.cpus));
      if (!index.has_value()) break;
      Launch(*index, backlog.PopFront(takes_cpus));
    }
  }
}

void Agent::State::Launch(std::uint32_t index, Queued queued) {
  Assignment& task = queued.assignment;
  Slot& slot = slots.Occupy(index, task.attempt, slots.Clamp(task.cpus));
  slot.task = task.task;
  slot.name = task.name;
  slot.try_number = task.try_number;
  slot.in_process = queued.in_process;
  slot.started = now;
  slot.timeout = queued.timeout;
  slot.memory_limit = queued.memory_limit;
  if (queued.timeout > Duration::zero()) slot.deadline = After(now, queued.timeout);

  Start start;
  start.slot = index;
  start.in_process = queued.in_process;
  start.memory_limit = queued.memory_limit;
  SlotExecute& execute = start.execute;
  execute.attempt = task.attempt;
  execute.task = task.task;
  execute.try_number = task.try_number;
  execute.name = std::move(task.name);
  execute.module = std::move(queued.module);
  execute.inputs = std::move(task.inputs);
  execute.env = std::move(task.env);
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
  Act(std::move(start));
}

void Agent::State::On(SlotSaid event) {
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
    if (slot.busy() && done->attempt == slot.attempt) OnDone(event.slot, std::move(*done));
  }
}

void Agent::State::OnDone(std::uint32_t index, SlotDone done) {
  Slot& slot = slots[index];
  slot.deaths = 0;
  if (slot.killed) {
    slot.done = std::move(done);  // SlotDied is on its way and must not hit the next attempt
  } else {
    Conclude(index, std::move(done), std::nullopt);
    slots.Free(index);
  }
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
  slots.Free(event.slot);
}

// The attempt in this slot is over, or as good as over: says so, once.
void Agent::State::Conclude(std::uint32_t index, std::optional<SlotDone> done, const std::optional<Death>& death) {
  Slot& slot = slots[index];
  if (slot.told) return;
  if (auto report = Verdict(slot, std::move(done), death, now)) return Make(*std::move(report));
  ++counts.given_up;
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
  for (std::uint32_t index = 0; index < slots.size(); ++index) {
    Slot& slot = slots[index];
    if (!slot.busy()) continue;
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
