// SPDX-License-Identifier: Apache-2.0
// Whether a worker's hello can be true: bounds on everything it claims, checked before anything is kept.
#pragma once

#include "absl/status/status.h"
#include "millrace/model/message.h"

namespace millrace::sched {

inline constexpr std::size_t kMaxWorkerName = 255;    // bytes
inline constexpr std::size_t kMaxOffered = 10'000;    // tools, tags, modules, resources: of each
inline constexpr std::size_t kMaxSessions = 100'000;  // lost ones that are still shown included

// ResourceExhausted when a broker that knows so many workers has no room for another.
absl::Status CheckRoom(std::size_t known);
// InvalidArgument, naming limit and value.
absl::Status CheckHello(const Hello& hello);

}  // namespace millrace::sched
