// SPDX-License-Identifier: Apache-2.0
// Messages of the control and heartbeat channels to frames and back: a frame is one msgpack array, [kind, field, ...].
// What a newer peer adds at the end of a struct is skipped, what an older one lacks keeps its default; a kind that is
// not known gives Unimplemented; whatever is malformed gives InvalidArgument, and what is over a limit
// ResourceExhausted.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/model/job.h"
#include "millrace/model/message.h"
#include "millrace/model/packed_job.h"
#include "millrace/wire/limits.h"

namespace millrace::wire {

std::string EncodeMessage(const Message& message);
void EncodeMessageTo(std::string& out, const Message& message);
// Payloads and inputs inside share the frame's storage unless that would keep much more alive than they need.
absl::StatusOr<Message> DecodeMessage(const Bytes& frame, const Limits& limits = kFrameLimits);

// A job on its own, as it rides on the bulk plane when a Submit names it by digest.
std::string EncodeJob(const JobSpec& job);
std::string EncodeJob(const PackedJob& job);  // the same bytes
absl::StatusOr<PackedJob> DecodeJob(const Bytes& bytes, const Limits& limits = {});

}  // namespace millrace::wire
