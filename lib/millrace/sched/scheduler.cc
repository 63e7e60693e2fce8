// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/scheduler.h"

#include <utility>

#include "millrace/sched/core.h"

namespace millrace::sched {

struct Scheduler::State {
  explicit State(Config config) : core(std::move(config)) {}
  Core core;
};

Scheduler::Scheduler(Config config) : state_(std::make_unique<State>(std::move(config))) {}
Scheduler::~Scheduler() = default;

void Scheduler::Step(Instant now, Event event, Actions& actions) { state_->core.Step(now, std::move(event), actions); }
void Scheduler::Apply(const Record& record) { state_->core.Apply(record, 0); }
void Scheduler::Announce(Planes planes) { state_->core.Announce(std::move(planes)); }
Instant Scheduler::NextWake() const { return state_->core.NextWake(); }

BrokerView Scheduler::Broker(Instant now) const { return state_->core.ViewBroker(now); }
std::vector<RunView> Scheduler::Runs(Instant now) const { return state_->core.ViewRuns(now); }
std::vector<WorkerView> Scheduler::Workers(Instant now) const { return state_->core.ViewWorkers(now); }
std::vector<RunId> Scheduler::RunIds() const { return state_->core.RunIds(); }
bool Scheduler::Knows(std::uint64_t token) const { return state_->core.Knows(token); }
absl::StatusOr<std::vector<std::string>> Scheduler::Explain(RunId run, std::string_view task, Instant now) const {
  return state_->core.Explain(run, task, now);
}
absl::Status Scheduler::CheckInvariants() const { return state_->core.CheckInvariants(); }
absl::Status Scheduler::CheckSameAs(const Scheduler& replayed) const {
  return state_->core.CheckSameAs(replayed.state_->core);
}
Footprint Scheduler::Remembers() const { return state_->core.Remembers(); }

}  // namespace millrace::sched
