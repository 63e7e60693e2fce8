// SPDX-License-Identifier: Apache-2.0
// The scheduler's actions with an Append for every position of the journal: tests look at what becomes of each task,
// whatever it is recorded together with.
#pragma once

#include <utility>
#include <variant>

#include "millrace/sched/event.h"

namespace millrace::sched {

inline Actions Unfolded(Actions actions) {
  Actions unfolded;
  for (Action& action : actions) {
    if (auto* append = std::get_if<Append>(&action.body)) {
      millrace::Unfold(std::move(append->record), [&unfolded](Record record) {
        unfolded.push_back({.after = 0, .body = Append{.record = std::move(record)}});
      });
    } else {
      unfolded.push_back(std::move(action));
    }
  }
  return unfolded;
}

}  // namespace millrace::sched
