// SPDX-License-Identifier: Apache-2.0
// The broker's real brain and workers that only pretend, in virtual time: every try takes exactly as long as it is
// said to, and messages take no time. What a run takes is then the scheduler's doing alone.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/sched/scheduler.h"

namespace millrace::replay {

// What becomes of one try.
struct VirtualTry {
  Duration takes{};
  Outcome outcome = Outcome::kSucceeded;
  bool transient = false;  // of a failure: worth another try by default
};

// What the tasks of a job do, by index.
struct Script {
  std::function<VirtualTry(std::uint32_t task, std::uint32_t try_number)> attempt;
  std::function<bool(std::uint32_t task)> cached{};  // whether the cache has its result; none = it has nothing
};

struct Played {
  Duration makespan{};  // from the submission to the end of the run
  RunState state = RunState::kSucceeded;
};

class VirtualFleet {
 public:
  VirtualFleet(std::size_t workers, std::int64_t slots_each)
      : VirtualFleet(std::vector<std::int64_t>(workers, slots_each)) {}
  // `slots`: of each worker. `handover`: between the moment at which a slot is free for a try, and its start.
  explicit VirtualFleet(std::vector<std::int64_t> slots, Duration handover = {});

  // Submits the job and lets the fleet work until its run has ended. Every task needs the module `work`. The error is
  // the scheduler's refusal, or Internal when nothing goes on.
  absl::StatusOr<Played> Play(JobSpec job, const Script& script);
  // The same for tasks that all succeed at their first try: how long it took. `takes`: by task index.
  absl::StatusOr<Duration> Run(JobSpec job, const std::function<Duration(std::uint32_t)>& takes);

 private:
  struct Waiting {
    AttemptId attempt;
    std::uint32_t task = 0;
    std::uint32_t try_number = 0;
    std::int64_t cpus = 1;
  };
  struct Running {
    std::int64_t cpus = 0;
    VirtualTry what;
  };
  struct Worker {
    SessionId session;
    std::uint64_t orders_through = 0;
    std::uint64_t reports = 0;
    std::deque<Waiting> waiting;
    std::map<AttemptId, Running> running;
    std::int64_t free = 0;
  };
  struct Ending {
    Instant at;
    std::size_t worker = 0;
    AttemptId attempt;
    bool operator>(const Ending& other) const {
      return std::tie(at, worker, attempt) > std::tie(other.at, other.worker, other.attempt);
    }
  };

  void Step(sched::Event event);
  void Perform(const sched::Action& action);
  void Hear(std::size_t worker, const Message& message);
  void TakeBackFrom(std::size_t worker, const TakeBack& order);
  void CancelAt(std::size_t worker, const Cancel& order);
  void Report_(std::size_t worker, std::vector<AttemptReport> reports);
  void StartAll();
  void EndNext();

  sched::Scheduler scheduler_;
  Duration handover_;
  Instant now_{};
  std::vector<Worker> workers_;
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> endings_;
  std::deque<sched::Event> outgoing_;  // what the last step makes others say
  const Script* script_ = nullptr;
  absl::Status refused_;
  std::optional<RunState> ended_;
};

}  // namespace millrace::replay
