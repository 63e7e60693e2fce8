// SPDX-License-Identifier: Apache-2.0
// A small model of a worker for random tests: keeps the protocol, runs attempts for a random while, and can crash. It
// talks through a function that the world gives it, which may lose what it says.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "millrace/base/random.h"
#include "millrace/model/message.h"

namespace millrace::sched {

class FakeWorker {
 public:
  struct Task {
    Assignment assignment;
    bool running = false;
    bool cancelled = false;
    Instant ends = kNever;
  };
  // What the world decides for an attempt that starts.
  struct Fate {
    Duration takes{};
    AttemptReport report;
    bool kills = false;  // the worker dies when it ends
  };
  struct World {
    std::function<void(Message)> send;
    std::function<void(Message)> beat;
    std::function<Fate(const Assignment&)> start;  // called once for every execution
    std::function<void(const Assign&)> received;
  };

  FakeWorker(std::string name, std::uint64_t incarnation, Offer offer, World world)
      : name_(std::move(name)), incarnation_{incarnation}, offer_(std::move(offer)), world_(std::move(world)) {}

  bool connected = false;
  bool draining = false;
  bool gone = false;  // said goodbye

  void Connected(Instant now) {
    connected = true;
    attached_ = false;
    SayHello(now);
  }

  void Hear(Instant now, const Message& message) {
    if (const auto* m = std::get_if<Welcome>(&message)) OnWelcome(*m);
    if (const auto* m = std::get_if<Refused>(&message); m != nullptr && m->code == RefusalCode::kUnknownSession) {
      attached_ = false;
      SayHello(now);
    }
    if (const auto* m = std::get_if<Recorded>(&message); m != nullptr && m->session == session_) {
      while (!outbox_.empty() && outbox_.begin()->first <= m->through) outbox_.erase(outbox_.begin());
    }
    if (std::holds_alternative<Ping>(message)) world_.send(Pong{.nonce = std::get<Ping>(message).nonce});
    if (const auto* m = std::get_if<Assign>(&message); m != nullptr && Take(*m)) OnAssign(*m);
    if (const auto* m = std::get_if<Cancel>(&message); m != nullptr && Take(*m)) OnCancel(now, *m);
    if (const auto* m = std::get_if<TakeBack>(&message); m != nullptr && Take(*m)) OnTakeBack(*m);
    if (const auto* m = std::get_if<Forget>(&message); m != nullptr && Take(*m)) {
      for (const TaskRef ref : m->data) data_.erase(ref);
    }
    if (const auto* m = std::get_if<Drain>(&message); m != nullptr && Take(*m)) StartDraining();
    Run(now);
    Report_(true);
  }

  // Ends what is due, and once a second says again what was not answered. True if the worker died of it.
  bool Tick(Instant now) {
    for (auto it = tasks_.begin(); it != tasks_.end();) {
      if (!it->running || it->ends > now) {
        ++it;
        continue;
      }
      Fate fate = std::move(fates_.at(it->assignment.attempt));
      fates_.erase(it->assignment.attempt);
      if (fate.kills) return true;
      if (it->cancelled) fate.report.outcome = Outcome::kCancelled;
      fate.report.attempt = it->assignment.attempt;
      outbox_.emplace(++reports_, std::move(fate.report));
      it = tasks_.erase(it);
    }
    Run(now);
    Report_(true);
    if (now < next_beat_) return false;
    next_beat_ = now + std::chrono::seconds(1);
    if (!connected) return false;
    if (!attached_) {
      SayHello(now);
      return false;
    }
    world_.beat(Beat{.session = session_,
                     .incarnation = incarnation_,
                     .number = ++beats_,
                     .orders_through = orders_,
                     .reports_through = reports_,
                     .running = 0,
                     .queued = 0});
    sent_ = 0;
    Report_(false);
    if (draining && tasks_.empty() && outbox_.empty()) {
      world_.send(Goodbye{.session = session_, .reason = "drained"});
      gone = true;
    }
    return false;
  }

  void StartDraining() {
    draining = true;
    std::erase_if(tasks_, [this](const Task& task) {
      if (!task.running) Return(task.assignment.attempt);
      return !task.running;
    });
  }

  Instant NextWake() const {
    Instant next = next_beat_;
    for (const Task& task : tasks_) next = std::min(next, task.running ? task.ends : kNever);
    return next;
  }

  const std::string& name() const { return name_; }
  std::vector<std::string> RunningNames() const {
    std::vector<std::string> names;
    for (const Task& task : tasks_) {
      if (task.running) names.push_back(task.assignment.name);
    }
    return names;
  }
  std::string problem;  // what the broker did wrong, seen from here

 private:
  template <class Order>
  bool Take(const Order& order) {
    if (!attached_ || order.session != session_) return false;
    if (order.number != orders_ + 1) {
      world_.send(
          Report{.session = session_, .orders_through = orders_, .first_number = 0, .reports = {}, .started = {}});
      return false;
    }
    ++orders_;
    return true;
  }

  void SayHello(Instant now) {
    Hello hello;
    hello.name = name_;
    hello.incarnation = incarnation_;
    hello.host = "host";
    hello.offer = offer_;
    hello.draining = draining;
    for (const Task& task : tasks_) {
      hello.held.push_back(
          {.attempt = task.assignment.attempt, .state = task.running ? HeldState::kRunning : HeldState::kQueued});
    }
    for (const auto& [number, report] : outbox_) {
      hello.held.push_back({.attempt = report.attempt, .state = HeldState::kFinished});
    }
    hello.first_report = outbox_.empty() ? reports_ + 1 : outbox_.begin()->first;
    hello.session = session_;
    hello.orders_through = orders_;
    next_beat_ = now + std::chrono::seconds(1);
    world_.send(std::move(hello));
  }

  void OnWelcome(const Welcome& welcome) {
    if (welcome.session < session_) return;
    for (const AttemptId attempt : welcome.drop) Drop(attempt);
    if (welcome.session != session_) {
      const std::set<AttemptId> keep(welcome.keep.begin(), welcome.keep.end());
      std::vector<AttemptId> foreign;
      for (const Task& task : tasks_) {
        if (!keep.contains(task.assignment.attempt)) foreign.push_back(task.assignment.attempt);
      }
      for (const AttemptId attempt : foreign) Drop(attempt);
      data_.clear();
      orders_ = 0;
      session_ = welcome.session;
    }
    attached_ = true;
    sent_ = 0;
  }

  void Drop(AttemptId attempt) {
    std::erase_if(tasks_, [attempt](const Task& task) { return task.assignment.attempt == attempt; });
    fates_.erase(attempt);
  }

  bool Holds(AttemptId attempt) const {
    for (const Task& task : tasks_) {
      if (task.assignment.attempt == attempt) return true;
    }
    for (const auto& [number, report] : outbox_) {
      if (report.attempt == attempt) return true;
    }
    return false;
  }

  void OnAssign(const Assign& assign) {
    world_.received(assign);
    for (const Datum& datum : assign.data) data_.insert(datum.task);
    for (const Assignment& assignment : assign.tasks) {
      if (Holds(assignment.attempt)) continue;
      for (const Need& need : assignment.needs) {
        if (!data_.contains({assignment.task.run, need.task})) problem = "no data for " + assignment.name;
      }
      if (assign.policies.at(assignment.policy).timeout == Duration::zero()) problem = "no timeout";
      tasks_.push_back({.assignment = assignment});
      if (draining) Return(assignment.attempt), tasks_.pop_back();
    }
  }

  void OnCancel(Instant now, const Cancel& cancel) {
    for (const AttemptId attempt : cancel.attempts) {
      for (auto it = tasks_.begin(); it != tasks_.end(); ++it) {
        if (it->assignment.attempt != attempt) continue;
        it->cancelled = true;
        if (it->running) {
          it->ends = std::min(it->ends, now + std::chrono::milliseconds(100));
          break;
        }
        AttemptReport report;
        report.attempt = attempt;
        report.outcome = Outcome::kCancelled;
        outbox_.emplace(++reports_, report);
        tasks_.erase(it);
        break;
      }
    }
  }

  void OnTakeBack(const TakeBack& take_back) {
    for (const AttemptId attempt : take_back.attempts) {
      const auto it = std::find_if(tasks_.begin(), tasks_.end(), [attempt](const Task& task) {
        return task.assignment.attempt == attempt && !task.running;
      });
      if (it == tasks_.end()) continue;
      Return(attempt);
      tasks_.erase(it);
    }
  }

  void Return(AttemptId attempt) {
    AttemptReport report;
    report.attempt = attempt;
    report.kind = ReportKind::kReturned;
    outbox_.emplace(++reports_, report);
  }

  void Run(Instant now) {
    std::int64_t used = 0;
    for (Task& task : tasks_) {
      if (!task.running && used + task.assignment.cpus <= offer_.cpus) {
        Fate fate = world_.start(task.assignment);
        task.running = true;
        task.ends = now + fate.takes;
        fates_[task.assignment.attempt] = std::move(fate);
      } else if (!task.running) {
        return;  // in the order of assignment
      }
      used += task.assignment.cpus;
    }
  }

  void Report_(bool only_new) {
    if (!connected || !attached_) return;
    Report report{.session = session_, .orders_through = orders_, .first_number = 0, .reports = {}, .started = {}};
    for (const auto& [number, attempt] : outbox_) {
      if (only_new && number <= sent_) continue;
      if (report.reports.empty()) report.first_number = number;
      report.reports.push_back(attempt);
    }
    if (report.reports.empty()) return;
    sent_ = reports_;
    world_.send(std::move(report));
  }

  std::string name_;
  Incarnation incarnation_;
  Offer offer_;
  World world_;
  bool attached_ = false;
  SessionId session_;
  std::uint64_t orders_ = 0;
  std::uint64_t beats_ = 0;
  std::uint64_t reports_ = 0;
  std::uint64_t sent_ = 0;
  Instant next_beat_{};
  std::deque<Task> tasks_;
  std::map<AttemptId, Fate> fates_;
  std::map<std::uint64_t, AttemptReport> outbox_;
  std::set<TaskRef> data_;
};

}  // namespace millrace::sched
