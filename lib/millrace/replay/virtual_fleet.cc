// SPDX-License-Identifier: Apache-2.0
#include "millrace/replay/virtual_fleet.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "millrace/base/status.h"

namespace millrace::replay {
namespace {

// A broker that gives nobody up for being silent.
sched::Config Patient() {
  constexpr Duration kAges = std::chrono::hours(24 * 365 * 10);
  sched::Config config;
  config.version = "replay";
  config.heartbeat_interval = kAges;
  config.lease = kAges;
  return config;
}

constexpr PeerId kClient{1'000'000'000};
constexpr PeerId PeerOf(std::size_t worker) { return PeerId{worker + 1}; }
constexpr std::size_t WorkerOf(PeerId peer) { return peer.value - 1; }

Hello HelloOf(std::size_t worker, std::int64_t slots) {
  Hello hello;
  hello.name = "w" + std::to_string(worker);
  hello.incarnation = Incarnation{worker + 1};
  hello.host = "host";
  hello.version = "replay";
  hello.offer.cpus = slots;
  hello.offer.modules.push_back({.name = "work", .fingerprint = 0});
  return hello;
}

}  // namespace

VirtualFleet::VirtualFleet(std::vector<std::int64_t> slots, Duration handover)
    : scheduler_(Patient()), handover_(handover), workers_(slots.size()) {
  Step(sched::Tick{});
  for (std::size_t i = 0; i < slots.size(); ++i) {
    workers_[i].free = slots[i];
    Step(sched::Heard{.peer = PeerOf(i), .message = HelloOf(i, slots[i])});
  }
}

absl::StatusOr<Duration> VirtualFleet::Run(JobSpec job, const std::function<Duration(std::uint32_t)>& takes) {
  const Script script{.attempt = [&takes](std::uint32_t task, std::uint32_t) { return VirtualTry{takes(task)}; }};
  absl::StatusOr<Played> played = Play(std::move(job), script);
  if (!played.ok()) return played.status();
  return played->makespan;
}

absl::StatusOr<Played> VirtualFleet::Play(JobSpec job, const Script& script) {
  const Instant begin = now_;
  script_ = &script;
  refused_ = absl::OkStatus();
  ended_.reset();
  Step(sched::Heard{.peer = kClient,
                    .message = Submit{.request = 1, .token = 0, .job = std::move(job), .job_digest = {}}});
  StartAll();
  while (!ended_) {
    if (!refused_.ok()) return refused_;
    const Instant wake = scheduler_.NextWake();
    const Instant end = endings_.empty() ? kNever : endings_.top().at;
    if (wake == kNever && end == kNever) return Internal("the run does not end, and nothing goes on");
    if (wake < end) {
      now_ = std::max(now_, wake);
      Step(sched::Tick{});
    } else {
      now_ = end;
      EndNext();
    }
    StartAll();
  }
  return Played{.makespan = now_ - begin, .state = *ended_};
}

// What a step makes the others say is heard before anything else happens.
void VirtualFleet::Step(sched::Event event) {
  sched::Actions actions;
  scheduler_.Step(now_, std::move(event), actions);
  for (const sched::Action& action : actions) Perform(action);
  while (!outgoing_.empty()) {
    sched::Event next = std::move(outgoing_.front());
    outgoing_.pop_front();
    Step(std::move(next));
  }
}

void VirtualFleet::Perform(const sched::Action& action) {
  if (const auto* send = std::get_if<sched::Send>(&action.body)) {
    if (send->peer != kClient) {
      Hear(WorkerOf(send->peer), send->message);
    } else if (const auto* answer = std::get_if<Answer>(&send->message); answer != nullptr && answer->code != 0) {
      refused_ = absl::Status(static_cast<absl::StatusCode>(answer->code), Av(answer->message));
    }
  } else if (const auto* recall = std::get_if<sched::Recall>(&action.body)) {
    sched::Recalled recalled{.task = recall->task, .result = std::nullopt, .key = {}};
    if (script_->cached && script_->cached(recall->task.index)) recalled.result = Payload();
    outgoing_.emplace_back(std::move(recalled));
  } else if (const auto* append = std::get_if<sched::Append>(&action.body)) {
    if (const auto* ended = std::get_if<RunEnded>(&append->record)) ended_ = ended->state;
  }
}

void VirtualFleet::Hear(std::size_t index, const Message& message) {
  Worker& worker = workers_[index];
  if (const auto* welcome = std::get_if<Welcome>(&message)) worker.session = welcome->session;
  if (const auto* assign = std::get_if<Assign>(&message)) {
    worker.orders_through = assign->number;
    for (const Assignment& task : assign->tasks) {
      const Waiting next{task.attempt, task.task.index, task.try_number, task.cpus};
      if (task.cpus == 0) {
        worker.waiting.push_front(next);  // it waits for no slot
      } else {
        worker.waiting.push_back(next);
      }
    }
  }
  if (const auto* forget = std::get_if<Forget>(&message)) worker.orders_through = forget->number;
  if (const auto* back = std::get_if<TakeBack>(&message)) TakeBackFrom(index, *back);
  if (const auto* cancel = std::get_if<Cancel>(&message)) CancelAt(index, *cancel);
}

void VirtualFleet::TakeBackFrom(std::size_t index, const TakeBack& order) {
  Worker& worker = workers_[index];
  worker.orders_through = order.number;
  std::vector<AttemptReport> reports;
  for (const AttemptId attempt : order.attempts) {
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

// At once: how long a task takes to stop is not known.
void VirtualFleet::CancelAt(std::size_t index, const Cancel& order) {
  Worker& worker = workers_[index];
  worker.orders_through = order.number;
  std::vector<AttemptReport> reports;
  for (const AttemptId attempt : order.attempts) {
    const auto waiting = std::find_if(worker.waiting.begin(), worker.waiting.end(),
                                      [attempt](const Waiting& one) { return one.attempt == attempt; });
    const auto running = worker.running.find(attempt);
    if (waiting == worker.waiting.end() && running == worker.running.end()) continue;
    if (waiting != worker.waiting.end()) {
      worker.waiting.erase(waiting);
    } else {
      worker.free += running->second.cpus;
      worker.running.erase(running);
    }
    AttemptReport& report = reports.emplace_back();
    report.attempt = attempt;
    report.outcome = Outcome::kCancelled;
  }
  if (!reports.empty()) Report_(index, std::move(reports));
}

void VirtualFleet::Report_(std::size_t index, std::vector<AttemptReport> reports) {
  Worker& worker = workers_[index];
  const std::uint64_t first = worker.reports + 1;
  worker.reports += reports.size();
  outgoing_.emplace_back(sched::Heard{.peer = PeerOf(index),
                                      .message = Report{.session = worker.session,
                                                        .orders_through = worker.orders_through,
                                                        .first_number = first,
                                                        .reports = std::move(reports),
                                                        .started = {}}});
}

// In the order in which they came, as workers do: one that does not fit yet is not overtaken.
void VirtualFleet::StartAll() {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = workers_[i];
    while (!worker.waiting.empty() && worker.waiting.front().cpus <= worker.free) {
      const Waiting next = worker.waiting.front();
      worker.waiting.pop_front();
      const VirtualTry what = script_->attempt(next.task, next.try_number);
      worker.free -= next.cpus;
      worker.running.emplace(next.attempt, Running{next.cpus, what});
      endings_.push({now_ + handover_ + what.takes, i, next.attempt});
    }
  }
}

// All that ends at one worker at this instant is one report.
void VirtualFleet::EndNext() {
  const std::size_t index = endings_.top().worker;
  Worker& worker = workers_[index];
  std::vector<AttemptReport> reports;
  while (!endings_.empty() && endings_.top().at == now_ && endings_.top().worker == index) {
    const auto it = worker.running.find(endings_.top().attempt);
    endings_.pop();
    if (it == worker.running.end()) continue;  // it was cancelled
    const VirtualTry& what = it->second.what;
    AttemptReport& report = reports.emplace_back();
    report.attempt = it->first;
    report.outcome = what.outcome;
    report.execution = what.takes;
    report.failure.transient = what.transient;
    if (what.outcome != Outcome::kSucceeded) report.failure.message = "as recorded";
    worker.free += it->second.cpus;
    worker.running.erase(it);
  }
  if (reports.empty()) return;
  Report_(index, std::move(reports));
  // A worker that waits for nobody starts what it has before the broker has heard of it.
  StartAll();
  sched::Event report = std::move(outgoing_.front());
  outgoing_.pop_front();
  Step(std::move(report));
}

}  // namespace millrace::replay
