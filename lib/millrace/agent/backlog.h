// SPDX-License-Identifier: Apache-2.0
// Attempts that were assigned and have not started, in the order they came, with all they need to start.
//
// The order is strict: a later attempt that would fit does not overtake a head that does not fit yet, or wide tasks
// would starve. Attempts that take no cpu wait in a line of their own, since no cpu will ever be short for them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "millrace/agent/event.h"
#include "millrace/model/message.h"

namespace millrace::agent {

struct Needed {
  std::shared_ptr<const Datum> datum;  // shared by all that need it; a Forget does not take it from under them
  std::int32_t parameter = -1;
  AttemptId ahead{};  // of this worker, whose result is to come into the datum; none = it is there
};

struct Queued {
  Assignment assignment;  // `needs` is moved into the field below
  std::string module;
  Duration timeout{};  // 0 = none
  bool in_process = false;
  std::int64_t memory_limit = 0;  // bytes; 0 = none
  SecretNames secrets;
  std::vector<Needed> needs;
  std::vector<Produce> produces{};
  std::vector<Consumed> consumed{};
  bool came_ahead = false;  // it was assigned before what it needs had ended
  Held AsHeld(HeldState state) const {
    return {.attempt = assignment.attempt, .state = state, .task = came_ahead ? assignment.task : TaskRef{}};
  }
};

// What waits, a lane and a slot hand it to each other: it stays where it is.
using QueuedPtr = std::unique_ptr<Queued>;

class Backlog {
 public:
  void Push(QueuedPtr queued);
  bool Holds(AttemptId attempt) const { return places_.contains(attempt); }
  QueuedPtr Take(AttemptId attempt);  // null: it is not here
  // The head of the line of attempts that take cpus (or of the other one), nullptr when it is empty.
  const Queued* Front(bool takes_cpus) const;
  // `arrival`: its place, for Restore.
  QueuedPtr PopFront(bool takes_cpus, std::uint64_t* arrival = nullptr);
  void Restore(QueuedPtr queued, std::uint64_t arrival);

  bool empty() const { return places_.empty(); }
  std::size_t size() const { return places_.size(); }
  std::vector<AttemptId> Attempts() const;  // in the order they came
  void AppendHeld(std::vector<Held>& held) const;

  absl::Status CheckInvariants() const;

 private:
  struct Waiting {
    std::uint64_t arrival = 0;
    QueuedPtr queued;  // null: it was taken
  };
  using Line = std::deque<Waiting>;  // by arrival; the first one is never null
  struct Place {
    bool takes_cpus = true;
    std::uint64_t arrival = 0;
  };

  Line& LineOf(bool takes_cpus) { return takes_cpus ? wide_ : weightless_; }
  static Line::iterator From(Line& line, std::uint64_t arrival);
  static void Trim(Line& line);

  Line wide_;
  Line weightless_;
  std::uint64_t arrivals_ = 0;
  absl::flat_hash_map<AttemptId, Place> places_;
};

}  // namespace millrace::agent
