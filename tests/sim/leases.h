// SPDX-License-Identifier: Apache-2.0
// Judges the times of leases: no worker is given up before it was silent for one, and none is kept for longer. Sees
// what the broker hears and does, and keeps its own account. Time is the broker's own; what it slept does not count,
// and a jump of its clock is sleep to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "fold.h"
#include "millrace/base/time.h"
#include "millrace/sched/event.h"

namespace millrace::sim {

class Leases {
 public:
  // A life of the broker begins, with what it knows.
  void Begin(const sched::Config& config, Instant now, const Fold& known);
  // It stands still for so long from now on, or its clock jumps by that.
  void Sleeps(Duration length);
  // What it is about to hear.
  void Hears(const sched::Event& event, Instant now);
  // What it did in that step, in its order. "" or what is wrong.
  std::string Does(const sched::Action& action, Instant now);
  // After the step: "" or who is kept for too long.
  std::string Check(Instant now, const Fold& known);
  // Leases that were seen to end.
  std::uint64_t ended() const { return ended_; }

 private:
  struct Mark {  // a moment, and how much was slept before it
    Instant at = kNever;
    Duration slept{};
    std::uint32_t naps = 0;
  };
  struct Worker {
    std::string name;
    SessionId session;
    Incarnation incarnation;
    PeerId peer;
    bool live = true;  // else it has no connection
    std::uint64_t beat = 0;
    Mark heard;
    Mark control;
    Mark asked;  // for a word on the control channel, since the last one; kNever = not
    Mark away;
  };
  struct Said {
    std::string name;
    Incarnation incarnation;
  };
  struct Orphan {
    TaskRef task;
    AttemptId attempt;
  };

  Mark MarkOf(Instant now) const { return {.at = now, .slept = slept_, .naps = naps_}; }
  // Awake since then, at least; a broker need not notice short sleeps, nor the beginning of one.
  Duration AwakeSince(const Mark& mark, Instant now) const;
  // Whether more time has passed than `most`, whatever was slept.
  bool IsOver(const Mark& mark, Duration most, Instant now) const;
  Worker* Of(PeerId peer);
  Worker* Of(SessionId session);
  void HearsBeat(const Beat& beat, PeerId peer, Instant now);
  void Hears(PeerId peer, const Message& message, Instant now);
  void Welcomes(PeerId peer, const Welcome& welcome, Instant now);
  std::string Notes(std::string_view text, Instant now);
  std::string CheckOrphans(Instant now, const Fold& known);

  Duration lease_{};
  Duration interval_{};
  Mark begun_;
  Duration slept_{};
  std::uint32_t naps_ = 0;
  Instant guard_until_{};  // the broker suspects itself
  std::vector<Worker> workers_;
  absl::flat_hash_map<PeerId, Said> hellos_;
  std::vector<Orphan> orphans_;  // attempts of an earlier life
  absl::flat_hash_set<AttemptId> claimed_;
  std::uint64_t ended_ = 0;
};

}  // namespace millrace::sim
