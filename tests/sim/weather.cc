// SPDX-License-Identifier: Apache-2.0
// The faults that happen at a time, to somebody, or in the middle of a step. Each class draws its times and victims
// from dice of its own, before the start; all of them are over when the quiet time begins.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "world.h"

namespace millrace::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

void World::PlanStorms(Fault fault, std::uint32_t most, void (World::*storm)(Dice&)) {
  if (!plan_.faults.Has(fault)) return;
  Dice dice = plan_.For(fault);
  const std::uint32_t times = 1 + dice.Below(most);
  const Instant start(seconds(100));
  for (std::uint32_t i = 0; i < times; ++i) {
    const std::uint64_t seed = dice.Number();
    time_.At(start + dice.Within(Duration(0), plan_.quiet - start), kNobody, [this, seed, fault, storm] {
      Dice own(seed);
      if (trace_) Say("! " + std::string(NameOf(fault)));
      (this->*storm)(own);
    });
  }
}

void World::PlanWeather() {
  PlanStorms(Fault::kCut, 4, &World::StormCut);
  PlanStorms(Fault::kPartition, 4, &World::StormPartition);
  PlanStorms(Fault::kDisconnect, 6, &World::StormDisconnect);
  PlanStorms(Fault::kBrokerCrash, 4, &World::StormBroker);
  PlanStorms(Fault::kQuickRestart, 3, &World::StormQuickRestart);
  PlanStorms(Fault::kWorkerCrash, 5, &World::StormWorker);
  PlanStorms(Fault::kWorkerRestart, 3, &World::StormWorkerRestart);
  PlanStorms(Fault::kPause, 4, &World::StormPause);
  PlanStorms(Fault::kClock, 4, &World::StormClock);
  PlanStorms(Fault::kFullDisk, 3, &World::StormDisk);
  PlanStorms(Fault::kCommands, 3, &World::StormDrain);
  PlanStorms(Fault::kTwin, 2, &World::StormTwin);
}

std::uint32_t World::AnyNode(Dice& dice) {
  return kFirstWorker + dice.Below(static_cast<std::uint32_t>(hosts_.size()));
}

void World::CutNode(std::uint32_t node, bool control, bool beats, bool to_broker, bool to_node, bool holds,
                    Duration length) {
  const Instant until = std::min(time_.now() + length, std::max(plan_.quiet, time_.now()));
  if (trace_)
    Say(absl::StrFormat("! node %d cut until %s:%s%s%s%s", node, FormatDuration(until - Instant(seconds(100))),
                        control ? " control" : "", beats ? " beats" : "", to_broker ? " up" : "",
                        to_node ? " down" : ""));
  Wire& wire = wires_[node];
  wire.holds = holds;
  for (const Channel channel : {kControl, kHeartbeat}) {
    if (!(channel == kControl ? control : beats)) continue;
    if (to_broker) wire.cut_until[channel][kToBroker] = std::max(wire.cut_until[channel][kToBroker], until);
    if (to_node) wire.cut_until[channel][kToNode] = std::max(wire.cut_until[channel][kToNode], until);
  }
}

void World::StormCut(Dice& dice) {
  const bool control = dice.Chance(0.6);
  const bool up = dice.Chance(0.5);
  const std::uint32_t node = AnyNode(dice);
  const bool beats = !control || dice.Chance(0.3);
  const bool holds = dice.Chance(0.3);
  CutNode(node, control, beats, up, !up, holds, dice.Within(seconds(1), seconds(50)));
}

void World::StormPartition(Dice& dice) {
  const Duration length = dice.Within(seconds(1), seconds(60));
  const bool all = dice.Chance(0.2);
  const bool holds = dice.Chance(0.5);
  const std::uint32_t victim = AnyNode(dice);
  for (std::uint32_t node = kFirstWorker; node < kFirstWorker + hosts_.size(); ++node) {
    if (all || node == victim) CutNode(node, true, true, true, true, holds, length);
  }
}

void World::StormDisconnect(Dice& dice) {
  Host& host = *hosts_[AnyNode(dice) - kFirstWorker];
  const bool tell_broker = dice.Chance(0.8);
  const bool tell_node = dice.Chance(0.8) || !tell_broker;
  if (host.link.valid()) Break(host.link, tell_broker, tell_node, false);
}

void World::StormBroker(Dice& dice) {
  const bool soon = dice.Chance(0.7);
  const Duration away = soon ? dice.Within(milliseconds(100), seconds(5)) : dice.Within(seconds(5), seconds(50));
  if (dice.Chance(0.5)) return CrashBroker(false, away);
  doom_ = 1 + dice.Below(30);
  doom_away_ = away;
}

void World::StormQuickRestart(Dice& dice) { CrashBroker(true, dice.Within(milliseconds(100), seconds(3))); }

void World::StormWorker(Dice& dice) {
  Host& host = *hosts_[AnyNode(dice) - kFirstWorker];
  if (host.index > 0 && dice.Chance(0.2)) host.mortal = true;
  const bool proof = dice.Chance(0.5);
  const bool soon = dice.Chance(0.7);
  const Duration away = soon ? dice.Within(milliseconds(100), seconds(5)) : dice.Within(seconds(5), seconds(40));
  if (dice.Chance(0.5)) return StopWorker(host, proof, away, {});
  host.doom = 1 + dice.Below(30);
  host.doom_away = away;
}

// What ends while the broker is away can only be on the worker's disk. All are back long before a lease is over.
void World::StormWorkerRestart(Dice& dice) {
  const std::uint32_t node = AnyNode(dice);
  const Duration length = dice.Within(seconds(1), seconds(5));
  if (dice.Chance(0.5)) {
    CrashBroker(true, length);
  } else {
    CutNode(node, true, true, true, true, true, length);
  }
  const Duration away = dice.Within(milliseconds(100), seconds(3));
  time_.At(std::min(time_.now() + dice.Within(Duration(0), length), plan_.quiet), kNobody,
           [this, index = node - kFirstWorker, away] { StopWorker(*hosts_[index], false, away, {}); });
}

void World::StormPause(Dice& dice) {
  const std::uint32_t node = dice.Chance(0.25) ? kBroker : AnyNode(dice);
  const Duration length =
      dice.Chance(0.6) ? dice.Within(seconds(1), seconds(20)) : dice.Within(seconds(20), seconds(60));
  if (trace_) Say(absl::StrFormat("! node %d stands still for %s", node, FormatDuration(length)));
  if (node == kBroker) {
    const Duration longer = time_.now() + length - time_.HeldUntil(node);
    if (longer > Duration(0)) leases_.Sleeps(broker_clock_.Lasts(longer));
  }
  time_.Hold(node, time_.now() + length);
}

// A suspended machine whose clock went on.
void World::StormClock(Dice& dice) {
  const Duration jump = dice.Within(seconds(1), seconds(40));
  if (dice.Chance(0.25)) {
    if (trace_) Say(absl::StrFormat("! the clock of the broker jumps by %s", FormatDuration(jump)));
    broker_clock_.offset += jump;
    leases_.Sleeps(jump);
    broker_alarm_.at = kNever;
    return SetBrokerAlarm();
  }
  Host& host = *hosts_[AnyNode(dice) - kFirstWorker];
  if (host.agent == nullptr) return;
  if (trace_) Say(absl::StrFormat("! the clock of %s jumps by %s", host.name, FormatDuration(jump)));
  host.clock.offset += jump;
  host.alarm.at = kNever;
  SetWorkerAlarm(host);
}

void World::StormDisk(Dice& dice) {
  disk_full_until_ = std::max(disk_full_until_, time_.now() + dice.Within(seconds(1), seconds(20)));
}

// A worker is told to go by the client, or by signals; it is started again.
void World::StormDrain(Dice& dice) {
  Host& host = *hosts_[AnyNode(dice) - kFirstWorker];
  if (dice.Chance(0.5)) {
    return Command(clients_[kOwner], CommandKind::kDrainWorker, {}, host.name);
  }
  if (time_.Holds(host.node())) return;
  const bool now = dice.Chance(0.3);
  if (trace_) Say(absl::StrFormat("! %s is told to stop%s", host.name, now ? " at once" : ""));
  StepWorker(host, agent::StopAsked{.kind = now ? agent::StopKind::kNow : agent::StopKind::kDrain});
}

// A second process under the id of a worker; somebody ends it when the quiet time begins.
void World::StormTwin(Dice& dice) {
  if (hosts_.size() >= wires_.size() - kFirstWorker) return;
  const Host& original = *hosts_[AnyNode(dice) - kFirstWorker];
  auto twin = std::make_unique<Host>();
  twin->index = static_cast<std::uint32_t>(hosts_.size());
  twin->name = original.name;
  twin->offer = original.offer;
  twin->mortal = true;
  hosts_.push_back(std::move(twin));
  const auto index = static_cast<std::uint32_t>(hosts_.size() - 1);
  StartWorker(index);
  time_.At(plan_.quiet, kNobody, [this, index] { StopWorker(*hosts_[index], true, Duration(0), {}); });
}

}  // namespace millrace::sim
