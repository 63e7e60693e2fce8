// SPDX-License-Identifier: Apache-2.0
// Values as they travel: msgpack maps by field name, which JSON and YAML can show and give.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/statusor.h"
#include "millrace/api/signature.h"
#include "millrace/base/bytes.h"
#include "millrace/base/status.h"
#include "millrace/wire/codec.h"
#include "millrace/wire/fingerprint.h"

namespace millrace {

// A result whose bytes are already made: the runner passes them on as they are, and From<M> of such a module hands
// them over unopened. Empty = no value.
struct Value {
  Bytes encoded;
  friend bool operator==(const Value&, const Value&) = default;
};

// One line of JSON for encoded bytes, and back. Bytes become base64 strings.
absl::StatusOr<std::string> ToJson(const Bytes& encoded);
absl::StatusOr<Bytes> FromJson(std::string_view text);

template <class T>
Bytes EncodeValue(const T& value) {
  if constexpr (std::is_same_v<T, Value>) {
    return value.encoded;
  } else if constexpr (std::is_same_v<T, NoResult>) {
    return {};
  } else {
    return Bytes(wire::Encode(value));
  }
}

template <class T>
absl::StatusOr<T> DecodeValue(const Bytes& encoded) {
  if constexpr (std::is_same_v<T, Value>) {
    return Value{encoded};
  } else if constexpr (std::is_same_v<T, NoResult>) {
    return NoResult{};
  } else {
    // How large a value may be was decided when its payload was unpacked.
    wire::Limits limits;
    limits.max_bytes = std::max(limits.max_bytes, encoded.size());
    limits.max_string = limits.max_bytes;
    return wire::Decode<T>(encoded, limits);
  }
}

template <class T>
Value MakeValue(const T& value) {
  return Value{EncodeValue(value)};
}

}  // namespace millrace
