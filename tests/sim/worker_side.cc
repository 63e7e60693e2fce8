// SPDX-License-Identifier: Apache-2.0
// Workers' processes: their lives, and slots in which attempts take a while and end as their script says.
#include <algorithm>
#include <csignal>

#include "absl/strings/str_format.h"
#include "millrace/base/status.h"
#include "tests/support/print.h"
#include "world.h"

namespace millrace::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kGrace = seconds(1);
constexpr Duration kFence = seconds(20);

// No two attempts make the same.
ArtifactTree ArtifactsOf(AttemptId attempt) {
  ArtifactTree made{.digest = {}, .size = 10, .bytes = attempt.value, .files = 1};
  for (std::size_t i = 0; i < 8; ++i) made.digest.value[i] = static_cast<std::uint8_t>(attempt.value >> (8 * i));
  return made;
}

}  // namespace

void World::StartWorker(std::uint32_t index) {
  Host& host = *hosts_[index];
  if (host.agent != nullptr) return;
  ++host.life;
  host.incarnation = {++next_incarnation_};
  host.alarm = {};
  host.newest_report = host.recorded = 0;
  host.clock = {};
  if (plan_.faults.Has(Fault::kClock)) {
    Dice dice(plan_.For(Fault::kClock).Number() + next_incarnation_);
    host.clock.rate = 1 + (dice.Unit() - 0.5) * plan_.drift;
  }
  agent::Config config;
  config.name = host.name;
  config.incarnation = host.incarnation;
  config.host = "h" + std::to_string(index);
  config.pid = static_cast<std::uint32_t>(next_incarnation_);
  config.version = "sim";
  config.offer = *host.offer;
  config.seed = plan_.seed * 100 + next_incarnation_;
  config.kill_grace = kGrace;
  config.self_fence = kFence;
  config.extra_slots = 2;
  ReadDisk(host, config);
  host.slots.assign(static_cast<std::size_t>(config.offer.cpus) + config.extra_slots, {});
  if (trace_) Say(absl::StrFormat("%s starts as process %d", host.name, config.pid));
  host.agent = std::make_unique<agent::Agent>(std::move(config));
  host.link = {};
  host.doom = 0;
  host.last_word = host.clock.Local(time_.now());
  Dial(host);
}

// The process ends. `away`: until it is started again; kNever = not at all.
void World::StopWorker(Host& host, bool proof, Duration away, AttemptId killer) {
  if (host.agent == nullptr) return;
  if (trace_) Say(absl::StrFormat("%s ends", host.name));
  oracle_.Died(host.name, host.incarnation, killer, time_.now());
  LoseUnwritten(host);
  host.agent.reset();
  ++host.life;
  for (Slot& slot : host.slots) {
    ++slot.ticket;
    slot.line.clear();
  }
  if (host.link.valid()) Break(host.link, !Faulty() || net_.Chance(0.9), false, proof);
  host.link = {};
  if (host.mortal) return;
  time_.After(away, kNobody, [this, index = host.index] { StartWorker(index); });
}

void World::StepWorker(Host& host, agent::Event event) {
  if (host.agent == nullptr) return;
  agent::Actions actions;
  const Instant now = host.clock.Local(time_.now());
  if (std::holds_alternative<agent::Heard>(event)) host.last_word = now;
  host.agent->Step(now, std::move(event), actions);
  if (const absl::Status status = host.agent->CheckInvariants(); !status.ok()) {
    Wrong(host.name + ": " + TextOf(status));
  }
  const bool dies = host.doom > 0 && Faulty() && --host.doom == 0;
  if (dies) actions.resize(work_.Below(static_cast<std::uint32_t>(actions.size()) + 1));
  const std::uint64_t life = host.life;
  for (agent::Action& action : actions) {
    Perform(host, std::move(action));
    if (host.life != life) return;
  }
  if (dies) return StopWorker(host, work_.Chance(0.5), host.doom_away, {});
  JudgeSlots(host);
  SetWorkerAlarm(host);
}

// A20: what was asked to stop has stopped when its grace is over, or is killed.
void World::JudgeSlots(const Host& host) {
  const Instant now = host.clock.Local(time_.now());
  for (const Slot& slot : host.slots) {
    if (!slot.attempt.valid() || slot.in_process || slot.asked_to_stop == kNever) continue;
    if (now >= slot.asked_to_stop + kGrace) Wrong("A20: " + host.name + " lets run on what it has asked to stop");
  }
}

void World::SetWorkerAlarm(Host& host) {
  if (host.agent == nullptr) return;
  const Instant wake = host.agent->NextWake();
  if (wake == kNever) return;
  const Instant at = std::max(time_.now(), host.clock.Global(wake));
  if (at >= host.alarm.at) return;
  host.alarm.at = at;
  const std::uint64_t ticket = ++host.alarm.ticket;
  time_.At(at, host.node(), [this, index = host.index, life = host.life, ticket] { WakeWorker(index, life, ticket); });
}

void World::WakeWorker(std::uint32_t index, std::uint64_t life, std::uint64_t ticket) {
  Host& host = *hosts_[index];
  if (host.life != life || host.alarm.ticket != ticket) return;
  host.alarm.at = kNever;
  if (host.clock.Local(time_.now()) < host.agent->NextWake()) return SetWorkerAlarm(host);
  StepWorker(host, agent::Tick{});
}

void World::Perform(Host& host, agent::Action action) {
  if (auto* send = std::get_if<agent::Send>(&action.body)) {
    if (trace_) Say(absl::StrFormat("    %s says %s", host.name, testing::Print(send->message)));
    if (const auto* report = std::get_if<Report>(&send->message)) {
      oracle_.Reported(host.incarnation, *report);
      if (!report->reports.empty()) {
        host.newest_report = std::max(host.newest_report, report->first_number + report->reports.size() - 1);
      }
    }
    if (host.link.valid()) Ship(host.link, kToBroker, send->message);
  } else if (const auto* publish = std::get_if<agent::Publish>(&action.body)) {
    ShipBeat(host.node(), kToBroker, publish->message);
  } else if (auto* keep = std::get_if<agent::Keep>(&action.body)) {
    WriteDisk(host, std::move(*keep));
  } else if (auto* erase = std::get_if<agent::Erase>(&action.body)) {
    WriteDisk(host, std::move(*erase));
  } else if (auto* start = std::get_if<agent::Start>(&action.body)) {
    Take(host, std::move(*start));
  } else if (const auto* withdraw = std::get_if<agent::Withdraw>(&action.body)) {
    Withdraw(host, withdraw->slot, withdraw->attempt);
  } else if (const auto* terminate = std::get_if<agent::Terminate>(&action.body)) {
    Terminate(host, terminate->slot, terminate->attempt);
  } else if (const auto* kill = std::get_if<agent::Kill>(&action.body)) {
    Kill(host, kill->slot);
  } else if (std::holds_alternative<agent::Reconnect>(action.body)) {
    Dial(host);
  } else if (const auto* exit = std::get_if<agent::Exit>(&action.body)) {
    if (trace_) Say(absl::StrFormat("    %s exits with %d: %s", host.name, exit->code, exit->reason));
    while (!host.writing.empty()) DiskIsWritten(host);  // it is waited for
    const bool proof = net_.Chance(0.5);
    StopWorker(host, proof, net_.Within(seconds(1), seconds(3)), {});
  } else if (const auto* note = std::get_if<agent::Note>(&action.body)) {
    if (trace_) Say(absl::StrFormat("    %s notes: %s", host.name, note->text));
  }
}

void World::Take(Host& host, agent::Start start) {
  Slot& slot = host.slots[start.slot];
  if (!slot.attempt.valid()) return Begin(host, std::move(start));
  if (!start.in_process || !slot.in_process) Wrong(host.name + " starts two attempts in one slot");
  slot.line.push_back(std::move(start));
}

// What has begun goes on; else it is said at once, and so before anything of those behind it.
void World::Withdraw(Host& host, std::uint32_t number, AttemptId attempt) {
  std::deque<agent::Start>& line = host.slots[number].line;
  const auto found = std::find_if(line.begin(), line.end(),
                                  [attempt](const agent::Start& start) { return start.execute.attempt == attempt; });
  if (found == line.end()) return;
  line.erase(found);
  time_.After(Duration::zero(), host.node(), [this, index = host.index, life = host.life, number, attempt] {
    if (hosts_[index]->life != life) return;
    SlotDone done;
    done.attempt = attempt;
    done.started = false;
    StepWorker(*hosts_[index], agent::SlotSaid{.slot = number, .message = std::move(done)});
  });
}

void World::Begin(Host& host, agent::Start start) {
  const SlotExecute& execute = start.execute;
  oracle_.Started(static_cast<std::int32_t>(host.index), host.incarnation, execute);
  Mix(execute.attempt.value + 5000);
  Slot& slot = host.slots[start.slot];
  slot.attempt = execute.attempt;
  slot.task = execute.task;
  slot.in_process = start.in_process;
  slot.makes = !start.produces.empty();
  oracle_.Found(start);
  slot.asked_to_stop = kNever;
  if (host.clock.Local(time_.now()) >= host.last_word + kFence) {
    Wrong("I12: " + host.name + " starts work for a broker that it has not heard for long");
  }
  Doing doing = Doing::kSucceed;
  Duration length = work_.Within(std::chrono::microseconds(50), milliseconds(500));
  slot.deaf = false;
  if (const Script* script = oracle_.ScriptOf(execute.task)) {
    length = work_.Within(script->least, script->most);
    slot.deaf = script->deaf;
    if (oracle_.Executions(execute.task) <= script->times) doing = script->doing;
  }
  // Short enough to line up behind each other in their slot.
  if (slot.in_process && work_.Chance(0.8))
    length = work_.Within(std::chrono::microseconds(1), std::chrono::microseconds(60));
  if (trace_) Say(absl::StrFormat("    %s runs %s try %d", host.name, execute.name, execute.try_number));
  if (doing == Doing::kHang) {
    if (!slot.in_process) return;
    length = seconds(20);
    doing = Doing::kSucceed;
  }
  if (doing == Doing::kCrashHost && slot.in_process) doing = Doing::kFailTransient;
  PlanSlot(host, start.slot, length, doing, length);
}

void World::PlanSlot(Host& host, std::uint32_t slot, Duration wait, Doing doing, Duration execution) {
  const std::uint64_t ticket = ++host.slots[slot].ticket;
  time_.After(wait, host.node(), [this, index = host.index, life = host.life, slot, ticket, doing, execution] {
    EndOfSlot(index, life, slot, ticket, doing, execution);
  });
}

void World::EndOfSlot(std::uint32_t index, std::uint64_t life, std::uint32_t number, std::uint64_t ticket, Doing doing,
                      Duration execution) {
  Host& host = *hosts_[index];
  if (host.life != life || host.slots[number].ticket != ticket) return;
  Slot& slot = host.slots[number];
  ++slot.ticket;
  switch (doing) {
    case Doing::kSucceed: return SlotSays(host, number, Outcome::kSucceeded, false, execution);
    case Doing::kFail: return SlotSays(host, number, Outcome::kFailed, false, execution);
    case Doing::kFailTransient: return SlotSays(host, number, Outcome::kFailed, true, execution);
    case Doing::kSkip: return SlotSays(host, number, Outcome::kSkipped, false, execution);
    case Doing::kHang: return SlotSays(host, number, Outcome::kCancelled, false, execution);
    case Doing::kCrashHost:
      slot.attempt = {};
      return StepWorker(host, agent::SlotDied{.slot = number, .exit_code = 0, .signal = SIGSEGV});
    case Doing::kKillWorker: {
      const AttemptId killer = slot.attempt;
      const bool proof = work_.Chance(0.7);
      return StopWorker(host, proof, work_.Within(milliseconds(200), seconds(4)), killer);
    }
  }
}

void World::SlotSays(Host& host, std::uint32_t number, Outcome outcome, bool transient, Duration execution) {
  Slot& slot = host.slots[number];
  SlotDone done;
  done.attempt = slot.attempt;
  done.outcome = outcome;
  done.execution = execution;
  if (outcome == Outcome::kSucceeded) {
    done.result.bytes = Bytes("r" + std::to_string(slot.attempt.value));
    done.result.size = done.result.bytes.size();
    if (slot.makes) done.artifacts = ArtifactsOf(slot.attempt);
  } else {
    done.failure.message = "as scripted";
    done.failure.transient = transient;
  }
  oracle_.Said(done, time_.now());
  slot.attempt = {};
  if (!slot.line.empty()) {  // its thread does not wait for anybody
    agent::Start next = std::move(slot.line.front());
    slot.line.pop_front();
    Begin(host, std::move(next));
  }
  StepWorker(host, agent::SlotSaid{.slot = number, .message = std::move(done)});
}

// A module that listens ends soon, sometimes with the success that was on its way; a deaf one goes on.
void World::Terminate(Host& host, std::uint32_t number, AttemptId attempt) {
  Slot& slot = host.slots[number];
  if (slot.attempt != attempt) return;
  slot.asked_to_stop = host.clock.Local(time_.now());
  if (slot.deaf) return;
  const Duration wait = work_.Within(std::chrono::microseconds(100), milliseconds(200));
  PlanSlot(host, number, wait, work_.Chance(0.2) ? Doing::kSucceed : Doing::kHang, wait);
}

void World::Kill(Host& host, std::uint32_t number) {
  Slot& slot = host.slots[number];
  if (slot.in_process) return;
  const std::uint64_t ticket = ++slot.ticket;
  slot.attempt = {};
  time_.After(work_.Within(std::chrono::microseconds(100), milliseconds(20)), host.node(),
              [this, index = host.index, life = host.life, number, ticket] {
                Host& killed = *hosts_[index];
                if (killed.life != life || killed.slots[number].ticket != ticket) return;
                StepWorker(killed, agent::SlotDied{.slot = number, .exit_code = 0, .signal = SIGKILL});
              });
}

}  // namespace millrace::sim
