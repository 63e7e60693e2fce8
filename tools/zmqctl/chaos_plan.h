// SPDX-License-Identifier: Apache-2.0
// Which faults a chaos run has, and when: drawn from a seed before anything starts, so that the same seed gives the
// same faults however fast the machine is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "millrace/base/time.h"

namespace millrace::zmqctl {

enum class FaultKind : std::uint8_t {
  kKillWorker,  // kill -9; started again with the same name
  kKillBroker,  // kill -9; started again on its data directory
  kPause,       // SIGSTOP of a worker, what it runs goes on
  kCut,         // a worker's connections are reset, and none is made again for a while
  kFreeze,      // they stay, and nothing passes: one way or both
  kDelay,       // everything passes later
  kGarble,      // rubbish between two pieces of a stream
};
inline constexpr std::size_t kFaultKinds = 7;

// Mean numbers of faults a minute, over all workers together; indexed by FaultKind.
using FaultRates = std::array<double, kFaultKinds>;

// Which of the two directions of a wire; as bits.
enum class Way : std::uint8_t { kToBroker = 1, kToWorker = 2, kBoth = 3 };

struct Fault {
  Duration at{};  // since the faults began
  FaultKind kind = FaultKind::kKillWorker;
  std::size_t worker = 0;  // from 0
  Duration lasts{};        // until it is started again, resumed, healed
  Way way = Way::kBoth;    // kFreeze
  Duration by{};           // kDelay
  friend bool operator==(const Fault&, const Fault&) = default;
};

struct FaultScale {
  std::size_t workers = 3;
  Duration lease{};   // pauses and freezes are drawn around it: some end before it, some after
  Duration length{};  // no fault begins later
};

// In the order of their times. Every kind has dice of its own: leaving one out changes nothing about the others.
std::vector<Fault> DrawFaults(const FaultRates& rates, const FaultScale& scale, std::uint64_t seed);

// "pause w2 for 1.2s"
std::string Describe(const Fault& fault);
std::string WorkerName(std::size_t worker);

}  // namespace millrace::zmqctl
