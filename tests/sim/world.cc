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
      disk_(plan.seed * 3),
      crowd_(plan.seed * 5 + 4) {
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
  ReceiveClients();
  if (plan_.compare != kNever) time_.At(plan_.compare, kNobody, [this] { CompareReplay(); });
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
  return {oracle_.problem(), time_.now(), hash_, time_.done(), leases_.ended()};
}

// I11: when nothing is left to do, nothing is left of what was done.
bool World::IsForgotten(std::string* why) const {
  const sched::Footprint broker = broker_->Remembers();
  if (broker.orders > 0) *why = absl::StrFormat("I11: %d orders are not acknowledged", broker.orders);
  if (broker.data > 0) *why = absl::StrFormat("I11: %d results are held that nobody needs", broker.data);
  for (const auto& host : hosts_) {
    if (host->agent == nullptr || host->mortal) continue;
    const agent::Footprint worker = host->agent->Remembers();
    if (worker.reports + worker.queued == 0 && worker.data == 0) continue;
    *why = absl::StrFormat("I11: %s remembers %d reports, %d attempts, %d results", host->name, worker.reports,
                           worker.queued, worker.data);
  }
  return why->empty();
}

// Whether everything that was to happen has happened; else `why` not.
bool World::Settled(std::string* why) const {
  const auto waits = [why](std::string reason) {
    *why = std::move(reason);
    return false;
  };
  if (broker_ == nullptr) return waits("the broker is down");
  for (const auto& [id, run] : oracle_.tip().runs()) {
    if (!HasEnded(run.state)) return waits("run " + RunName(id) + " has not ended");
  }
  for (const Client& client : clients_) {
    if (client.here && !IsServed(client))
      return waits(absl::StrFormat("client %d has not been told all", client.index));
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
  why->clear();
  return IsForgotten(why);
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
