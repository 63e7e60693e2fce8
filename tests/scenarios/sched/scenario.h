// SPDX-License-Identifier: Apache-2.0
// The language of the transcripts. One command per block, a job's tasks on the lines after `submit`:
//
//   config KEY=VALUE...         before anything else: lease, capability_timeout, crash_limit, ...
//   hello W [name=W] [cpus=N] [tool=T] [tag=T] [module=M] [incarnation=N] [held=TASK...] [peer=new] [protocol=N]
//           [draining] [local]  `name`: under which it comes, if that is not W
//   submit [keep-going] [token=N]
//       TASK [needs=a,b?] [cpus=N] [tool=T] [tag=T] [retries=N] [priority=N] [always] [ignore] [once] [cached]
//   done|fail|skip|timeout|cancelled|returned W TASK [transient] [TEXT]     a report of the worker
//   lost done|fail|... W TASK   the same, but the message does not arrive
//   again W                     all reports of the worker, from its first, once more
//   started W TASK, ack W [N], beat W, pong W [nonce=N], gone W [dead], goodbye W
//   advance DURATION [beating [deaf]]
//                               lets time pass; `beating`: connected workers beat, answer pings, and acknowledge what
//                               they were sent unless they are deaf
//   recalled INDEX hit|miss, cancel [TEXT], drain W, release
//   run, tasks, workers, broker, why TASK, result TASK
//   restart                     a new broker on the journal of the old one
//   show all|orders             what is printed: everything, or (at first) no beacons, pings and announcements
//
// Attempts have no names of their own: TASK in a report means the attempt of that task that the worker was sent last.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "millrace/sched/scheduler.h"
#include "support/line.h"

namespace millrace::sched {

class Scenario {
 public:
  Scenario();
  std::string Run(const std::vector<std::string>& lines);

 private:
  using Line = testing::Line;
  struct Worker {
    PeerId peer;
    SessionId session;
    std::uint64_t incarnation = 1;
    std::uint64_t orders = 0;    // acknowledged
    std::uint64_t received = 0;  // orders sent to it
    std::uint64_t recorded = 0;
    std::uint64_t beats = 0;
    std::map<std::uint64_t, AttemptReport> reports;  // all it ever made
    std::map<std::string, AttemptId> attempts;       // by task
  };

  void Configure(const Line& line);
  void Hello_(const Line& line);
  void Submit_(const Line& line, const std::vector<std::string>& lines);
  void AddTask(JobSpec& job, const Line& line) const;
  void Report_(const Line& line, bool arrives);
  void Advance(const Line& line);
  void Ask(QueryKind kind, const std::string& task);
  void Tell(CommandKind kind, const std::string& target, const std::string& reason);
  bool FromWorker(const Line& line);
  bool FromClient(const Line& line, const std::vector<std::string>& lines);
  void Say(PeerId peer, Message message);
  void Step(Event event);
  void Print_(const Action& action);
  std::string Who(PeerId peer) const;

  Config config_;
  std::unique_ptr<Scheduler> scheduler_;
  Instant now_{std::chrono::seconds(1000)};
  std::vector<Record> journal_;
  std::map<std::string, Worker> workers_;
  std::map<PeerId, std::string> names_;
  std::uint64_t next_peer_ = 0;
  std::uint64_t position_ = 0;
  bool all_ = false;
  std::string out_;
};

}  // namespace millrace::sched
