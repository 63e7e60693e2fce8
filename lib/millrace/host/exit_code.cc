// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/exit_code.h"

namespace millrace::host {

int ExitCodeOf(const absl::Status& status) {
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
