// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/slot_frame.h"

#include <algorithm>

#include "millrace/wire/tagged.h"

namespace millrace::wire {

std::string EncodeSlotMessage(const SlotMessage& message) {
  std::string out;
  EncodeTagged(out, message);
  return out;
}

absl::StatusOr<SlotMessage> DecodeSlotMessage(const Bytes& frame) {
  Limits limits;
  limits.max_bytes = std::max(limits.max_bytes, frame.size());
  limits.max_string = limits.max_bytes;
  return DecodeTagged<SlotMessage>(frame, limits, "slot message");
}

}  // namespace millrace::wire
