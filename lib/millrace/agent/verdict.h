// SPDX-License-Identifier: Apache-2.0
// What is reported of an attempt that is gone from its slot: a pure function of why it was being stopped, what it said
// and how its host died.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "millrace/agent/slots.h"
#include "millrace/base/time.h"
#include "millrace/model/message.h"
#include "millrace/model/slot.h"

namespace millrace::agent {

struct Death {
  std::int32_t exit_code = 0;
  std::int32_t signal = 0;
  std::int64_t memory_used = 0;  // bytes, when it was killed for being over its memory_limit
  bool oom_killed = false;       // by the kernel, without a limit of ours
  bool supervisor_lost = false;
};

// The report of the attempt in `slot`, nothing when nobody wants one. `done`: the last word of the attempt, if it had
// one; `death`: its host's, if that is gone. Neither: it is reported although it still runs.
std::optional<AttemptReport> Verdict(const Slot& slot, std::optional<SlotDone>&& done,
                                     const std::optional<Death>& death, Instant now);

// "signal 11 (SIGSEGV)" or "exit code 3".
std::string Describe(const Death& death);

}  // namespace millrace::agent
