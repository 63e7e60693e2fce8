// SPDX-License-Identifier: Apache-2.0
// The broker's real brain and workers that only pretend, in virtual time: every task takes exactly as long as it is
// said to, and messages take no time. What a run takes is then the scheduler's doing alone.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <tuple>
#include <vector>

#include "millrace/sched/scheduler.h"

namespace millrace::bench {

class VirtualFleet {
 public:
  VirtualFleet(std::size_t workers, std::int64_t slots_each);

  // Submits the job and lets the fleet work until all its tasks have ended. `takes`: by task index. What it took.
  Duration Run(JobSpec job, const std::function<Duration(std::uint32_t)>& takes);

 private:
  struct Waiting {
    AttemptId attempt;
    std::uint32_t task = 0;
  };
  struct Worker {
    SessionId session;
    std::uint64_t orders_through = 0;
    std::uint64_t reports = 0;
    std::deque<Waiting> waiting;
    std::int64_t free = 0;
  };
  struct Ending {
    Instant at;
    std::size_t worker = 0;
    AttemptId attempt;
    Duration took{};
    bool operator>(const Ending& other) const {
      return std::tie(at, worker, attempt) > std::tie(other.at, other.worker, other.attempt);
    }
  };

  void Step(sched::Event event);
  void Say(std::size_t worker, Message message);
  void Hear(std::size_t worker, const Message& message);
  void Report_(std::size_t worker, std::vector<AttemptReport> reports);
  void StartAll();
  void EndNext();

  sched::Scheduler scheduler_;
  Instant now_{};
  std::vector<Worker> workers_;
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> endings_;
  std::deque<std::pair<std::size_t, Message>> outgoing_;
  const std::function<Duration(std::uint32_t)>* takes_ = nullptr;
  std::uint64_t ended_ = 0;
};

}  // namespace millrace::bench
