// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/bounds.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "millrace/base/text.h"

namespace millrace::sched {
namespace {

template <class Words>
std::size_t BytesOf(const Words& words) {
  std::size_t bytes = 0;
  for (const std::string& word : words) bytes += word.size() + 8;
  return bytes;
}

template <class Amounts>
std::size_t NamedBytes(const Amounts& amounts) {
  std::size_t bytes = 0;
  for (const auto& [name, amount] : amounts) bytes += name.size() + 16;
  return bytes;
}

std::size_t SizeOf(const Failure& failure) {
  return failure.message.size() + failure.exception.size() + failure.output.size() + failure.worker.size() +
         failure.host.size() + 32;
}

void Cut(std::string& text, std::size_t limit) {
  if (text.size() > limit) text = Beginning(text, limit);
}

}  // namespace

std::size_t SizeOf(const Datum& datum) {
  return datum.result.bytes.size() + datum.inputs.bytes.size() + SizeOf(datum.failure) + datum.name.size() +
         datum.module.size() + 64;
}

std::size_t SizeOf(const Assignment& assignment) {
  std::size_t size = assignment.name.size() + assignment.inputs.bytes.size() + assignment.needs.size() * 8 + 56;
  for (const auto& [name, value] : assignment.env) size += name.size() + value.size() + 8;
  return size;
}

std::size_t SizeOf(const TaskView& view) {
  return view.name.size() + view.module.size() + view.worker.size() + view.host.size() + view.reason.size() +
         SizeOf(view.failure) + 96;
}

std::size_t SizeOf(const RunView& view) {
  return view.name.size() + view.root_cause.size() + BytesOf(view.warnings) + 160;
}

std::size_t SizeOf(const WorkerView& view) {
  return view.name.size() + view.host.size() + view.version.size() + TextBytes(view.offer) + 128;
}

std::size_t TextBytes(const Requirements& requirements) {
  return BytesOf(requirements.os) + BytesOf(requirements.arch) + BytesOf(requirements.tools) +
         BytesOf(requirements.tags) + NamedBytes(requirements.resources);
}

std::size_t TextBytes(const Offer& offer) {
  std::size_t bytes = offer.os.size() + offer.arch.size() + BytesOf(offer.tags) + NamedBytes(offer.resources);
  for (const Tool& tool : offer.tools) bytes += tool.name.size() + tool.version.size() + 8;
  for (const OfferedModule& module : offer.modules) bytes += module.name.size() + 16;
  return bytes;
}

void Bound(Failure& failure) {
  Cut(failure.message, kMaxFailureText);
  Cut(failure.exception, kMaxException);
  if (failure.output.size() > kMaxFailureText) failure.output = Ending(failure.output, kMaxFailureText);
}

void Bound(TaskEnded& record) {
  Bound(record.failure);
  Cut(record.reason, kMaxFailureText);
}

void Bound(AttemptEnded& record) { Cut(record.message, kMaxAttemptText); }

void Bound(std::vector<std::string>& warnings) {
  if (warnings.size() <= kMaxWarnings) return;
  const std::size_t more = warnings.size() - kMaxWarnings;
  warnings.resize(kMaxWarnings);
  warnings.push_back(absl::StrFormat("and %d more warnings", more));
}

}  // namespace millrace::sched
