// SPDX-License-Identifier: Apache-2.0
// The reports of this worker's life, numbered from 1 without a hole and kept until the broker has recorded them. What
// is sent, and when, is decided elsewhere; here is only what is left to say, and how much of it is on disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "millrace/base/time.h"
#include "millrace/model/message.h"

namespace millrace::agent {

class Outbox {
 public:
  // At most one report per attempt. It should be on disk at `keep_at`, which never falls; `kept`: it is. `ahead_task`:
  // of an attempt that was assigned ahead.
  void Add(AttemptReport&& report, Instant keep_at = kNever, bool kept = false, TaskRef ahead_task = {});
  bool Holds(AttemptId attempt) const { return numbers_.contains(attempt); }
  // Null when there is none. Until the next change.
  const AttemptReport* Find(AttemptId attempt) const {
    const auto found = numbers_.find(attempt);
    return found == numbers_.end() ? nullptr : &reports_[found->second - first_].report;
  }
  // Nobody is interested in this report any more. Its number still has to be said (a hole would look like a loss), so
  // what stays is a kReturned without content, which the broker drops because the attempt is not ours.
  void Hollow(AttemptId attempt);
  // The same with all of them, and even their attempts' ids are free for others.
  void HollowAll();
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

  // ---- the disk ----
  // When the next report should be there that is not; kNever if none.
  Instant KeepAt() const { return unkept_ > newest() ? kNever : reports_[unkept_ - first_].keep_at; }
  // Those that should be there by now and are not, which are taken to be there from here on.
  std::vector<AttemptReport> TakeUnkept(Instant now);
  // The attempts of those that are there and need not be any more, each once.
  std::vector<AttemptId> TakeErasable() { return std::exchange(erasable_, {}); }

  absl::Status CheckInvariants() const;

 private:
  struct Entry {
    AttemptReport report;
    Instant keep_at = kNever;
    bool hollow = false;
    bool kept = false;  // on disk, or on its way there
    TaskRef ahead_task{};
  };

  void Hollow(Entry& entry);
  void FindUnkept();

  std::uint64_t first_ = 1;         // the number of reports_.front()
  std::uint64_t sent_through_ = 0;  // since the last Rewind
  std::uint64_t sent_ever_ = 0;
  std::uint64_t unkept_ = 1;  // the number of the first one that is neither kept nor hollow; newest() + 1 if none
  std::deque<Entry> reports_;
  absl::flat_hash_map<AttemptId, std::uint64_t> numbers_;
  std::vector<AttemptId> erasable_;
};

}  // namespace millrace::agent
