// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/slot_set.h"

#include <optional>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/exec/environment.h"
#include "millrace/exec/slot_process.h"
#include "millrace/log/log.h"
#include "millrace/serve/slot_thread.h"
#include "millrace/wire/slot_frame.h"

namespace millrace::serve {

// Ends of attempts with another one behind them that may wait together before anybody is woken for them.
constexpr std::size_t kSaidAtOnce = 64;

// A module host and what is known of it. The process is kept between attempts.
struct SlotSet::HostSlot {
  std::unique_ptr<exec::SlotProcess> process;
  bool host_alive = false;
  exec::ExitStatus last_exit;
  std::optional<SlotDone> held;                    // what it said at its end, until that is done
  std::optional<exec::OutOfMemory> out_of_memory;  // told ahead of the end of the host
};

SlotSet::SlotSet(Options options) : options_(std::move(options)) {
  hosts_.resize(options_.slots);
  threads_.resize(options_.slots);
}

SlotSet::~SlotSet() = default;

void SlotSet::Start(agent::Start&& start) {
  if (start.slot >= options_.slots) {
    return Fail(start.slot, start.execute.attempt, Internal("slot %d of %d was asked for", start.slot, options_.slots));
  }
  if (!start.secrets.empty()) {
    auto secrets = exec::ReadSecrets(options_.secrets, start.secrets);
    if (!secrets.ok()) return Fail(start.slot, start.execute.attempt, secrets.status(), false);
    start.execute.secrets = *std::move(secrets);
  }
  if (start.in_process) {
    if (start.memory_limit > 0) {
      log::Warning("slot %d: '%s' runs in this process, so its memory_limit does not hold", start.slot,
                   start.execute.name);
    }
    StartOnThread(start.slot, std::move(start.execute));
  } else {
    StartInHost(start.slot, std::move(start.execute), start.memory_limit);
  }
}

void SlotSet::Fail(std::uint32_t slot, AttemptId attempt, const absl::Status& status, bool transient) {
  SlotDone done;
  done.attempt = attempt;
  done.outcome = Outcome::kFailed;
  done.failure.message = TextOf(Annotate(status, "starting the module"));
  done.failure.transient = transient;
  said_.Push({slot, std::move(done)});
}

void SlotSet::StartInHost(std::uint32_t index, SlotExecute&& execute, std::int64_t memory_limit) {
  if (!hosts_[index]) hosts_[index] = std::make_unique<HostSlot>();
  HostSlot& slot = *hosts_[index];
  const AttemptId attempt = execute.attempt;
  absl::Status status;
  if (!slot.process) {
    exec::SlotOptions options;
    options.host_args = options_.host_args;
    options.host_args.push_back(exec::ConfinementText(options_.confinement));
    options.env = exec::ChildEnvironment({});
    options.directory = options_.work_dir;
    options.max_frame = options_.max_frame;
    auto process = exec::SlotProcess::Start(std::move(options));
    status = process.status();
    if (process.ok()) slot.process = *std::move(process);
  } else if (!slot.host_alive) {
    status = slot.process->RestartHost();
  }
  if (status.ok()) {
    slot.host_alive = true;
    if (memory_limit > 0) slot.process->LimitMemory(memory_limit);
    status = slot.process->Send(wire::EncodeSlotMessage(std::move(execute)));
  }
  if (!status.ok()) Fail(index, attempt, status);
}

void SlotSet::StartOnThread(std::uint32_t index, SlotExecute&& execute) {
  if (!threads_[index]) {
    threads_[index] = std::make_unique<SlotThread>(*options_.registry, options_.confinement.new_privileges,
                                                   [this, index](SlotMessage message, bool more) {
                                                     if (more) {
                                                       said_.PushQuietly({index, std::move(message)}, kSaidAtOnce);
                                                     } else {
                                                       said_.Push({index, std::move(message)});
                                                     }
                                                   });
  }
  threads_[index]->Start(std::move(execute));
}

void SlotSet::Flush() {
  for (const auto& thread : threads_) {
    if (thread) thread->Flush();
  }
}

void SlotSet::Withdraw(std::uint32_t index, AttemptId attempt) {
  if (index < options_.slots && threads_[index]) threads_[index]->Withdraw(attempt);
  said_.Wake();  // it may have begun, and the end of the one before it wait to be seen
}

// The host is asked, and asks its commands with TERM; what does not obey is killed when the agent's grace is over.
void SlotSet::Terminate(std::uint32_t index, AttemptId attempt) {
  if (index >= options_.slots) return;
  if (threads_[index]) threads_[index]->Stop(attempt);
  said_.Wake();
  HostSlot* slot = hosts_[index].get();
  if (slot == nullptr || !slot->process || !slot->host_alive) return;
  const absl::Status status = slot->process->Send(wire::EncodeSlotMessage(SlotStop{attempt}));
  if (!status.ok()) log::Warning("slot %d: asking the module to stop: %s", index, TextOf(status));
}

void SlotSet::Kill(std::uint32_t index) {
  if (index >= options_.slots) return;
  HostSlot* slot = hosts_[index].get();
  if (slot != nullptr && slot->process && slot->host_alive) slot->process->KillTree();
}

void SlotSet::Collect(std::vector<agent::SlotSaid>& by_threads, std::vector<agent::Event>& by_hosts) {
  said_.DrainInto(by_threads);
  for (std::uint32_t i = 0; i < options_.slots; ++i) {
    if (hosts_[i] && hosts_[i]->process) CollectHost(i, by_hosts);
  }
}

void SlotSet::CollectHost(std::uint32_t index, std::vector<agent::Event>& events) {
  HostSlot& slot = *hosts_[index];
  absl::Status status = slot.process->wants_write() ? slot.process->Flush() : absl::OkStatus();
  std::vector<std::string> frames;
  if (slot.process->channel_fd() >= 0) status.Update(slot.process->ReceiveAll(&frames));
  for (std::string& frame : frames) {
    auto message = wire::DecodeSlotMessage(Bytes(std::move(frame)));
    if (!message.ok()) {
      status.Update(message.status());
    } else if (std::holds_alternative<SlotDone>(*message)) {
      // The next attempt must not meet what this one left running, nor lose its own children to the sweep.
      slot.held = std::get<SlotDone>(*std::move(message));
      slot.process->SweepTree();
    } else {
      events.push_back(agent::SlotSaid{index, *std::move(message)});
    }
  }
  if (!status.ok()) {
    log::Warning("slot %d: %s; its module host is restarted", index, TextOf(status));
    slot.process->KillTree();
  }
  for (const exec::SlotEvent& event : slot.process->TakeEvents()) {
    if (const auto* memory = std::get_if<exec::OutOfMemory>(&event)) {
      slot.out_of_memory = *memory;
    } else if (const auto* exited = std::get_if<exec::HostExited>(&event)) {
      slot.last_exit = exited->status;
    } else if (std::holds_alternative<exec::TreeSwept>(event)) {
      if (slot.held) events.push_back(agent::SlotSaid{index, *std::exchange(slot.held, std::nullopt)});
    } else if (std::holds_alternative<exec::TreeEmpty>(event)) {
      events.push_back(DeathOf(index, slot.last_exit));
    } else if (const auto* lost = std::get_if<exec::SupervisorLost>(&event)) {
      agent::SlotDied died = DeathOf(index, lost->status);
      died.supervisor_lost = true;
      events.push_back(std::move(died));
      slot.process.reset();
      return;
    }
  }
}

agent::SlotDied SlotSet::DeathOf(std::uint32_t index, exec::ExitStatus status) {
  HostSlot& slot = *hosts_[index];
  slot.host_alive = false;
  agent::SlotDied died;
  died.slot = index;
  died.exit_code = status.code;
  died.signal = status.signal;
  died.done = std::exchange(slot.held, std::nullopt);
  if (const auto memory = std::exchange(slot.out_of_memory, std::nullopt)) {
    died.memory_used = memory->used;
    died.oom_killed = memory->used == 0;
  }
  return died;
}

void SlotSet::AppendPollItems(std::vector<net::PollItem>& items) {
  net::PollItem said;
  said.fd = said_.fd();
  items.push_back(said);
  for (const auto& slot : hosts_) {
    if (!slot || !slot->process) continue;
    if (slot->process->channel_fd() >= 0) {
      net::PollItem channel;
      channel.fd = slot->process->channel_fd();
      channel.want_write = slot->process->wants_write();
      items.push_back(channel);
    }
    if (slot->process->control_fd() >= 0) {
      net::PollItem control;
      control.fd = slot->process->control_fd();
      items.push_back(control);
    }
  }
}

}  // namespace millrace::serve
