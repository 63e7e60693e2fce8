// SPDX-License-Identifier: Apache-2.0
// A broker's brain, a journal, fake workers and a bad network in virtual time, all from one seed. First a time of
// faults, then a quiet one in which everything has to come to its end.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fake_worker.h"
#include "millrace/base/random.h"
#include "millrace/sched/scheduler.h"

namespace millrace::sched {

class RandomWorld {
 public:
  explicit RandomWorld(std::uint64_t seed);
  // "" when all went well, else what went wrong.
  std::string Play();

 private:
  struct Flight {  // a message under way
    Instant at;
    std::uint64_t seq = 0;
    bool to_broker = false;
    PeerId peer;
    bool heartbeat = false;
    Message message;
  };
  struct Host {
    std::unique_ptr<FakeWorker> worker;  // none while it restarts
    PeerId peer;                         // none while disconnected
    Instant returns = kNever;
    std::string name;
    Offer offer;
  };

  bool Chance(double p) { return random_.Unit() < p; }
  Duration Within(Duration bound) {
    return Duration(static_cast<Duration::rep>(random_.Unit() * static_cast<double>(bound.count())));
  }
  void MakeJob();
  void StartWorker(std::size_t host);
  void Connect(std::size_t host);
  void Unplug(std::size_t host, bool dead);
  void Crash(std::size_t host);
  void FromWorker(std::size_t host, Message message, bool heartbeat);
  void Fly(Flight flight);
  FakeWorker::Fate FateOf(const Assignment& assignment);
  void Received(const Assign& assign);
  void Step(Event event);
  void Perform();
  void StartBroker();
  void CrashBroker();
  void Fault();
  void Deliver(const Flight& flight);
  void Turn();
  Instant Next() const;
  std::string CheckEnd();
  bool AllEnded() const;
  void SubmitIfDue();
  void Wrong(const std::string& what) {
    if (problem_.empty()) problem_ = what;
  }

  Random random_;
  Config config_;
  double loss_ = 0;
  double doubled_ = 0;
  double crash_ = 0;
  double broker_crash_ = 0;
  double unplug_ = 0;
  double silent_ = 0;
  Duration delay_{};
  bool quiet_ = false;

  std::unique_ptr<Scheduler> broker_;
  Instant now_{std::chrono::seconds(100)};
  std::vector<Record> journal_;   // as far as it has been appended
  std::size_t journal_base_ = 0;  // records from earlier lives of the broker
  std::size_t durable_ = 0;       // how much of it a crash would leave
  std::deque<Action> held_;       // outputs waiting for their record
  std::vector<Host> hosts_;
  std::map<PeerId, std::size_t> peers_;
  std::deque<Flight> flights_;
  std::uint64_t next_peer_ = 0;
  std::uint64_t next_incarnation_ = 100;
  std::uint64_t seq_ = 0;
  std::vector<std::pair<Instant, std::size_t>> muted_;  // hosts whose messages are lost until then

  JobSpec job_;
  std::uint64_t token_ = 1;  // of the newest submission: the same job, again and again
  Instant next_submit_{};
  std::map<std::uint64_t, RunId> runs_;  // by token
  std::map<TaskRef, int> executions_;
  std::map<AttemptId, std::string> attempts_;  // every id ever handed out, and to which task
  std::map<std::string, int> kills_;
  std::string problem_;
};

}  // namespace millrace::sched
