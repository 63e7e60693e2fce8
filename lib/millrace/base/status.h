// SPDX-License-Identifier: Apache-2.0
// Errors as values: the one place where absl's string types meet the standard ones.
//
// Debian's Abseil keeps its own string_view, which does not convert from std::string_view; everything in Millrace
// speaks std::string_view, and only this header crosses over.
//
// Who must act follows from the code: InvalidArgument, NotFound, AlreadyExists, FailedPrecondition, OutOfRange,
// PermissionDenied: the user. Unavailable, ResourceExhausted, DeadlineExceeded, Cancelled, Aborted, DataLoss: the
// environment. Internal, Unimplemented, Unknown: us.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"

namespace millrace {

inline absl::string_view Av(std::string_view text) { return {text.data(), text.size()}; }
inline std::string TextOf(const absl::Status& status) { return std::string(status.message()); }

enum class Blame { kNobody, kUser, kEnvironment, kUs };
Blame WhoMustAct(const absl::Status& status);

// Makes a status whose message is formatted as by absl::StrFormat, which accepts std::string_view for %s:
//   return Error(absl::StatusCode::kNotFound, "no module named %s", name);
template <class... Args>
absl::Status Error(absl::StatusCode code, const absl::FormatSpec<Args...>& format, const Args&... args) {
  return {code, absl::StrFormat(format, args...)};
}
template <class... Args>
absl::Status InvalidArgument(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return Error(absl::StatusCode::kInvalidArgument, format, args...);
}
template <class... Args>
absl::Status NotFound(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return Error(absl::StatusCode::kNotFound, format, args...);
}
template <class... Args>
absl::Status FailedPrecondition(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return Error(absl::StatusCode::kFailedPrecondition, format, args...);
}
template <class... Args>
absl::Status Unavailable(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return Error(absl::StatusCode::kUnavailable, format, args...);
}
template <class... Args>
absl::Status ResourceExhausted(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return Error(absl::StatusCode::kResourceExhausted, format, args...);
}
template <class... Args>
absl::Status Internal(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return Error(absl::StatusCode::kInternal, format, args...);
}

// The same status, payloads included, with `context: ` in front of its message, as it is handed up.
absl::Status Annotate(const absl::Status& status, std::string_view context);

// The status of a failed system call: "open /x: No such file or directory", coded after errno.
absl::Status ErrnoStatus(int error, std::string_view what);

}  // namespace millrace

#define MILLRACE_CONCAT_INNER(a, b) a##b
#define MILLRACE_CONCAT(a, b) MILLRACE_CONCAT_INNER(a, b)

#define MILLRACE_RETURN_IF_ERROR(expression)                                  \
  do {                                                                        \
    if (absl::Status millrace_status = (expression); !millrace_status.ok()) { \
      return millrace_status;                                                 \
    }                                                                         \
  } while (false)

#define MILLRACE_ASSIGN_OR_RETURN(target, expression) \
  MILLRACE_ASSIGN_OR_RETURN_AS(MILLRACE_CONCAT(millrace_status_or_, __LINE__), target, expression)
#define MILLRACE_ASSIGN_OR_RETURN_AS(holder, target, expression) \
  auto holder = (expression);                                    \
  if (!holder.ok()) return std::move(holder).status();           \
  target = *std::move(holder)
