// SPDX-License-Identifier: Apache-2.0
// Runs one attempt: bytes in, bytes out, and every way to fail in between turned into an outcome.
#pragma once

#include <stop_token>

#include "millrace/api/registry.h"
#include "millrace/api/task_output.h"
#include "millrace/model/slot.h"

namespace millrace {

// Blocks until the module has returned. Payloads of dependencies are expanded here, the result is packed here. Exactly
// one outcome comes of it: succeeded; skipped (Skip()); cancelled (a bad end after `stop` was requested); or failed,
// with what is known. No exception leaves it. May run in any number of threads.
SlotDone RunSlot(const Registry& registry, const SlotExecute& execute, std::stop_token stop, TaskOutput& output);

}  // namespace millrace
