// SPDX-License-Identifier: Apache-2.0
// The ground: bare ZeroMQ over TCP loopback, what any broker on ZeroMQ is measured against. A ROUTER here, DEALERs in
// processes of this same program.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace millrace::bench {

struct BareOptions {
  int dealers = 2;
  int window = 1000;  // messages under way to each dealer
  int bytes = 64;
  std::uint64_t round_trips = 2'000'000;
};

// Windowed round trips per second.
double BareRoundTripsPerSecond(const BareOptions& options);

// One peer that answers one message at a time.
class BarePeer {
 public:
  // It answers with `answer_bytes` bytes, sent without a copy; 0: with what it got.
  explicit BarePeer(std::int64_t answer_bytes = 0);
  ~BarePeer();
  BarePeer(const BarePeer&) = delete;
  BarePeer& operator=(const BarePeer&) = delete;

  // Seconds from a 64-byte message until its answer is here.
  double RoundTrip();

 private:
  struct Sockets;
  std::unique_ptr<Sockets> sockets_;
  pid_t pid_ = 0;
};

// First in main(): when this process was started to be a peer it answers until told to end.
std::optional<int> MaybeRunBarePeer(int argc, char** argv);

}  // namespace millrace::bench
