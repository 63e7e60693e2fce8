// SPDX-License-Identifier: Apache-2.0
// An agent on a test bench: virtual time, events by name, and everything it did until it is asked for. Invariants are
// checked after every step.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "millrace/agent/agent.h"

namespace millrace::agent {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class Rig {
 public:
  explicit Rig(Config config = Defaults()) : agent_(config) {}

  static Config Defaults() {
    Config config;
    config.name = "w1";
    config.incarnation = Incarnation{7};
    config.host = "host-a";
    config.pid = 42;
    config.offer.cpus = 2;
    config.seed = 1;
    return config;
  }

  void Do(Event event) {
    agent_.Step(now_, std::move(event), done_);
    const absl::Status sound = agent_.CheckInvariants();
    ASSERT_TRUE(sound.ok()) << sound.message();
  }
  void Say(Message message) { Do(Heard{.message = std::move(message), .on_heartbeat_channel = false}); }
  void HearBeacon(Epoch epoch = 1) {
    Beacon beacon;
    beacon.epoch = epoch;
    Do(Heard{.message = beacon, .on_heartbeat_channel = true});
  }

  // Lets time pass, waking the agent exactly when it wants to be woken.
  void Pass(Duration time) {
    const Instant end = now_ + time;
    while (agent_.NextWake() <= end) {
      now_ = agent_.NextWake();
      Do(Tick{});
      if (::testing::Test::HasFatalFailure()) return;
    }
    now_ = end;
  }
  // The same while a broker is alive: a beacon every second, and an answer to every ping.
  void PassAlive(Duration time, Epoch epoch = 1) {
    for (Duration passed{}; passed < time; passed += seconds(1)) {
      Pass(std::min<Duration>(seconds(1), time - passed));
      HearBeacon(epoch);
      for (const Ping& ping : Sent<Ping>()) {
        if (ping.nonce > answered_) Say(Pong{.nonce = answered_ = ping.nonce});
      }
    }
  }
  // The process stands still: nobody wakes anything.
  void Freeze(Duration time) { now_ += time; }

  Welcome Terms(std::uint32_t n = 1, Epoch epoch = 1) {
    Welcome welcome;
    welcome.session = SessionId{EpochQualified(epoch, n)};
    welcome.epoch = epoch;
    welcome.heartbeat_interval = seconds(5);
    welcome.lease = seconds(30);
    welcome.max_payload = 1 << 20;
    welcome.planes.heartbeat = "tcp://b:8081";
    welcome.planes.events = "tcp://b:8082";
    return welcome;
  }
  void Attach(std::uint32_t n = 1, Epoch epoch = 1) {
    Do(Connected{});
    Greet(Terms(n, epoch));
    Clear();
  }
  void Greet(Welcome welcome) {
    if (welcome.session != session_) orders_ = 0;
    session_ = welcome.session;
    Say(std::move(welcome));
  }

  static Assignment Task(std::uint64_t attempt, std::int64_t cpus = 1) {
    Assignment task;
    task.attempt = AttemptId{attempt};
    task.task = {.run = RunId{1}, .index = static_cast<std::uint32_t>(attempt)};
    task.name = "t" + std::to_string(attempt);
    task.cpus = cpus;
    return task;
  }
  Assign Work(std::vector<Assignment> tasks, Duration timeout = seconds(60)) {
    Assign assign;
    assign.modules.push_back({.name = "m", .fingerprint = 0, .version = ""});
    assign.policies.emplace_back();
    assign.policies.back().timeout = timeout;
    assign.tasks = std::move(tasks);
    return assign;
  }
  // Gives the order the next number and sends it.
  template <class Order>
  void Give(Order order) {
    order.session = session_;
    order.number = ++orders_;
    Say(std::move(order));
  }
  void GiveTask(std::uint64_t attempt, Duration timeout = seconds(60)) { Give(Work({Task(attempt)}, timeout)); }
  void GiveInProcess(std::uint64_t attempt, Duration timeout) {
    Assign assign = Work({Task(attempt)}, timeout);
    assign.policies[0].isolation = Isolation::kInProcess;
    Give(std::move(assign));
  }
  void Finish(std::uint32_t slot, std::uint64_t attempt, Outcome outcome = Outcome::kSucceeded,
              Duration execution = milliseconds(1)) {
    SlotDone done;
    done.attempt = AttemptId{attempt};
    done.outcome = outcome;
    done.execution = execution;
    Do(SlotSaid{.slot = slot, .message = std::move(done)});
  }
  void Print(std::uint32_t slot, std::uint64_t attempt, std::string text) {
    SlotOutput output;
    output.attempt = AttemptId{attempt};
    output.text = std::move(text);
    Do(SlotSaid{.slot = slot, .message = std::move(output)});
  }
  void Record(std::uint64_t through) {
    Recorded recorded;
    recorded.session = session_;
    recorded.through = through;
    Say(std::move(recorded));
  }

  // What was done of this kind since the last Clear, in order.
  template <class T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const Action& action : done_) {
      if (const auto* body = std::get_if<T>(&action.body)) found.push_back(*body);
    }
    return found;
  }
  template <class M>
  std::vector<M> Sent() const {
    std::vector<M> found;
    for (const Send& send : All<Send>()) {
      if (const auto* message = std::get_if<M>(&send.message)) found.push_back(*message);
    }
    return found;
  }
  template <class M>
  std::vector<M> Published() const {
    std::vector<M> found;
    for (const Publish& publish : All<Publish>()) {
      if (const auto* message = std::get_if<M>(&publish.message)) found.push_back(*message);
    }
    return found;
  }
  std::vector<AttemptReport> Reports() const {
    std::vector<AttemptReport> found;
    for (const Report& report : Sent<Report>()) found.insert(found.end(), report.reports.begin(), report.reports.end());
    return found;
  }
  // The attempts started, in order.
  std::vector<std::uint64_t> Started() const {
    std::vector<std::uint64_t> attempts;
    for (const Start& start : All<Start>()) attempts.push_back(start.execute.attempt.value);
    return attempts;
  }
  bool Noted(std::string_view part) const {
    for (const Note& note : All<Note>()) {
      if (note.text.find(part) != std::string::npos) return true;
    }
    return false;
  }
  void Clear() { done_.clear(); }

  Instant now() const { return now_; }
  SessionId session() const { return session_; }
  std::uint64_t& orders() { return orders_; }
  const Agent& agent() const { return agent_; }

 private:
  Agent agent_;
  Instant now_ = Instant(seconds(1000));
  Actions done_;
  SessionId session_;
  std::uint64_t orders_ = 0;
  std::uint64_t answered_ = 0;
};

}  // namespace millrace::agent
