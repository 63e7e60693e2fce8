// SPDX-License-Identifier: Apache-2.0
// The ground: windowed round trips of bare ZeroMQ (one ROUTER, two DEALER processes, TCP loopback, 64-byte messages),
// what any broker on ZeroMQ is measured against.
#pragma once

#include <cstdint>
#include <optional>

namespace millrace::bench {

struct BareOptions {
  int dealers = 2;
  int window = 1000;  // messages under way to each dealer
  int bytes = 64;
  std::uint64_t round_trips = 2'000'000;
};

// Round trips per second. Starts the dealers as processes of this same program (see MaybeRunBareDealer).
double BareRoundTripsPerSecond(const BareOptions& options);

// First in main(): when this process was started to be a dealer it echoes until told to end.
std::optional<int> MaybeRunBareDealer(int argc, char** argv);

}  // namespace millrace::bench
