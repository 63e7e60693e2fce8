// SPDX-License-Identifier: Apache-2.0
// The broker's real brain and workers that have always just finished: each, in its turn, reports all it was given. What
// is measured is the processor time inside Scheduler::Step, and nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "millrace/sched/scheduler.h"

namespace millrace::bench {

// Tasks of one module. `width` 0: none needs another; else each needs the one `width` before it.
JobSpec SimpleJob(std::size_t tasks, std::size_t width);

class ClosedLoop {
 public:
  struct Costs {
    std::chrono::nanoseconds submit{};  // the step that took the job
    std::chrono::nanoseconds work{};    // all others until the last end
    std::uint64_t steps = 0;            // of these
  };
  // `prefetch`: attempts that a worker holds beyond the one that it can run, at most.
  ClosedLoop(std::size_t workers, std::uint32_t prefetch);

  Costs Run(JobSpec job);

 private:
  struct Worker {
    SessionId session;
    std::uint64_t orders_through = 0;
    std::uint64_t reports = 0;
    std::vector<AttemptId> held;
    std::vector<AttemptId> given_back;
  };

  std::chrono::nanoseconds Step(sched::Event event);
  void Hear(Worker& worker, const Message& message);
  Report ReportOf(Worker& worker);

  sched::Scheduler scheduler_;
  Instant now_{};
  std::vector<Worker> workers_;
  std::uint64_t ended_ = 0;
};

}  // namespace millrace::bench
