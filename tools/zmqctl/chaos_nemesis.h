// SPDX-License-Identifier: Apache-2.0
// Does the faults that were drawn to a fleet and its wires, each at its time, and mends what it broke. On a thread of
// its own, which owns the fleet until Rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "millrace/base/time.h"
#include "millrace/net/wakeup.h"
#include "tools/zmqctl/chaos_fleet.h"
#include "tools/zmqctl/chaos_plan.h"
#include "tools/zmqctl/chaos_recovery.h"
#include "tools/zmqctl/chaos_wires.h"

namespace millrace::zmqctl {

class Nemesis {
 public:
  using Clock = std::chrono::steady_clock;

  struct Story {
    std::vector<std::uint64_t> done = std::vector<std::uint64_t>(kFaultKinds);  // faults by FaultKind
    std::vector<Death> deaths;                                                  // kills only
    std::vector<std::string> notes;    // members that ended without being told to
    std::vector<std::string> defects;  // and those that may never do so like that
  };
  struct Options {
    std::vector<Fault> faults;
    Clock::time_point begin;  // what Fault::at and Death::at count from
    Duration end{};           // the faults are over, everything is mended
    Duration patience{};      // after that; then `on_patience_over` is called, once
    std::uint64_t seed = 0;   // for rubbish
    std::function<void()> on_patience_over;
    std::function<void(const std::string&)> say;
  };

  // Both outlive it.
  Nemesis(Fleet& fleet, Wires& wires, Options options);
  ~Nemesis();

  // Mends everything and ends. What has happened.
  Story Rest();

 private:
  // One thing to do at its time, to what was meant: a process that has been replaced meanwhile is left alone.
  struct Step {
    enum class Kind { kFault, kStart, kResume, kHeal, kThaw, kHasten, kMend, kGiveUp } kind = Kind::kFault;
    Fault fault{};
    std::size_t member = 0;
    pid_t pid = 0;
  };

  void Run();
  void Do(const Step& step);
  void Do(const Fault& fault);
  void Mend();
  void StartAgain(std::size_t member);
  void TakeEnded(std::size_t member);
  Duration Now() const;
  void After(Duration wait, Step step) { steps_.emplace(Now() + wait, std::move(step)); }

  Fleet& fleet_;
  Wires& wires_;
  Options options_;
  Story story_;
  std::multimap<Duration, Step> steps_;
  net::Wakeup rest_;
  bool resting_ = false;
  std::thread thread_;
};

}  // namespace millrace::zmqctl
