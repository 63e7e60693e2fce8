// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/record_frame.h"

#include <type_traits>
#include <utility>
#include <variant>

#include "millrace/wire/packed_tasks.h"
#include "millrace/wire/tagged.h"

namespace millrace::wire {
namespace {

// What is read: Record without its kinds of several positions.
using Single = std::variant<RunAccepted, TaskAssigned, AttemptEnded, TaskEnded, RunCancelled, RunEnded, CrashForgiven>;

}  // namespace

std::string EncodeRecord(const Record& record) {
  std::string out;
  std::visit(
      [&out]<class R>(const R& body) {
        if constexpr (std::is_constructible_v<Single, R>) EncodeAs(out, body);
      },
      record);
  return out;
}

absl::StatusOr<Record> DecodeRecord(const Bytes& bytes, const Limits& limits) {
  MILLRACE_ASSIGN_OR_RETURN(Single single, DecodeTagged<Single>(bytes, limits, "journal record"));
  return std::visit([](auto& body) { return Record(std::move(body)); }, single);
}

}  // namespace millrace::wire
