// SPDX-License-Identifier: Apache-2.0
// A record of the journal whose checksum is right: written by another version, or by nobody that we know.
#include "millrace/wire/record_frame.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::RequireRoundTrip(
      Bytes::Copy(fuzz::TextOf(data, size)), [](const Bytes& bytes) { return wire::DecodeRecord(bytes); },
      wire::EncodeRecord);
  return 0;
}
