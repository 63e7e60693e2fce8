// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/exit_code.h"

#include "absl/strings/cord.h"
#include "millrace/base/status.h"

namespace millrace::host {

namespace {
constexpr char kNoThread[] = "millrace/no-thread";
}  // namespace

absl::Status NoThread(const std::system_error& error) {
  absl::Status status = ResourceExhausted(
      "the system refuses a thread: %s (see ulimit -u and the pids limit of the cgroup)", error.what());
  status.SetPayload(kNoThread, absl::Cord(" "));
  return status;
}

int ExitCodeOf(const absl::Status& status) {
  if (status.GetPayload(kNoThread).has_value()) return kNoResources;
  switch (status.code()) {
    case absl::StatusCode::kOk: return kSucceeded;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange: return kBadInput;
    case absl::StatusCode::kNotFound: return kNoInput;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition: return kBadConfig;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated: return kNotAllowed;
    case absl::StatusCode::kUnavailable: return kUnreachable;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted: return kTryAgain;
    case absl::StatusCode::kDataLoss: return kDisk;
    case absl::StatusCode::kCancelled: return kInterrupted;
    default: return kOurFault;
  }
}

}  // namespace millrace::host
