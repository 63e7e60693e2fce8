// SPDX-License-Identifier: Apache-2.0
// Questions about past runs, answered from the history: by a broker for its clients, and by a tool that reads the file.
#pragma once

#include <string_view>

#include "millrace/model/message.h"
#include "millrace/store/history.h"

namespace millrace::store {

constexpr bool IsAboutThePast(QueryKind kind) {
  return kind == QueryKind::kPastRuns || kind == QueryKind::kPastTasks || kind == QueryKind::kPastResult;
}

// The `name` of a kPastTasks that wants the run's job, without inputs and env, as `result`. Asked for a task by its
// name, `result` is its PastWork. Both as positional msgpack, packed; nothing when an older Millrace has kept the run.
inline constexpr std::string_view kAskForJob = "job";

// Fits a message. What is not there is answered with the nearest that is, how much is kept, and `limits`, which say why
// no more is; none when they are not known.
Answer AnswerFromHistory(History& history, const Query& query, const std::optional<HistoryLimits>& limits);

}  // namespace millrace::store
