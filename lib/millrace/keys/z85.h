// SPDX-License-Identifier: Apache-2.0
// Keys as text: Z85 (ZeroMQ RFC 32), 40 printable characters for the 32 bytes of a key.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace millrace::keys {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kKeyChars = 40;
using RawKey = std::array<std::uint8_t, kKeyBytes>;

std::string EncodeKey(const RawKey& key);
// InvalidArgument for another length, a foreign character or a group over 2^32. Never shows the text: it may be secret.
absl::StatusOr<RawKey> DecodeKey(std::string_view text);

// A pair for CURVE, as net makes it.
struct KeyPair {
  std::string public_key;  // Z85
  std::string secret_key;  // Z85
  friend bool operator==(const KeyPair&, const KeyPair&) = default;
};

}  // namespace millrace::keys
