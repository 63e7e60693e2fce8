// SPDX-License-Identifier: Apache-2.0
// What fuzz targets judge by: a property that does not hold ends the program, which is how a finding is noticed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "millrace/base/bytes.h"

namespace millrace::fuzz {

inline void Require(bool holds, std::string_view what, std::string_view detail = {}) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(detail.size()), detail.data());
  std::abort();
}
inline void Require(const absl::Status& status, std::string_view what) {
  if (!status.ok()) Require(false, what, std::string(status.message()));
}

inline std::string_view TextOf(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// What can be decoded encodes to something that decodes to the same. Equal values have equal bytes, so that the bytes
// are compared: a NaN is equal to itself there. Refusals say why.
template <class Decode, class Encode>
void RequireRoundTrip(const Bytes& input, Decode decode, Encode encode) {
  const auto value = decode(input);
  if (!value.ok()) return Require(!value.status().message().empty(), "refused without a reason");
  const std::string once = encode(*value);
  const auto again = decode(Bytes(once));
  Require(again.status(), "what was decoded encodes to something that is refused");
  Require(encode(*again) == once, "what was decoded encodes to something that decodes to something else");
}

}  // namespace millrace::fuzz
