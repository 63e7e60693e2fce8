// SPDX-License-Identifier: Apache-2.0
// A frame of the control or heartbeat channel, as anybody may send it.
#include "millrace/wire/frame.h"
#include "tests/fuzz/judge.h"
#include "tests/unit/wire/allocation.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = Bytes::Copy(fuzz::TextOf(data, size));
  AllocatedBytes() = 0;
  static_cast<void>(wire::DecodeMessage(input));
  // Vectors may be asked for twice while they grow.
  const std::size_t most = 2 * (wire::kFrameLimits.max_growth * size + (std::size_t{1} << 20));
  fuzz::Require(AllocatedBytes() <= most, "more memory was asked for than a frame of this size may");
  fuzz::RequireRoundTrip(
      input, [](const Bytes& bytes) { return wire::DecodeMessage(bytes); }, wire::EncodeMessage);
  return 0;
}
