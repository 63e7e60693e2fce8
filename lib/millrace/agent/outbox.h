// SPDX-License-Identifier: Apache-2.0
// The reports of this worker's life, numbered from 1 without a hole and kept until the broker has recorded them. What
// is sent, and when, is decided elsewhere; here is only what is left to say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "millrace/model/message.h"

namespace millrace::agent {

class Outbox {
 public:
  // At most one report per attempt.
  void Add(AttemptReport report);
  bool Holds(AttemptId attempt) const { return numbers_.contains(attempt); }
  // Nobody is interested in this report any more. Its number still has to be said (a hole would look like a loss), so
  // what stays is a kReturned without content, which the broker drops because the attempt is not ours.
  void Hollow(AttemptId attempt);
  // The broker has every report up to `through`, which counts only as far as we ever sent. True if that was news.
  bool Record(std::uint64_t through);
  // Appends what has not been sent since the last Rewind to `report`, as much as one message should carry.
  void TakeBatch(Report& report);
  // Everything is to be sent again.
  void Rewind() { sent_through_ = first_ - 1; }

  bool empty() const { return reports_.empty(); }
  std::size_t size() const { return reports_.size(); }
  std::uint64_t first() const { return first_; }
  std::uint64_t newest() const { return first_ + reports_.size() - 1; }
  std::uint64_t unsent() const { return newest() - sent_through_; }
  // The attempts behind the reports that still matter, oldest first.
  void AppendHeld(std::vector<Held>& held) const;

  absl::Status CheckInvariants() const;

 private:
  struct Entry {
    AttemptReport report;
    bool hollow = false;
  };

  std::uint64_t first_ = 1;         // the number of reports_.front()
  std::uint64_t sent_through_ = 0;  // since the last Rewind
  std::uint64_t sent_ever_ = 0;
  std::deque<Entry> reports_;
  absl::flat_hash_map<AttemptId, std::uint64_t> numbers_;
};

}  // namespace millrace::agent
