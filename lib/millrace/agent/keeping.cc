// SPDX-License-Identifier: Apache-2.0
// Which reports are on disk, so that they outlive this process: those whose attempts took long, since it would be a
// pity to run them again, and those that wait for long, since there may be no broker then. All others are recorded
// before a disk could have taken them.
//
// A report is sent without waiting for the disk. Once the broker has recorded it the disk is not needed; and when we
// die before either has it, that is as if we had died a moment before the attempt's end: nobody was promised anything.
#include <utility>

#include "millrace/agent/state.h"

namespace millrace::agent {

void Agent::State::Make(AttemptReport&& report, TaskRef ahead_task) {
  ++counts.reported;
  const bool keep = config.keeps_outbox && report.execution >= kKeepLong;
  if (keep) Act(Keep{.broker = link.terms.broker, .reports = {report}});
  if (!ahead.empty()) Settle(report.attempt, &report);
  outbox.Add(std::move(report), After(now, kKeepUnrecorded), keep, ahead_task);
}

void Agent::State::TendDisk() {
  if (!config.keeps_outbox) return;
  if (now >= outbox.KeepAt()) {
    Act(Keep{.broker = link.terms.broker, .reports = outbox.TakeUnkept(now)});
  }
  if (std::vector<AttemptId> attempts = outbox.TakeErasable(); !attempts.empty()) {
    Act(Erase{.attempts = std::move(attempts)});
  }
}

// We end: what is left is for the next process of this worker to say.
void Agent::State::KeepAll() {
  if (!config.keeps_outbox) return;
  if (outbox.KeepAt() != kNever) {
    Act(Keep{.broker = link.terms.broker, .reports = outbox.TakeUnkept(kNever)});
  }
}

}  // namespace millrace::agent
