// SPDX-License-Identifier: Apache-2.0
#include "plan.h"

#include "job_maker.h"

namespace millrace::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// One seed in eight has no faults, two in sixteen only restarts: in these every task must run exactly once, or as often
// as it was running when its worker died.
FaultSet DrawFaults(std::uint64_t seed, Dice& dice) {
  constexpr auto kOthers = static_cast<std::uint32_t>(Fault::kWorkerRestart);
  FaultSet faults;
  if (seed % 8 == 0) return faults;
  if (seed % 16 == 1) return {Fault::kQuickRestart};
  if (seed % 16 == 9) return {Fault::kWorkerRestart};
  const double share = dice.Chance(0.5) ? 0.15 : 0.45;
  for (std::uint32_t i = 0; i < kOthers; ++i) {
    if (dice.Chance(share)) faults.Add(static_cast<Fault>(i));
  }
  faults.Remove(Fault::kQuickRestart);
  if (faults.empty()) faults.Add(static_cast<Fault>(dice.Below(kOthers)));
  return faults;
}

Offer DrawOffer(std::size_t worker, Dice& dice) {
  Offer offer;
  offer.os = "linux";
  offer.cpus = 1 + dice.Below(3);
  offer.modules = {{.name = "work", .fingerprint = 0}};
  if (dice.Chance(0.5)) offer.tags = {"special"};
  if (dice.Chance(0.7)) offer.modules.push_back({.name = "rare", .fingerprint = 7});
  if (worker > 0) return offer;
  // The first one can do everything, so that nothing waits for ever.
  offer.cpus = 2 + dice.Below(2);
  offer.tags = {"special"};
  offer.modules = {{.name = "work", .fingerprint = 0}, {.name = "rare", .fingerprint = 7}};
  return offer;
}

void DrawRates(Plan& plan) {
  const auto rate = [&plan](Fault fault, double least, double most) {
    return plan.faults.Has(fault) ? least + plan.For(fault).Unit() * (most - least) : 0;
  };
  plan.loss = rate(Fault::kLoss, 0.01, 0.3);
  plan.duplicate = rate(Fault::kDuplicate, 0.05, 0.5);
  plan.reorder = rate(Fault::kReorder, 0.05, 0.5);
  plan.delay = rate(Fault::kDelay, 0.05, 0.5);
  plan.beat_loss = rate(Fault::kBeatLoss, 0.1, 1.0);
  plan.impostor = rate(Fault::kImpostor, 0.05, 0.3);
  plan.drift = rate(Fault::kClock, 0.01, 0.1);
  plan.cache_silence = rate(Fault::kSlowCache, 0.1, 0.9);
  if (plan.faults.Has(Fault::kSlowDisk)) {
    plan.slow_sync = plan.For(Fault::kSlowDisk).Within(milliseconds(5), milliseconds(1000));
  }
}

// What a guest submits may be what the owner does, at about the same time, or something that nobody else knows of.
void InviteGuest(Plan& plan, Duration span) {
  Dice dice = plan.For(Fault::kGuest);
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    PlannedRun& run = plan.runs[i];
    if (!dice.Chance(0.7)) continue;
    run.guest_submit = run.submit;
    if (dice.Chance(0.5)) run.guest_submit += dice.Within(Duration(0), span / 2);
    run.owned = i == 0 || dice.Chance(0.5);
  }
  if (dice.Chance(0.6)) plan.guest_leaves = Instant(seconds(100)) + dice.Within(Duration(0), span);
}

}  // namespace

bool Plan::Prompt() const {
  constexpr FaultSet harmless(
      {Fault::kCommands, Fault::kTaskFailure, Fault::kSlowCache, Fault::kGuest, Fault::kImpostor, Fault::kBeatLoss});
  return faults.And(harmless) == faults;
}

bool Plan::Economic() const {
  return !faults.Meets(FaultSet({Fault::kLoss, Fault::kDuplicate, Fault::kReorder, Fault::kDelay, Fault::kCut,
                                 Fault::kPartition, Fault::kDisconnect, Fault::kBrokerCrash, Fault::kWorkerCrash,
                                 Fault::kPoison, Fault::kPause, Fault::kClock, Fault::kTwin, Fault::kCommands}));
}

Plan MakePlan(std::uint64_t seed, FaultSet allowed) {
  Plan plan;
  plan.seed = seed;
  Dice dice(seed * 0x2545f4914f6cdd1dU + 99);
  plan.faults = DrawFaults(seed, dice).And(allowed);
  plan.worker_disk = seed % 4 != 3;
  plan.codec = dice.Chance(0.125);
  plan.heartbeat_plane = dice.Chance(0.75);
  const std::uint32_t limits[] = {1, 4, 1024};
  plan.prefetch_limit = limits[dice.Below(3)];
  if (seed % 5 < 2) plan.roots_at_once = 1 + seed % 3;
  plan.latency = dice.Chance(0.5) ? Duration(std::chrono::microseconds(200)) : Duration(milliseconds(20));
  const Duration spans[] = {seconds(3), seconds(15), seconds(60)};
  const Duration span = spans[dice.Below(3)];
  plan.quiet = Instant(seconds(100)) + span;
  const std::uint32_t workers = 1 + dice.Below(dice.Chance(0.5) ? 2 : 5);
  for (std::uint32_t i = 0; i < workers; ++i) {
    plan.offers.push_back(DrawOffer(i, dice));
    plan.joins.push_back(Instant(seconds(100)) + (dice.Chance(0.7) ? Duration(0) : dice.Within(Duration(0), span)));
  }
  DrawRates(plan);
  const std::uint32_t runs = 1 + dice.Below(3);
  for (std::uint32_t i = 0; i < runs; ++i) {
    PlannedRun run = MakeRun(plan, i);
    run.submit = Instant(seconds(100)) + (i == 0 ? Duration(0) : dice.Within(Duration(0), span / 2));
    if (plan.faults.Has(Fault::kCommands)) {
      Dice commands = plan.For(Fault::kCommands);
      for (std::uint32_t k = 0; k < i; ++k) commands.Number();
      if (commands.Chance(0.4)) run.cancel = run.submit + commands.Within(Duration(0), seconds(10));
    }
    plan.runs.push_back(std::move(run));
  }
  plan.watcher = dice.Chance(0.2);
  if (dice.Chance(0.3)) plan.compare = Instant(seconds(100)) + dice.Within(Duration(0), span);
  if (plan.faults.Has(Fault::kGuest)) InviteGuest(plan, span);
  return plan;
}

}  // namespace millrace::sim
