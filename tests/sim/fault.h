// SPDX-License-Identifier: Apache-2.0
// The classes of faults that a schedule may have, each of which can be switched off to find out which are to blame.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace millrace::sim {

enum class Fault : std::uint8_t {
  kLoss,          // a message of the control channel is lost
  kDuplicate,     // a message comes twice
  kReorder,       // a message overtakes others
  kDelay,         // messages take up to seconds
  kBeatLoss,      // the heartbeat channel loses messages
  kCut,           // one direction of one channel of one node is dead for a while
  kPartition,     // a node is cut off altogether for a while
  kDisconnect,    // a connection breaks
  kBrokerCrash,   // and what was not yet durable is lost, or a part of it
  kQuickRestart,  // the broker is back within seconds and had everything on disk
  kWorkerCrash,
  kTaskFailure,    // attempts fail, hang, skip, crash their host
  kPoison,         // a task takes its worker down
  kPause,          // a process stands still
  kClock,          // clocks drift, and jump forward
  kSlowDisk,       // syncs take up to a second
  kFullDisk,       // nothing becomes durable for a while
  kSlowCache,      // the cache answers late, or never
  kCommands,       // runs are cancelled, workers drained
  kImpostor,       // what a worker said is said again by somebody else
  kTwin,           // two processes under one worker id
  kGuest,          // a second client submits the same again, cancels, and may go away for good
  kWorkerRestart,  // a worker dies while its broker is away, or out of reach, and is back in time with its disk
};
inline constexpr int kFaults = 23;

std::string_view NameOf(Fault fault);

class FaultSet {
 public:
  constexpr FaultSet() = default;
  constexpr FaultSet(std::initializer_list<Fault> faults) {
    for (const Fault fault : faults) Add(fault);
  }
  static constexpr FaultSet All() {
    FaultSet all;
    all.bits_ = (1u << kFaults) - 1;
    return all;
  }
  constexpr bool Has(Fault fault) const { return (bits_ >> static_cast<int>(fault) & 1) != 0; }
  constexpr void Add(Fault fault) { bits_ |= 1u << static_cast<int>(fault); }
  constexpr void Remove(Fault fault) { bits_ &= ~(1u << static_cast<int>(fault)); }
  constexpr FaultSet And(FaultSet other) const {
    FaultSet both;
    both.bits_ = bits_ & other.bits_;
    return both;
  }
  constexpr bool Meets(FaultSet other) const { return (bits_ & other.bits_) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(const FaultSet&, const FaultSet&) = default;
  std::string Text() const;  // "loss,pause", or "none"
  // The inverse of Text. False when a name is unknown.
  static bool Parse(std::string_view text, FaultSet& set);

 private:
  std::uint32_t bits_ = 0;
};

}  // namespace millrace::sim
