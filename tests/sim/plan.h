// SPDX-License-Identifier: Apache-2.0
// What a seed is about: how large its world is and which faults it has, how often. Every class of faults draws from a
// stream of its own, so that one can be switched off and the others stay what they were.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fault.h"
#include "millrace/base/random.h"
#include "millrace/base/time.h"
#include "millrace/model/job.h"
#include "millrace/model/offer.h"

namespace millrace::sim {

// Random numbers as the simulator wants them.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  bool Chance(double p) { return random_.Unit() < p; }
  std::uint32_t Below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_.Below(bound)); }
  double Unit() { return random_.Unit(); }
  std::uint64_t Number() { return random_.Next(); }
  Duration Within(Duration from, Duration to) {
    return from + Duration(static_cast<Duration::rep>(random_.Unit() * static_cast<double>((to - from).count())));
  }

 private:
  Random random_;
};

// What the attempts of a task do.
enum class Doing : std::uint8_t { kSucceed, kFail, kFailTransient, kSkip, kHang, kCrashHost, kKillWorker };
struct Script {
  Doing doing = Doing::kSucceed;  // the first `times` executions; the others succeed
  std::uint32_t times = 0;
  Duration least{};
  Duration most{};
  bool deaf = false;  // does not stop when asked to
};

struct PlannedRun {
  JobSpec job;
  std::vector<Script> scripts;
  std::uint64_t token = 0;
  Instant submit{};
  Instant cancel = kNever;
  bool owned = true;              // submitted by the client that stays
  Instant guest_submit = kNever;  // by the one that may go away, under the same token
};

struct Plan {
  std::uint64_t seed = 0;
  FaultSet faults;
  bool codec = false;           // every message goes through the real codec
  bool heartbeat_plane = true;  // else beats ride on the control channel
  std::uint32_t prefetch_limit = 1024;
  std::uint32_t roots_at_once = 10'000;
  Duration latency{};          // of a message, at least; twice that at most
  Instant quiet{};             // no faults from here on
  std::vector<Offer> offers;   // of the workers
  std::vector<Instant> joins;  // and when each starts
  std::vector<PlannedRun> runs;

  bool watcher = false;           // a client that follows everything and wants nothing
  Instant guest_leaves = kNever;  // without a word
  Instant compare = kNever;       // when the journal is read besides at crashes and at the end

  double loss = 0;
  double duplicate = 0;
  double reorder = 0;
  double delay = 0;  // the share of slow messages
  double beat_loss = 0;
  double impostor = 0;
  double drift = 0;         // of clocks, at most
  bool worker_disk = true;  // else workers keep their reports in memory only
  Duration slow_sync{};
  double cache_silence = 0;

  // Nothing that could make a task run twice.
  bool Economic() const;
  // Nothing that could keep an order from its worker.
  bool Prompt() const;
  // The dice of one class of faults.
  Dice For(Fault fault) const {
    return Dice((seed + 1) * 0x9e3779b97f4a7c15U ^ (static_cast<std::uint64_t>(fault) + 77));
  }
};

// `allowed`: classes that are not among them are left out.
Plan MakePlan(std::uint64_t seed, FaultSet allowed);

}  // namespace millrace::sim
