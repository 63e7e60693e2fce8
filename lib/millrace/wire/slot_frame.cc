// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/slot_frame.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>

#include "millrace/base/status.h"
#include "millrace/wire/codec.h"

namespace millrace::wire {
namespace {

// The body follows the kind without an array around the two: a frame ends where its bytes end.
constexpr std::size_t kKindBytes = 1;

template <std::size_t I = 0>
absl::StatusOr<SlotMessage> DecodeBody(std::uint8_t kind, const Bytes& body, const Limits& limits) {
  if constexpr (I == std::variant_size_v<SlotMessage>) {
    return InvalidArgument("a slot message of unknown kind %d", kind);
  } else {
    using Body = std::variant_alternative_t<I, SlotMessage>;
    if (kind != Body::kKind) return DecodeBody<I + 1>(kind, body, limits);
    auto decoded = Decode<Body, Layout::kPositional>(body, limits);
    if (!decoded.ok()) return std::move(decoded).status();
    SlotMessage message;
    message.emplace<I>(*std::move(decoded));
    return message;
  }
}

}  // namespace

std::string EncodeSlotMessage(const SlotMessage& message) {
  std::string frame;
  std::visit(
      [&](const auto& body) {
        frame.push_back(static_cast<char>(body.kKind));
        EncodeTo<Layout::kPositional>(frame, body);
      },
      message);
  return frame;
}

absl::StatusOr<SlotMessage> DecodeSlotMessage(const Bytes& frame) {
  if (frame.empty()) return InvalidArgument("an empty slot message");
  Limits limits;  // both ends are one program: the frame's own limit is the only one on its size
  limits.max_bytes = std::max(limits.max_bytes, frame.size());
  limits.max_string = limits.max_bytes;
  return DecodeBody(static_cast<std::uint8_t>(frame.data()[0]), frame.Slice(kKindBytes, frame.size()), limits);
}

}  // namespace millrace::wire
