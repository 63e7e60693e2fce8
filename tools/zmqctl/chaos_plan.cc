// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_plan.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "millrace/base/random.h"

namespace millrace::zmqctl {
namespace {

using std::chrono::milliseconds;

Duration Part(Duration whole, double part) {
  return std::chrono::duration_cast<milliseconds>(
      std::chrono::duration<double, std::nano>(static_cast<double>(whole.count()) * part));
}

Duration Between(Random& dice, Duration low, Duration high) { return low + Part(high - low, dice.Unit()); }

// The time to the next event of a Poisson process.
Duration Gap(Random& dice, double per_minute) {
  return Part(std::chrono::minutes(1), -std::log(1.0 - dice.Unit()) / per_minute);
}

Way DrawWay(Random& dice) {
  constexpr Way kWays[] = {Way::kToBroker, Way::kToWorker, Way::kBoth};
  return kWays[dice.Below(3)];
}

Fault Draw(Random& dice, FaultKind kind, const FaultScale& scale) {
  Fault fault;
  fault.kind = kind;
  if (kind != FaultKind::kKillBroker) fault.worker = dice.Below(scale.workers);
  switch (kind) {
    case FaultKind::kKillWorker:
    case FaultKind::kKillBroker: fault.lasts = Between(dice, milliseconds(0), milliseconds(1500)); break;
    case FaultKind::kPause:
    case FaultKind::kCut: fault.lasts = Between(dice, scale.lease / 10, scale.lease * 2); break;
    case FaultKind::kFreeze:
      fault.lasts = Between(dice, scale.lease / 10, scale.lease * 2);
      fault.way = DrawWay(dice);
      break;
    case FaultKind::kDelay:
      fault.lasts = Between(dice, scale.lease / 2, scale.lease * 2);
      fault.by = Between(dice, milliseconds(5), scale.lease / 5);
      break;
    case FaultKind::kGarble: break;
  }
  return fault;
}

std::string_view WayText(Way way) {
  switch (way) {
    case Way::kToBroker: return "to the broker";
    case Way::kToWorker: return "from the broker";
    case Way::kBoth: break;
  }
  return "both ways";
}

}  // namespace

std::vector<Fault> DrawFaults(const FaultRates& rates, const FaultScale& scale, std::uint64_t seed) {
  std::vector<Fault> faults;
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind) {
    if (rates[kind] <= 0) continue;
    Random dice(Random(seed).Next() ^ Random(kind).Next());
    for (Duration at = Gap(dice, rates[kind]); at < scale.length; at += Gap(dice, rates[kind])) {
      Fault fault = Draw(dice, static_cast<FaultKind>(kind), scale);
      fault.at = at;
      faults.push_back(fault);
    }
  }
  std::stable_sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) { return a.at < b.at; });
  return faults;
}

std::string WorkerName(std::size_t worker) { return absl::StrFormat("w%d", worker + 1); }

std::string Describe(const Fault& fault) {
  const std::string worker = WorkerName(fault.worker);
  const std::string lasts = FormatDuration(fault.lasts);
  switch (fault.kind) {
    case FaultKind::kKillWorker: return absl::StrFormat("kill -9 %s, gone for %s", worker, lasts);
    case FaultKind::kKillBroker: return absl::StrFormat("kill -9 the broker, gone for %s", lasts);
    case FaultKind::kPause: return absl::StrFormat("pause %s for %s", worker, lasts);
    case FaultKind::kCut: return absl::StrFormat("cut %s off for %s", worker, lasts);
    case FaultKind::kFreeze:
      return absl::StrFormat("freeze the wire of %s, %s, for %s", worker, WayText(fault.way), lasts);
    case FaultKind::kDelay:
      return absl::StrFormat("delay all of %s by %s for %s", worker, FormatDuration(fault.by), lasts);
    case FaultKind::kGarble: break;
  }
  return absl::StrFormat("garble what %s and the broker say", worker);
}

}  // namespace millrace::zmqctl
