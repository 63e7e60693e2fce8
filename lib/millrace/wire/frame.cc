// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/frame.h"

#include "millrace/wire/tagged.h"

namespace millrace::wire {

std::string EncodeMessage(const Message& message) {
  std::string out;
  EncodeTagged(out, message);
  return out;
}

void EncodeMessageTo(std::string& out, const Message& message) { EncodeTagged(out, message); }

absl::StatusOr<Message> DecodeMessage(const Bytes& frame, const Limits& limits) {
  return DecodeTagged<Message>(frame, limits, "message");
}

std::string EncodeJob(const JobSpec& job) { return Encode<Layout::kPositional>(job); }

absl::StatusOr<JobSpec> DecodeJob(const Bytes& bytes, const Limits& limits) {
  return Decode<JobSpec, Layout::kPositional>(bytes, limits);
}

}  // namespace millrace::wire
