// SPDX-License-Identifier: Apache-2.0
// The messages between a worker and the module host of a slot as frames: [kind, body], positional msgpack.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/model/slot.h"

namespace millrace::wire {

std::string EncodeSlotMessage(const SlotMessage& message);

// Refuses an unknown kind and whatever does not decode. Bytes of the message share the frame's storage.
absl::StatusOr<SlotMessage> DecodeSlotMessage(const Bytes& frame);

}  // namespace millrace::wire
