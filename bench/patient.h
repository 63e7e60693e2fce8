// SPDX-License-Identifier: Apache-2.0
// What the fleets of the scheduler's benchmarks have in common: a broker that gives nobody up for being silent, and
// workers that are the peers of their index + 1.
#pragma once

#include <string>

#include "millrace/sched/event.h"

namespace millrace::bench {

inline sched::Config Patient() {
  constexpr Duration kAges = std::chrono::hours(24 * 365 * 10);
  sched::Config config;
  config.version = "bench";
  config.heartbeat_interval = kAges;
  config.lease = kAges;
  return config;
}

inline constexpr PeerId kClient{1'000'000'000};
constexpr PeerId PeerOf(std::size_t worker) { return PeerId{worker + 1}; }
constexpr std::size_t WorkerOf(PeerId peer) { return peer.value - 1; }

inline Hello HelloOf(std::size_t worker, std::int64_t slots) {
  Hello hello;
  hello.name = "w" + std::to_string(worker);
  hello.incarnation = Incarnation{worker + 1};
  hello.host = "host";
  hello.version = "bench";
  hello.offer.cpus = slots;
  hello.offer.modules.push_back({.name = "work", .fingerprint = 0});
  return hello;
}

}  // namespace millrace::bench
