// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/frame.h"

#include "millrace/wire/packed_tasks.h"
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

std::string EncodeJob(const JobSpec& job) {
  std::string out;
  // About what it will be, so that a large job is not moved a dozen times while it grows.
  constexpr std::size_t kRow = 16;
  constexpr std::size_t kNeed = 8;
  std::size_t bytes = 0;
  for (const TaskSpec& task : job.tasks) {
    bytes += kRow + task.name.size() + task.inputs.size() + kNeed * task.needs.size();
  }
  out.reserve(bytes);
  EncodeTo<Layout::kPositional>(out, job);
  return out;
}
std::string EncodeJob(const PackedJob& job) { return Encode<Layout::kPositional>(job); }

absl::StatusOr<PackedJob> DecodeJob(const Bytes& bytes, const Limits& limits) {
  return Decode<PackedJob, Layout::kPositional>(bytes, limits);
}

}  // namespace millrace::wire
