// SPDX-License-Identifier: Apache-2.0
// A scheduler in virtual time for unit tests: says things to it as workers and clients would, collects what it does,
// and checks its invariants after every step.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/sched/scheduler.h"
#include "millrace/sched/session.h"
#include "tests/support/unfold.h"

namespace millrace::sched {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

inline Config TestConfig() {
  Config config;
  config.version = "test";
  config.seed = 7;
  return config;
}

// Builds a JobSpec task by task.
class Job {
 public:
  explicit Job(FailMode mode = FailMode::kFailFast) {
    spec.name = "job";
    spec.fail_mode = mode;
    spec.modules.push_back({.name = "work", .fingerprint = 0, .version = "1"});
  }
  // `needs`: "a b? c": required, or optional with a question mark.
  Job& Task(const std::string& name, const std::string& needs = "", const Policy& policy = {},
            const Requirements& requirements = {}) {
    TaskSpec task;
    task.name = name;
    task.policy = static_cast<std::uint32_t>(spec.policies.size());
    spec.policies.push_back(policy);
    task.requirements = static_cast<std::uint32_t>(spec.requirements.size());
    spec.requirements.push_back(requirements);
    std::string word;
    for (const char c : needs + " ") {
      if (c != ' ') {
        word += c;
        continue;
      }
      if (word.empty()) continue;
      const bool optional = word.back() == '?';
      if (optional) word.pop_back();
      task.needs.push_back({.task = index_.at(word),
                            .kind = optional ? DependencyKind::kOptional : DependencyKind::kRequired,
                            .parameter = -1});
      word.clear();
    }
    index_[name] = static_cast<std::uint32_t>(spec.tasks.size());
    spec.tasks.push_back(std::move(task));
    return *this;
  }
  JobSpec spec;

 private:
  std::map<std::string, std::uint32_t> index_;
};

struct WorkerSpec {
  std::int64_t cpus = 1;
  std::vector<std::string> tools{};
  std::vector<std::string> tags{};
  std::uint64_t incarnation = 0;  // 0 = made from the name
  std::vector<Held> held{};
  std::uint64_t first_report = 1;
  bool local = false;
  bool draining = false;
  bool takes_ahead = false;
};

class Rig {
 public:
  explicit Rig(Config config = TestConfig()) : config(config), scheduler(std::make_unique<Scheduler>(config)) {
    Step(Tick{});
  }

  void Step(Event event) {
    Actions fresh;
    scheduler->Step(now, std::move(event), fresh);
    const absl::Status status = scheduler->CheckInvariants();
    EXPECT_TRUE(status.ok()) << status;
    for (Action& action : sched::Unfolded(std::move(fresh))) {
      if (const Append* append = std::get_if<Append>(&action.body)) journal.push_back(append->record);
      actions.push_back(std::move(action));
    }
  }
  void Say(PeerId peer, Message message) { Step(Heard{.peer = peer, .message = std::move(message)}); }
  // Lets time pass, waking the scheduler whenever it wants.
  void Advance(Duration by) {
    const Instant end = now + by;
    while (scheduler->NextWake() <= end) {
      now = std::max(now, scheduler->NextWake());
      Step(Tick{});
    }
    now = end;
    Step(Tick{});
  }
  // The same, while every worker that is connected beats.
  void AdvanceBeating(Duration by) {
    const Instant end = now + by;
    while (now < end) {
      for (auto& [name, worker] : workers) {
        if (!worker.peer.valid() || worker.silent) continue;
        Say(worker.peer, Beat{.session = worker.session,
                              .incarnation = worker.incarnation,
                              .number = ++worker.beats,
                              .orders_through = worker.orders_through,
                              .reports_through = worker.reports,
                              .running = worker.holds.value_or(HeldBy(name))});
      }
      Advance(std::min<Duration>(end - now, seconds(1)));
    }
  }

  struct Worker {
    PeerId peer;
    SessionId session;
    Incarnation incarnation;
    std::uint64_t beats = 0;
    std::uint64_t reports = 0;
    std::uint64_t orders_through = 0;
    bool silent = false;
    std::optional<std::uint32_t> holds{};  // what its beats say; nothing = what the broker believes
  };
  std::uint32_t HeldBy(const std::string& name) const {
    for (const WorkerView& row : scheduler->Workers(now)) {
      if (row.name == name) return row.running + row.prefetched;
    }
    return 0;
  }

  // Connects (or reconnects) and says hello; takes the session from the Welcome.
  Worker& Join(const std::string& name, const WorkerSpec& spec = {}) {
    Worker& worker = workers[name];
    worker.peer = PeerId{++peers_};
    worker.incarnation = Incarnation{spec.incarnation != 0 ? spec.incarnation : 1000 + name.back()};
    Hello hello;
    hello.name = name;
    hello.incarnation = worker.incarnation;
    hello.host = "host-" + name;
    hello.pid = 100;
    hello.version = "test";
    hello.local = spec.local;
    hello.draining = spec.draining;
    hello.held = spec.held;
    hello.first_report = spec.first_report;
    hello.session = worker.session;
    hello.orders_through = worker.orders_through;
    hello.takes_ahead = spec.takes_ahead;
    hello.offer.os = "linux";
    hello.offer.cpus = spec.cpus;
    hello.offer.tags = spec.tags;
    for (const std::string& tool : spec.tools) {
      const std::size_t colon = tool.find(':');
      hello.offer.tools.push_back(
          {.name = tool.substr(0, colon), .version = colon == std::string::npos ? "" : tool.substr(colon + 1)});
    }
    hello.offer.modules.push_back({.name = "work", .fingerprint = 0});
    const std::size_t from = actions.size();
    Say(worker.peer, hello);
    for (std::size_t i = from; i < actions.size(); ++i) {
      const Send* send = std::get_if<Send>(&actions[i].body);
      if (send == nullptr || send->peer != worker.peer) continue;
      if (const Welcome* welcome = std::get_if<Welcome>(&send->message)) {
        if (welcome->session != worker.session) worker.orders_through = 0;
        worker.session = welcome->session;
      }
    }
    return worker;
  }

  Answer Submit(JobSpec job, std::uint64_t token = 0) {
    Say(client, millrace::Submit{.request = ++requests_, .token = token, .job = std::move(job), .job_digest = {}});
    const Answer answer = Last<Answer>(client).value();
    if (answer.run.valid()) run = answer.run;
    return answer;
  }
  // About `run`, the newest one submitted here.
  Answer Ask(QueryKind kind, const std::string& task = "", std::uint64_t since = 0, std::uint32_t limit = 0) {
    Query query;
    query.request = ++requests_;
    query.kind = kind;
    query.run = run;
    query.task = task;
    query.since = since;
    query.limit = limit;
    Say(client, query);
    return Last<Answer>(client).value();
  }
  Answer Tell(CommandKind kind, const std::string& target = "", const std::string& reason = "") {
    Command command;
    command.request = ++requests_;
    command.kind = kind;
    command.run = run;
    command.target = target;
    command.reason = reason;
    Say(client, command);
    return Last<Answer>(client).value();
  }
  RunView Run() { return Ask(QueryKind::kRun).runs.at(0); }
  TaskView Task(const std::string& name) { return Ask(QueryKind::kTasks, name).tasks.at(0); }
  std::string Why(const std::string& name) {
    std::string text;
    for (const std::string& line : Ask(QueryKind::kWhy, name).lines) text += line + "\n";
    return text;
  }

  // Every message of this kind sent to the peer since the last Clear.
  template <class M>
  std::vector<M> Sent(PeerId peer) const {
    std::vector<M> found;
    for (const Action& action : actions) {
      const Send* send = std::get_if<Send>(&action.body);
      if (send == nullptr || send->peer != peer) continue;
      if (const M* message = std::get_if<M>(&send->message)) found.push_back(*message);
    }
    return found;
  }
  template <class M>
  std::optional<M> Last(PeerId peer) const {
    const std::vector<M> all = Sent<M>(peer);
    return all.empty() ? std::nullopt : std::optional<M>(all.back());
  }
  template <class M>
  std::vector<M> All() const {
    std::vector<M> found;
    for (const Action& action : actions) {
      if (const M* body = std::get_if<M>(&action.body)) found.push_back(*body);
    }
    return found;
  }
  std::string Notes() const {
    std::string text;
    for (const Note& note : All<Note>()) text += note.text + "\n";
    return text;
  }
  void Clear() { actions.clear(); }

  // The assignments that this worker was sent, newest try of each task.
  std::map<std::string, Assignment> Assigned(const std::string& name) const {
    std::map<std::string, Assignment> found;
    for (const Assign& assign : Sent<Assign>(workers.at(name).peer)) {
      for (const Assignment& task : assign.tasks) found[task.name] = task;
    }
    return found;
  }
  AttemptId AttemptOf(const std::string& worker, const std::string& task) const {
    const auto assigned = Assigned(worker);
    const auto it = assigned.find(task);
    return it == assigned.end() ? AttemptId{} : it->second.attempt;
  }

  // Acknowledges all orders sent so far.
  void Ack(const std::string& name) {
    Worker& worker = workers.at(name);
    for (const Action& action : actions) {
      const Send* send = std::get_if<Send>(&action.body);
      if (send == nullptr || send->peer != worker.peer) continue;
      std::visit(
          [&worker](const auto& m) {
            if constexpr (requires {
                            m.number;
                            m.session;
                          }) {
              if (m.session == worker.session) worker.orders_through = std::max(worker.orders_through, m.number);
            }
          },
          send->message);
    }
    Say(worker.peer, Report{.session = worker.session,
                            .orders_through = worker.orders_through,
                            .first_number = 0,
                            .reports = {},
                            .started = {}});
  }
  void Report_(const std::string& name, AttemptReport report) {
    Worker& worker = workers.at(name);
    Say(worker.peer, Report{.session = worker.session,
                            .orders_through = worker.orders_through,
                            .first_number = ++worker.reports,
                            .reports = {std::move(report)},
                            .started = {}});
  }
  void End(const std::string& worker, const std::string& task, Outcome outcome, Failure failure = {},
           const std::string& result = "", Duration execution = milliseconds(10)) {
    AttemptReport report;
    report.attempt = AttemptOf(worker, task);
    ASSERT_TRUE(report.attempt.valid()) << task << " was not assigned to " << worker;
    report.outcome = outcome;
    report.failure = std::move(failure);
    report.result = {.bytes = Bytes(result), .digest = {}, .size = result.size()};
    report.execution = execution;
    Report_(worker, std::move(report));
  }
  void Succeed(const std::string& worker, const std::string& task, const std::string& result = "ok") {
    End(worker, task, Outcome::kSucceeded, {}, result);
  }
  void Fail(const std::string& worker, const std::string& task, bool transient = false) {
    Failure failure;
    failure.message = "exit code 1";
    failure.exit_code = 1;
    failure.transient = transient;
    End(worker, task, Outcome::kFailed, failure);
  }
  void Return(const std::string& worker, const std::string& task) {
    AttemptReport report;
    report.attempt = AttemptOf(worker, task);
    report.kind = ReportKind::kReturned;
    Report_(worker, std::move(report));
  }
  void Started(const std::string& name, const std::string& task) {
    const Worker& worker = workers.at(name);
    Say(worker.peer, Report{.session = worker.session,
                            .orders_through = worker.orders_through,
                            .first_number = 0,
                            .reports = {},
                            .started = {AttemptOf(name, task)}});
  }
  void Die(const std::string& name) {
    const PeerId peer = std::exchange(workers.at(name).peer, PeerId{});
    Step(PeerGone{.peer = peer, .process_dead = true});
  }
  void Disconnect_(const std::string& name) {
    const PeerId peer = std::exchange(workers.at(name).peer, PeerId{});
    Step(PeerGone{.peer = peer, .process_dead = false});
  }
  // A new broker on the journal that the old one has written.
  void Restart() {
    ++config.epoch;
    scheduler = std::make_unique<Scheduler>(config);
    for (const Record& record : journal) scheduler->Apply(record);
    for (auto& [name, worker] : workers) worker.peer = {};
    Step(Tick{});
  }

  Config config;
  std::unique_ptr<Scheduler> scheduler;
  Instant now{seconds(1000)};
  Actions actions;
  std::vector<Record> journal;
  std::map<std::string, Worker> workers;
  PeerId client{1'000'000};
  RunId run;

 private:
  std::uint64_t peers_ = 0;
  std::uint64_t requests_ = 0;
};

}  // namespace millrace::sched
