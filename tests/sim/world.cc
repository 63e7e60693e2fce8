// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <cstdio>

#include "absl/strings/str_format.h"

namespace millrace::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kPatience = minutes(20);  // after the last fault

}  // namespace

World::World(const Plan& plan, bool trace)
    : plan_(plan),
      trace_(trace),
      oracle_(plan),
      net_(plan.seed * 3 + 1),
      work_(plan.seed * 3 + 2),
      disk_(plan.seed * 3) {
  client_runs_.resize(plan_.runs.size());
  wires_.resize(kFirstWorker + plan_.offers.size() * 2);
}

Duration World::Latency(Duration most) { return net_.Within(Duration(0), most); }

void World::Mix(std::uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001b3U; }

void World::Say(const std::string& line) {
  if (!trace_) return;
  const double at = std::chrono::duration<double>(time_.now().time_since_epoch()).count() - 100;
  std::printf("%10.4f %s\n", at, line.c_str());
}

Verdict World::Play() {
  const Instant start(seconds(100));
  time_.At(start, kNobody, [this] { StartBroker(); });
  for (std::uint32_t i = 0; i < plan_.offers.size(); ++i) {
    auto host = std::make_unique<Host>();
    host->index = i;
    host->name = "w" + std::to_string(i);
    host->offer = &plan_.offers[i];
    hosts_.push_back(std::move(host));
    time_.At(plan_.joins[i], kNobody, [this, i] { StartWorker(i); });
  }
  time_.At(start, kClient, [this] { ClientTurn(); });
  PlanWeather();
  time_.At(plan_.quiet, kNobody, [this] { Watch(); });
  const Instant end = plan_.quiet + kPatience;
  while (!over_ && oracle_.problem().empty()) {
    if (time_.Turn(end)) continue;
    std::string why;
    Settled(&why);
    Wrong("L1: no end within " + FormatDuration(kPatience) + " after the last fault: " + why);
  }
  if (oracle_.problem().empty()) CompareReplay();
  if (oracle_.problem().empty()) oracle_.CheckEnd();
  return {oracle_.problem(), time_.now(), hash_, time_.done()};
}

// Whether everything that was to happen has happened; else `why` not.
bool World::Settled(std::string* why) const {
  const auto waits = [why](std::string reason) {
    *why = std::move(reason);
    return false;
  };
  if (broker_ == nullptr) return waits("the broker is down");
  for (std::size_t i = 0; i < client_runs_.size(); ++i) {
    if (!client_runs_[i].ended) return waits(absl::StrFormat("run %d has not ended", i));
  }
  if (!batches_.empty() || !release_.empty()) return waits("something is not yet on disk");
  const std::vector<WorkerView> workers = broker_->Workers(broker_clock_.Local(time_.now()));
  for (const auto& host : hosts_) {
    if (host->mortal) continue;
    bool attached = false;
    for (const WorkerView& view : workers) {
      if (view.name != host->name || view.state == WorkerState::kLost) continue;
      attached = view.state != WorkerState::kDraining && view.silent_for < seconds(30);
      if (view.running + view.prefetched > 0) return waits(host->name + " still has work");
    }
    if (!attached || host->agent == nullptr) return waits(host->name + " is not attached");
    if (host->recorded < host->newest_report) return waits(host->name + " has unrecorded reports");
    if (!host->disk.empty() || !host->writing.empty()) return waits(host->name + " still has reports on disk");
  }
  return true;
}

void World::Watch() {
  std::string why;
  if (Settled(&why)) {
    over_ = true;
    return;
  }
  time_.After(seconds(2), kNobody, [this] { Watch(); });
}

}  // namespace millrace::sim
