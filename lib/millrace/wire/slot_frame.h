// SPDX-License-Identifier: Apache-2.0
// What a worker and its module hosts say to each other, to bytes and back, encoded like frames (frame.h). The stream
// between them frames these itself. Both ends are one program on one machine, so the frame's own size is the limit.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/model/slot.h"

namespace millrace::wire {

std::string EncodeSlotMessage(const SlotMessage& message);
absl::StatusOr<SlotMessage> DecodeSlotMessage(const Bytes& frame);

}  // namespace millrace::wire
