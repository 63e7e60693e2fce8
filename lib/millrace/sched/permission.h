// SPDX-License-Identifier: Apache-2.0
// What a peer may say, by the role of its key. Pure, so that the brain decides and the shell, which answers some
// questions by itself, asks the same.
#pragma once

#include "absl/status/status.h"
#include "millrace/model/caller.h"
#include "millrace/model/message.h"

namespace millrace::sched {

// PermissionDenied, naming key, role and what it takes.
//   worker: works under the worker ids of its key, with no other tags than the key has
//   client: submits, asks, cancels
//   admin:  all that a client may; drains and releases workers
//   join:   asks to be admitted
absl::Status CheckPermission(const Caller& caller, const Message& message);

}  // namespace millrace::sched
