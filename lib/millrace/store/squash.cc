// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/squash.h"

#include <variant>

namespace millrace::store {

bool Squash::Keeps(const Record& record) {
  if (const auto* ended = std::get_if<AttemptEnded>(&record)) {
    const bool untried = ended->outcome == Outcome::kNone && !ended->charged && !ended->suspect && !ended->crashed;
    if (untried) given_back_.insert(ended->attempt);
    return !untried;
  }
  if (const auto* assigned = std::get_if<TaskAssigned>(&record)) return given_back_.erase(assigned->attempt) == 0;
  return true;
}

}  // namespace millrace::store
