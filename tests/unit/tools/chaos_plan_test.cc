// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace millrace::zmqctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr FaultScale kScale{.workers = 3, .lease = seconds(3), .length = minutes(10)};
constexpr FaultRates kAll = {20, 5, 10, 10, 10, 10, 10};

std::vector<Fault> Of(const std::vector<Fault>& faults, FaultKind kind) {
  std::vector<Fault> some;
  std::copy_if(faults.begin(), faults.end(), std::back_inserter(some), [&](const Fault& f) { return f.kind == kind; });
  return some;
}

TEST(DrawFaults, TheSameSeedGivesTheSameFaults) {
  EXPECT_EQ(DrawFaults(kAll, kScale, 7), DrawFaults(kAll, kScale, 7));
  EXPECT_NE(DrawFaults(kAll, kScale, 7), DrawFaults(kAll, kScale, 8));
}

TEST(DrawFaults, LeavingAKindOutChangesNothingElse) {
  FaultRates some = {20, 0, 10, 0, 10, 10, 10};
  const auto all = DrawFaults(kAll, kScale, 7);
  const auto fewer = DrawFaults(some, kScale, 7);
  EXPECT_TRUE(Of(fewer, FaultKind::kKillBroker).empty());
  EXPECT_TRUE(Of(fewer, FaultKind::kCut).empty());
  for (const FaultKind kind : {FaultKind::kKillWorker, FaultKind::kPause, FaultKind::kFreeze, FaultKind::kGarble}) {
    EXPECT_EQ(Of(all, kind), Of(fewer, kind));
  }
}

TEST(DrawFaults, ComeInOrderAsOftenAsWasAskedForAndToEverybody) {
  const auto faults = DrawFaults(kAll, kScale, 7);
  EXPECT_TRUE(std::is_sorted(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) { return a.at < b.at; }));
  EXPECT_LT(faults.back().at, kScale.length);
  // A Poisson process: ten minutes of 20 and of 5 a minute, give or take four deviations.
  EXPECT_NEAR(static_cast<double>(Of(faults, FaultKind::kKillWorker).size()), 200, 57);
  EXPECT_NEAR(static_cast<double>(Of(faults, FaultKind::kKillBroker).size()), 50, 29);
  std::set<std::size_t> workers;
  for (const Fault& fault : Of(faults, FaultKind::kKillWorker)) workers.insert(fault.worker);
  EXPECT_EQ(workers, (std::set<std::size_t>{0, 1, 2}));
}

TEST(DrawFaults, SomePausesEndWithinTheLeaseAndSomeLater) {
  const auto pauses = Of(DrawFaults(kAll, kScale, 7), FaultKind::kPause);
  const auto beyond =
      std::count_if(pauses.begin(), pauses.end(), [](const Fault& f) { return f.lasts > kScale.lease; });
  EXPECT_GT(beyond, 0);
  EXPECT_LT(beyond, static_cast<std::ptrdiff_t>(pauses.size()));
  std::set<Way> ways;
  for (const Fault& fault : Of(DrawFaults(kAll, kScale, 7), FaultKind::kFreeze)) ways.insert(fault.way);
  EXPECT_EQ(ways.size(), 3u);
}

TEST(DrawFaults, NoRateNoFault) { EXPECT_TRUE(DrawFaults({}, kScale, 7).empty()); }

TEST(DescribeFault, SaysWhatIsDoneToWhom) {
  EXPECT_EQ(Describe({.kind = FaultKind::kKillWorker, .worker = 1, .lasts = milliseconds(250)}),
            "kill -9 w2, gone for 250ms");
  EXPECT_EQ(Describe({.kind = FaultKind::kFreeze, .worker = 0, .lasts = seconds(1), .way = Way::kToBroker}),
            "freeze the wire of w1, to the broker, for 1.0s");
}

}  // namespace
}  // namespace millrace::zmqctl
