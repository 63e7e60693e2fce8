// SPDX-License-Identifier: Apache-2.0
// The score card of a chaos run: what was done to it, what it kept of its promises, how fast it was back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "millrace/host/console.h"
#include "tools/zmqctl/chaos_nemesis.h"
#include "tools/zmqctl/chaos_oracle.h"
#include "tools/zmqctl/chaos_recovery.h"
#include "tools/zmqctl/chaos_steps.h"

namespace millrace::zmqctl {

struct ScoreCard {
  std::uint64_t seed = 0;
  Duration elapsed{};  // from the submission to the end of the run
  Nemesis::Story story;
  JournalVerdict journal;
  std::optional<StepsVerdict> steps;  // of a pipeline whose tasks write them
  Recoveries recoveries;
  Findings watch;  // what was told to the client and is not true, or was not told in time

  // Nothing lost, nothing twice, order and limits kept, and it ended as it would have without faults.
  bool clean() const;
  // Every sentence about what is not.
  std::vector<std::string> Broken() const;
};

std::string ScoreText(const ScoreCard& card, const host::Console& console);
std::string ScoreJson(const ScoreCard& card);

}  // namespace millrace::zmqctl
