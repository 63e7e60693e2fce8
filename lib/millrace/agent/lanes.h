// SPDX-License-Identifier: Apache-2.0
// Attempts that were handed to a slot's thread behind the one that runs there, so that short ones follow each other
// without waking anybody in between. Only for modules of this process, and only while they take microseconds.
//
// The shell runs what a slot was given in its order and answers each with one SlotDone. Withdraw asks it not to begin
// one; whether it came in time is told by that SlotDone (`started`), which need not wait for those before it, and comes
// before those behind it. Until then the attempt stays here or in its slot.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "millrace/agent/backlog.h"

namespace millrace::agent {

// What is to become of an attempt that was withdrawn in time.
enum class Wish : std::uint8_t {
  kNone,     // it was not withdrawn
  kRequeue,  // back into the backlog: its lane has stalled
  kReturn,   // back to the broker
  kCancel,
  kDisown,
  kLeave,
};

struct Lined {
  QueuedPtr queued;
  std::uint64_t arrival = 0;  // its place in the backlog
  Wish wish = Wish::kNone;
};

class Lanes {
 public:
  explicit Lanes(std::uint32_t slots) : lanes_(slots) {}

  // Of what was measured: how long an attempt takes in this slot.
  void Measure(std::uint32_t slot, Duration execution);
  bool HasRoom(std::uint32_t slot) const;
  void Push(std::uint32_t slot, QueuedPtr queued, std::uint64_t arrival);
  std::optional<Lined> PopFront(std::uint32_t slot);
  Lined Take(AttemptId attempt);  // which must be here

  Lined* Find(AttemptId attempt);
  bool Holds(AttemptId attempt) const { return slot_of_.contains(attempt); }
  std::uint32_t SlotOf(AttemptId attempt) const { return slot_of_.at(attempt); }
  bool Empty(std::uint32_t slot) const { return lanes_[slot].line.empty(); }
  // Whether something there has not been withdrawn yet.
  bool Waiting(std::uint32_t slot) const { return lanes_[slot].waiting > 0; }
  void Withdrawn(std::uint32_t slot) { --lanes_[slot].waiting; }
  std::size_t size() const { return slot_of_.size(); }
  std::size_t length(std::uint32_t slot) const { return lanes_[slot].line.size(); }
  std::vector<AttemptId> Attempts(std::uint32_t slot) const;
  std::vector<AttemptId> Attempts() const;

  absl::Status CheckInvariants() const;

 private:
  struct Lane {
    std::deque<Lined> line;
    std::uint32_t waiting = 0;  // of these, not withdrawn
    double service_ns = 0;      // smoothed; 0 = not known
  };
  std::vector<Lane> lanes_;
  absl::flat_hash_map<AttemptId, std::uint32_t> slot_of_;
};

}  // namespace millrace::agent
