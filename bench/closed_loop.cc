// SPDX-License-Identifier: Apache-2.0
#include "bench/closed_loop.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

#include "bench/patient.h"

namespace millrace::bench {
namespace {

// Of this thread's own: what else the machine does counts only for what it does to the caches.
std::chrono::nanoseconds ProcessorTime() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

constexpr Duration kEach = std::chrono::microseconds(10);  // of a task, in virtual time

sched::Config ConfigOf(std::uint32_t prefetch) {
  sched::Config config = Patient();
  config.prefetch_limit = prefetch;
  return config;
}

}  // namespace

JobSpec SimpleJob(std::size_t tasks, std::size_t width) {
  JobSpec job;
  job.name = "simple";
  job.modules.push_back({.name = "work", .fingerprint = 0, .version = "1"});
  job.requirements.emplace_back();
  job.policies.emplace_back();
  job.tasks.resize(tasks);
  for (std::size_t i = 0; i < tasks; ++i) {
    job.tasks[i].name = "t" + std::to_string(i);
    if (width > 0 && i >= width) job.tasks[i].needs.push_back({.task = static_cast<std::uint32_t>(i - width)});
  }
  return job;
}

ClosedLoop::ClosedLoop(std::size_t workers, std::uint32_t prefetch)
    : scheduler_(ConfigOf(prefetch)), workers_(workers) {
  Step(sched::Tick{});
  for (std::size_t i = 0; i < workers; ++i) Step(sched::Heard{.peer = PeerOf(i), .message = HelloOf(i, 1)});
}

ClosedLoop::Costs ClosedLoop::Run(JobSpec job) {
  Costs costs;
  const std::uint64_t tasks = job.tasks.size();
  ended_ = 0;
  costs.submit = Step(sched::Heard{
      .peer = kClient, .message = Submit{.request = 1, .token = 0, .job = std::move(job), .job_digest = {}}});
  std::size_t idle = 0;
  for (std::size_t turn = 0; ended_ < tasks; turn = (turn + 1) % workers_.size()) {
    if (scheduler_.NextWake() <= now_) costs.work += Step(sched::Tick{});
    Worker& worker = workers_[turn];
    if (worker.held.empty() && worker.given_back.empty()) {
      if (++idle < 2 * workers_.size()) continue;
      std::fprintf(stderr, "closed loop: nobody has anything to do\n");
      std::abort();
    }
    idle = 0;
    now_ += kEach * static_cast<std::int64_t>(worker.held.size());
    costs.work += Step(sched::Heard{.peer = PeerOf(turn), .message = ReportOf(worker)});
    ++costs.steps;
  }
  return costs;
}

std::chrono::nanoseconds ClosedLoop::Step(sched::Event event) {
  sched::Actions actions;
  const std::chrono::nanoseconds begin = ProcessorTime();
  scheduler_.Step(now_, std::move(event), actions);
  const std::chrono::nanoseconds took = ProcessorTime() - begin;
  for (const sched::Action& action : actions) {
    const auto* send = std::get_if<sched::Send>(&action.body);
    if (send != nullptr && send->peer != kClient) Hear(workers_[WorkerOf(send->peer)], send->message);
  }
  return took;
}

void ClosedLoop::Hear(Worker& worker, const Message& message) {
  if (const auto* welcome = std::get_if<Welcome>(&message)) worker.session = welcome->session;
  if (const auto* forget = std::get_if<Forget>(&message)) worker.orders_through = forget->number;
  if (const auto* assign = std::get_if<Assign>(&message)) {
    worker.orders_through = assign->number;
    for (const Assignment& task : assign->tasks) worker.held.push_back(task.attempt);
  }
  if (const auto* back = std::get_if<TakeBack>(&message)) {
    worker.orders_through = back->number;
    for (const AttemptId attempt : back->attempts) {
      if (std::erase(worker.held, attempt) > 0) worker.given_back.push_back(attempt);
    }
  }
}

Report ClosedLoop::ReportOf(Worker& worker) {
  Report report{.session = worker.session,
                .orders_through = worker.orders_through,
                .first_number = worker.reports + 1,
                .reports = {},
                .started = {}};
  for (const AttemptId attempt : worker.given_back) {
    AttemptReport& one = report.reports.emplace_back();
    one.attempt = attempt;
    one.kind = ReportKind::kReturned;
  }
  for (const AttemptId attempt : worker.held) {
    AttemptReport& one = report.reports.emplace_back();
    one.attempt = attempt;
    one.outcome = Outcome::kSucceeded;
    one.execution = kEach;
  }
  ended_ += worker.held.size();
  worker.reports += report.reports.size();
  worker.given_back.clear();
  worker.held.clear();
  return report;
}

}  // namespace millrace::bench
