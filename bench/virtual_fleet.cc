// SPDX-License-Identifier: Apache-2.0
#include "bench/virtual_fleet.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <variant>

#include "bench/patient.h"

namespace millrace::bench {

VirtualFleet::VirtualFleet(std::size_t workers, std::int64_t slots_each) : scheduler_(Patient()), workers_(workers) {
  Step(sched::Tick{});
  for (std::size_t i = 0; i < workers; ++i) {
    workers_[i].free = slots_each;
    Say(i, HelloOf(i, slots_each));
  }
}

Duration VirtualFleet::Run(JobSpec job, const std::function<Duration(std::uint32_t)>& takes) {
  const Instant begin = now_;
  const std::uint64_t tasks = job.tasks.size();
  takes_ = &takes;
  ended_ = 0;
  Step(sched::Heard{.peer = kClient,
                    .message = Submit{.request = 1, .token = 0, .job = std::move(job), .job_digest = {}}});
  StartAll();
  while (ended_ < tasks) {
    const Instant wake = scheduler_.NextWake();
    const Instant end = endings_.empty() ? kNever : endings_.top().at;
    if (wake == kNever && end == kNever) {
      std::fprintf(stderr, "virtual fleet: %llu of %llu tasks ended, and nothing goes on\n",
                   static_cast<unsigned long long>(ended_), static_cast<unsigned long long>(tasks));
      std::abort();
    }
    if (wake < end) {
      now_ = std::max(now_, wake);
      Step(sched::Tick{});
    } else {
      now_ = end;
      EndNext();
    }
    StartAll();
  }
  return now_ - begin;
}

// What a step makes the workers say is heard before anything else happens.
void VirtualFleet::Step(sched::Event event) {
  sched::Actions actions;
  scheduler_.Step(now_, std::move(event), actions);
  for (const sched::Action& action : actions) {
    const auto* send = std::get_if<sched::Send>(&action.body);
    if (send != nullptr && send->peer != kClient) Hear(WorkerOf(send->peer), send->message);
  }
  while (!outgoing_.empty()) {
    auto [worker, message] = std::move(outgoing_.front());
    outgoing_.pop_front();
    Step(sched::Heard{.peer = PeerOf(worker), .message = std::move(message)});
  }
}

void VirtualFleet::Say(std::size_t worker, Message message) {
  Step(sched::Heard{.peer = PeerOf(worker), .message = std::move(message)});
}

void VirtualFleet::Hear(std::size_t index, const Message& message) {
  Worker& worker = workers_[index];
  if (const auto* welcome = std::get_if<Welcome>(&message)) worker.session = welcome->session;
  if (const auto* assign = std::get_if<Assign>(&message)) {
    worker.orders_through = assign->number;
    for (const Assignment& task : assign->tasks) worker.waiting.push_back({task.attempt, task.task.index});
  }
  if (const auto* forget = std::get_if<Forget>(&message)) worker.orders_through = forget->number;
  if (const auto* back = std::get_if<TakeBack>(&message)) {
    worker.orders_through = back->number;
    std::vector<AttemptReport> reports;
    for (const AttemptId attempt : back->attempts) {
      const auto it = std::find_if(worker.waiting.begin(), worker.waiting.end(),
                                   [attempt](const Waiting& one) { return one.attempt == attempt; });
      if (it == worker.waiting.end()) continue;
      worker.waiting.erase(it);
      AttemptReport& report = reports.emplace_back();
      report.attempt = attempt;
      report.kind = ReportKind::kReturned;
    }
    if (!reports.empty()) Report_(index, std::move(reports));
  }
}

void VirtualFleet::Report_(std::size_t index, std::vector<AttemptReport> reports) {
  Worker& worker = workers_[index];
  const std::uint64_t first = worker.reports + 1;
  worker.reports += reports.size();
  outgoing_.emplace_back(index, Report{.session = worker.session,
                                       .orders_through = worker.orders_through,
                                       .first_number = first,
                                       .reports = std::move(reports),
                                       .started = {}});
}

void VirtualFleet::StartAll() {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = workers_[i];
    while (worker.free > 0 && !worker.waiting.empty()) {
      const Waiting next = worker.waiting.front();
      worker.waiting.pop_front();
      --worker.free;
      const Duration took = (*takes_)(next.task);
      endings_.push({now_ + took, i, next.attempt, took});
    }
  }
}

// All that ends at one worker at this instant is one report.
void VirtualFleet::EndNext() {
  const std::size_t index = endings_.top().worker;
  std::vector<AttemptReport> reports;
  while (!endings_.empty() && endings_.top().at == now_ && endings_.top().worker == index) {
    AttemptReport& report = reports.emplace_back();
    report.attempt = endings_.top().attempt;
    report.outcome = Outcome::kSucceeded;
    report.execution = endings_.top().took;
    endings_.pop();
  }
  workers_[index].free += static_cast<std::int64_t>(reports.size());
  ended_ += reports.size();
  Report_(index, std::move(reports));
  // A worker that waits for nobody starts what it has before the broker has heard of it.
  StartAll();
  auto [worker, message] = std::move(outgoing_.front());
  outgoing_.pop_front();
  Say(worker, std::move(message));
}

}  // namespace millrace::bench
