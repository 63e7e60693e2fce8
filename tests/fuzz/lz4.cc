// SPDX-License-Identifier: Apache-2.0
// Packed payloads: made up, damaged, and honest.
#include "millrace/wire/lz4.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

constexpr std::size_t kMaxRaw = 1u << 20;

void Open(const Bytes& packed) {
  static_cast<void>(wire::UnpackedSize(packed));
  const auto raw = wire::UnpackPayload(packed, kMaxRaw);
  if (raw.ok()) {
    fuzz::Require(raw->size() <= kMaxRaw, "more was unpacked than the limit allows");
    const auto claimed = wire::UnpackedSize(packed);
    fuzz::Require(claimed.ok() && *claimed == raw->size(), "the header claims another size than there is");
  }
  const auto inputs = wire::UnpackInputs(packed, kMaxRaw);
  fuzz::Require(!inputs.ok() || inputs->size() <= kMaxRaw, "more inputs were unpacked than the limit allows");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Open(Bytes::Copy(fuzz::TextOf(data, size)));

  fuzz::Choices choices(data, size);
  const std::size_t repeats = 1 + choices.Below(64);
  const std::size_t place = choices.Word();
  const char change = static_cast<char>(choices.Byte());
  const std::string_view unit = choices.Rest();
  std::string text;
  for (std::size_t i = 0; i < repeats && text.size() + unit.size() <= 16384; ++i) text += unit;
  const Bytes raw{std::string(text)};
  const Bytes packed = wire::PackPayload(raw);
  const auto back = wire::UnpackPayload(packed, kMaxRaw);
  fuzz::Require(back.status(), "what was packed is refused");
  fuzz::Require(*back == raw, "what was packed is unpacked to something else");
  if (!raw.empty()) {
    fuzz::Require(packed.size() <= raw.size() + 1, "packing made it larger");
    fuzz::Require(!wire::UnpackPayload(packed, raw.size() - 1).ok(), "the limit does not hold");
  }
  std::string damaged = packed.str();
  if (damaged.empty()) return 0;
  damaged[place % damaged.size()] = change;
  Open(Bytes(damaged));
  damaged.resize(place % damaged.size());
  Open(Bytes(damaged));
  return 0;
}
