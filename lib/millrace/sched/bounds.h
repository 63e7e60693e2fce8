// SPDX-License-Identifier: Apache-2.0
// How large messages may become. Each fits one frame of the control channel with room to spare: a frame over the
// transport's limit would cost the connection, and a message that is sent again would cost it again and again.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "millrace/model/message.h"
#include "millrace/model/record.h"

namespace millrace::sched {

// A message is closed when it has reached this, so it exceeds it by one part at most.
inline constexpr std::size_t kMessageBytes = std::size_t{1} << 20;
// Parts of a message that have a bound of their own: tasks or data of one Assign, data of one Forget.
inline constexpr std::size_t kMessageParts = 1024;
inline constexpr std::size_t kForgetParts = 16'384;

// Parts: what one of them may bring, in bytes. Payloads over the inline limit leave for the bulk plane in the shell.
inline constexpr std::size_t kMaxEnvironment = 256u << 10;     // of a task: names and values together
inline constexpr std::size_t kMaxNeeds = 250'000;              // of a task
inline constexpr std::size_t kMaxRequirementText = 64u << 10;  // of one set of requirements, all words together
inline constexpr std::size_t kMaxOfferText = 512u << 10;       // of a worker, all words together
inline constexpr std::size_t kMaxWarnings = 20;                // of a run
inline constexpr std::size_t kMaxException = 1024;             // the name of a type
inline constexpr std::size_t kMaxAttemptText = 1024;           // why a try failed that is not the last one

// Bytes on the wire, about.
std::size_t SizeOf(const Datum& datum);
std::size_t SizeOf(const Assignment& assignment);
std::size_t SizeOf(const TaskView& view);
std::size_t SizeOf(const RunView& view);
std::size_t SizeOf(const WorkerView& view);
// Of all the words that a demand or an offer is made of.
std::size_t TextBytes(const Requirements& requirements);
std::size_t TextBytes(const Offer& offer);

// What came from a peer, cut to the bounds above.
void Bound(Failure& failure);
void Bound(TaskEnded& record);
void Bound(AttemptEnded& record);
// Keeps the first kMaxWarnings and says how many more there were.
void Bound(std::vector<std::string>& warnings);

}  // namespace millrace::sched
