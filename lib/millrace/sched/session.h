// SPDX-License-Identifier: Apache-2.0
// A worker as the broker sees it: its attachment, liveness, numbered orders, held attempts and speed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "millrace/base/ids.h"
#include "millrace/base/time.h"
#include "millrace/model/message.h"
#include "millrace/sched/match.h"
#include "millrace/sched/task_table.h"

namespace millrace::sched {

enum class Link : std::uint8_t {
  kLive,
  kAway,  // its connection is gone, its lease is not
  kLost,  // kept for a while so that people see it, and that it may be forgiven when it comes back
};

// An order that the worker has not acknowledged.
struct Order {
  std::uint64_t number = 0;
  JournalPosition after = 0;
  Message message;
};

// A worker that says hello under a name whose holder may still be alive.
struct Challenger {
  PeerId peer;
  Hello hello;
  Instant deadline{};
  std::uint64_t nonce = 0;
};

// A task that takes longer is not handed out before it can start, and none is to wait behind it: where a slot will be
// free first is not known before one is.
inline constexpr Duration kLongTask = std::chrono::seconds(1);

// Smoothed measurements that the prefetch follows; 0 = unknown.
struct Speed {
  double service_ns = 0;     // execution of one attempt
  double round_trip_ns = 0;  // assign to report, without the execution
  void Add(Duration execution, std::optional<Duration> round_trip);
  // Attempts to hold beyond those that run.
  std::uint32_t PrefetchTarget(std::int64_t slots, std::uint32_t limit) const;
};

// A task that was given to a worker before its dependencies have ended, all of which that worker has. It becomes an
// attempt when they have.
struct Ahead {
  TaskKey task;
  std::uint64_t order = 0;  // number of the Assign that carried it; kUnsent until the step ends
  Instant since{};
};

struct Session {
  SessionId id;
  std::uint32_t index = kNone;
  Link link = Link::kLive;
  PeerId peer;  // none unless live
  std::string name;
  std::uint32_t name_index = kNone;
  Incarnation incarnation;
  std::string host;
  std::uint32_t pid = 0;
  std::string version;
  bool local = false;
  bool draining = false;
  bool takes_ahead = false;
  Offer offer;

  // ---- liveness ----
  Duration interval{};
  Instant last_heard{};
  Instant last_control{};
  Instant asked = kNever;  // the first ping since then; kNever = none
  Instant last_heartbeat{};
  Instant last_ping{};
  Instant degrade_check{};  // whether only the heartbeat channel is silent: not before this
  Instant away_since{};
  Instant lost_at{};
  bool degraded = false;
  std::uint64_t last_beat = 0;
  int strange_beats = 0;      // in a row, of those that count other attempts than we do
  Instant timer_at = kNever;  // its earliest entry among the timers
  std::optional<Challenger> challenger;

  // ---- orders ----
  std::uint64_t orders_sent = 0;
  std::uint64_t orders_acked = 0;
  JournalPosition orders_after = 0;  // never falls, so that orders leave in their order
  std::deque<Order> unacked;
  Instant orders_sent_at{};
  std::vector<std::uint32_t> to_assign;    // attempts, in order; sent when the step ends
  std::vector<AttemptId> to_assign_ahead;  // behind them
  std::vector<AttemptId> to_cancel;
  std::vector<AttemptId> to_take_back;
  std::vector<TaskKey> to_forget;
  std::vector<TaskKey> to_drop;  // the same, before anything is assigned: they may be sent again

  // ---- reports ----
  std::uint64_t reports_through = 0;
  JournalPosition recorded_after = 0;
  std::optional<Recorded> recorded;  // said when the step ends
  std::uint64_t completed = 0;

  // ---- load ----
  Room room;                    // left beside what runs
  std::uint32_t first = kNone;  // held attempts: those that run, then the prefetched ones
  std::uint32_t last = kNone;
  std::uint32_t first_waiting = kNone;  // the oldest prefetched one
  std::uint32_t held = 0;
  std::uint32_t prefetched = 0;
  std::int64_t long_cpus = 0;  // taken by what runs and is expected to take longer than kLongTask
  absl::flat_hash_map<AttemptId, Ahead> ahead;
  std::deque<TaskKey> frontier;        // tasks it was given whose dependants have not been looked at, to be given ahead
  std::uint32_t solo = kNone;          // the suspect that runs here alone
  std::uint32_t reserved_for = kNone;  // class of suspects for which this worker is being emptied
  Speed speed;
  std::vector<bool> serves;           // by class
  absl::flat_hash_set<TaskKey> data;  // dependencies' results it holds
  std::vector<TaskKey> blamed;        // when lost: tasks whose crash count it raised
  bool touched = false;               // on the list of sessions whose keys are out of date
  bool has_orders = false;            // on the list of sessions with orders to send
  std::optional<std::tuple<bool, std::int64_t, std::uint32_t>> room_key;  // under which it stands among those with room
  std::optional<std::tuple<bool, std::uint64_t, std::uint32_t>> prefetch_key;

  bool Serving() const { return link == Link::kLive && !draining; }
  bool Serves(std::uint32_t capability) const { return capability < serves.size() && serves[capability]; }
  std::string Title() const;  // "w1 (pid 12 on host-a)"
};

inline void Speed::Add(Duration execution, std::optional<Duration> round_trip) {
  constexpr double kWeight = 0.2;
  const auto blend = [](double& mean, double sample) {
    mean = mean == 0 ? sample : mean + kWeight * (sample - mean);
    if (mean < 1) mean = 1;
  };
  blend(service_ns, static_cast<double>(execution.count()));
  if (round_trip) blend(round_trip_ns, static_cast<double>(std::max(*round_trip, Duration::zero()).count()));
}

inline std::uint32_t Speed::PrefetchTarget(std::int64_t slots, std::uint32_t limit) const {
  const auto cap = [limit](double wanted) {
    return wanted >= static_cast<double>(limit) ? limit : static_cast<std::uint32_t>(wanted);
  };
  const auto per_slot = static_cast<double>(slots);
  if (service_ns == 0) return cap(per_slot);
  if (service_ns > static_cast<double>(kLongTask.count())) return 0;
  const double exact = per_slot * 2 * round_trip_ns / service_ns;
  double wanted = static_cast<double>(static_cast<std::uint64_t>(std::min(exact, 1e9)));
  if (wanted < exact) wanted += 1;
  if (service_ns < 1e8) wanted = std::max(wanted, per_slot);
  return cap(wanted);
}

}  // namespace millrace::sched
