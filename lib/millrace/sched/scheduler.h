// SPDX-License-Identifier: Apache-2.0
// The broker's brain: a pure state machine that owns runs, tasks, workers and leases. No clock, socket, thread, log or
// file inside; the same events give the same actions. docs/architecture.md tells the trip of one task through it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "millrace/sched/event.h"

namespace millrace::sched {

class Scheduler {
 public:
  explicit Scheduler(Config config);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Takes one event at the time `now` (never earlier than the last) and appends what is to be done. Never fails: what a
  // peer says may be wrong, and is then refused, dropped and counted.
  void Step(Instant now, Event event, Actions& actions);

  // The only way durable state changes; Step calls it for every record it appends. Calling it for each record of a
  // journal in order, before the first Step, gives the state back.
  void Apply(const Record& record);

  // Told to everyone in Welcome. Sockets are bound after the journal was replayed, and before the first Step.
  void Announce(Planes planes);

  // When the next Tick is due, kNever if nothing waits for time.
  Instant NextWake() const;

  // ---- read-only views, for snapshots and answers ----
  BrokerView Broker(Instant now) const;
  std::vector<RunView> Runs(Instant now) const;
  std::vector<WorkerView> Workers(Instant now) const;
  // The runs that are known, in the order of their ids.
  std::vector<RunId> RunIds() const;
  // Whether a run was accepted under this token of a client.
  bool Knows(std::uint64_t token) const;
  // Why the task is where it is, one line per reason; NotFound with the nearest names.
  absl::StatusOr<std::vector<std::string>> Explain(RunId run, std::string_view task, Instant now) const;

  // Internal if any of the tables disagree with each other; run after every step in tests.
  absl::Status CheckInvariants() const;
  // Internal if `replayed`, which was given the journal of this one, knows anything else that is durable.
  absl::Status CheckSameAs(const Scheduler& replayed) const;
  Footprint Remembers() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::sched
