// SPDX-License-Identifier: Apache-2.0
// The slots of this worker and what runs in them. One attempt occupies one slot; the cpus it takes are counted apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "millrace/agent/lanes.h"
#include "millrace/agent/output.h"
#include "millrace/base/time.h"
#include "millrace/model/slot.h"

namespace millrace::agent {

// Why a running attempt is being stopped; decides what is reported when it is gone.
enum class StopCause : std::uint8_t {
  kNone,
  kTimeout,
  kCancel,
  kUnwanted,  // the broker says it is not ours: nothing is reported
  kLeaving,   // this worker goes away: nothing is reported, our goodbye gives it back
};

struct Slot {
  AttemptId attempt;  // none = free
  TaskRef task;
  std::string name;  // the task's
  std::uint32_t try_number = 0;
  std::int64_t cpus = 0;
  bool in_process = false;
  bool fetches = false;  // something it needs comes over the bulk plane first: nothing may line up behind it
  StopCause cause = StopCause::kNone;
  bool killed = false;  // the host will die: the slot is not free before it has
  bool told = false;    // in-process and deaf: its end was reported while it still runs
  bool hinted = false;  // the broker was told that it has started
  bool came_ahead = false;
  Instant started;
  Duration timeout{};             // 0 = none
  std::int64_t memory_limit = 0;  // bytes; 0 = none
  Instant deadline = kNever;
  Instant stopped_at = kNever;   // when the first Terminate went out
  Instant kill_at = kNever;      // and when a Kill follows (again)
  std::optional<SlotDone> done;  // what a killed host had still said
  OutputTail tail;
  std::optional<Lined> lined;  // it came through the slot's lane: what to do should it not have been started
  std::uint32_t deaths = 0;    // of the slot's host, since an attempt ended without one

  bool busy() const { return attempt.valid(); }
};

class Slots {
 public:
  Slots(std::int64_t cpus, std::uint32_t extra);

  // The lowest free slot in which an attempt that takes `cpus` could start now.
  std::optional<std::uint32_t> FreeFor(std::int64_t cpus) const;
  // What an attempt that says it takes `cpus` is counted for here: a bound keeps it startable whatever it says.
  std::int64_t Clamp(std::int64_t cpus) const;

  Slot& Occupy(std::uint32_t index, AttemptId attempt, std::int64_t cpus);
  void Free(std::uint32_t index);

  std::uint32_t size() const { return static_cast<std::uint32_t>(slots_.size()); }
  std::uint32_t end() const { return end_; }  // beyond the last one that is busy: most are not, most of the time
  Slot& operator[](std::uint32_t index) { return slots_[index]; }
  const Slot& operator[](std::uint32_t index) const { return slots_[index]; }
  // The slot in which this attempt runs.
  std::optional<std::uint32_t> Find(AttemptId attempt) const;

  std::uint32_t busy() const { return busy_; }
  std::int64_t cpus() const { return cpus_; }
  std::int64_t cpus_used() const { return cpus_used_; }

  absl::Status CheckInvariants() const;

 private:
  std::int64_t cpus_;
  std::int64_t cpus_used_ = 0;
  std::uint32_t busy_ = 0;
  std::uint32_t end_ = 0;
  std::vector<Slot> slots_;  // those that take cpus first
};

}  // namespace millrace::agent
