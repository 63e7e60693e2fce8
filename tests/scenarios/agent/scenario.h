// SPDX-License-Identifier: Apache-2.0
// The language of the worker's transcripts: we are its broker, its link, its slots and its clock. A block is one or
// more commands:
//
//   config KEY=VALUE...         before anything else: cpus, extra_slots, crash_restart_limit, broker_lost_timeout,
//                               drain_timeout; disk=on: there is one for reports
//   found TASK [RESULT]         before anything else: an earlier process has left this success on the disk
//   connect, disconnect [REASON]
//   welcome [session=E.N] [keep=TASK,...] [drop=TASK,...] [lease=DURATION] [protocol=N] [silent]
//                               the session stays the one we have unless it is named; `silent`: no heartbeat channel
//   refused CODE [retryable] [REASON]
//   assign TASK... [cpus=N] [timeout=DURATION] [in-process] [needs=TASK,...] [try=N] [same]
//       TASK... [...]           an indented line: more of the same order, with options of their own
//       datum TASK [RESULT]     what became of a dependency
//                               `same`: not a new attempt but the one that was assigned before
//   cancel TASK..., takeback TASK..., forget TASK..., drain [REASON]
//   lost assign|cancel|...      the order gets its number but does not arrive
//   again [N...]                these orders of the session, or all, once more
//   recorded [N] [dropped=TASK,...]    every report up to N, or up to the last one that was said
//   beacon [epoch=N] [control], ping
//   done|fail|skip|stopped TASK [took=DURATION] [exit=N] [transient] [TEXT]     its end, from the slot it is in
//   prints TASK [stderr] TEXT   a line of it
//   died SLOT [code=N] [signal=N]      the slot's host process is gone
//   stop drain|now              a signal
//   advance DURATION [alive | beacons | pongs] [talking]
//                               lets time pass and says when something was done; `alive`: the broker sends a beacon
//                               every second and answers pings; `beacons`, `pongs`: only the one, only the other;
//                               `talking`: it says something on the control channel every second
//   freeze DURATION             the process stands still: time passes, and it only learns of it at the end
//   show all|orders             what is printed: everything, or (at first) no heartbeats and pings of the worker
//
// Attempts have no names of their own: TASK means the attempt of that task that was assigned last. One that was never
// assigned can be named too, and is then unknown to the worker.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "millrace/agent/agent.h"
#include "support/line.h"

namespace millrace::agent {

class Scenario {
 public:
  Scenario();
  // Runs the commands of one block, and says what came of them.
  std::string Run(const std::vector<std::string>& lines);

 private:
  using Line = testing::Line;
  struct Place {
    std::uint32_t slot = 0;
    Instant started;
  };

  void Configure(const Line& line);
  bool FromBroker(const Line& line, const std::vector<Line>& more);
  bool FromLink(const Line& line);
  bool FromSlots(const Line& line);
  bool FromTime(const Line& line);

  void SayWelcome(const Line& line);
  void GiveAssign(const Line& line, const std::vector<Line>& more);
  void AddTasks(const Line& line, std::size_t from, Assign& assign);
  bool GiveOrder(const Line& line, const std::vector<Line>& more, bool arrives);
  void Give(Message order);
  void GiveAgain(const Line& line);
  void End(const Line& line);
  void Advance(const Line& line);

  // The attempt of this task, and the index of the task in the one run there is; new names get new ones.
  AttemptId Attempt(const std::string& task);
  std::vector<AttemptId> Attempts(const std::vector<std::string>& tasks);
  AttemptId NewAttempt(const std::string& task);
  TaskRef Task(const std::string& task);

  void Say(Message message) { Step(Heard{.message = std::move(message), .on_heartbeat_channel = false}); }
  void Step(Event event);
  void Learn(const Action& action);
  void Write(const Action& action);
  std::string NameOf(AttemptId attempt) const;
  std::string NamesOf(const std::vector<AttemptId>& attempts) const;

  Config config_;
  std::unique_ptr<Agent> agent_;
  Instant now_{std::chrono::seconds(1000)};
  std::optional<Instant> advancing_since_;

  SessionId session_{EpochQualified(1, 1)};
  std::map<std::uint64_t, Message> orders_;  // of the session, by number
  bool arrives_ = true;
  std::map<std::string, AttemptId> attempts_;  // by task
  std::map<std::string, std::uint32_t> indices_;
  std::uint32_t next_attempt_ = 0;
  std::map<AttemptId, Place> places_;  // where they were started last

  std::uint64_t reported_ = 0;  // the newest report that was said
  std::uint64_t asked_ = 0;     // pings
  std::uint64_t answered_ = 0;
  bool all_ = false;
  bool sound_ = true;  // an agent that is not could be due for ever
  std::string out_;
};

}  // namespace millrace::agent
