// SPDX-License-Identifier: Apache-2.0
#include "millrace/keys/z85.h"

#include "millrace/base/status.h"

namespace millrace::keys {
namespace {

constexpr std::string_view kAlphabet =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
constexpr std::size_t kGroupBytes = 4;
constexpr std::size_t kGroupChars = 5;

}  // namespace

std::string EncodeKey(const RawKey& key) {
  std::string text;
  for (std::size_t at = 0; at < key.size(); at += kGroupBytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < kGroupBytes; ++i) value = (value << 8) | key[at + i];
    char group[kGroupChars];
    for (std::size_t i = kGroupChars; i-- > 0; value /= 85) group[i] = kAlphabet[value % 85];
    text.append(group, kGroupChars);
  }
  return text;
}

absl::StatusOr<RawKey> DecodeKey(std::string_view text) {
  if (text.size() != kKeyChars) return InvalidArgument("a key has %d characters, not %d", kKeyChars, text.size());
  RawKey key{};
  for (std::size_t group = 0; group < kKeyChars / kGroupChars; ++group) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < kGroupChars; ++i) {
      const auto digit = kAlphabet.find(text[group * kGroupChars + i]);
      if (digit == std::string_view::npos) {
        return InvalidArgument("character %d of the key is none of Z85's", group * kGroupChars + i + 1);
      }
      value = value * 85 + digit;
    }
    if (value > UINT32_MAX) return InvalidArgument("the key is no Z85: its group %d is too large", group + 1);
    for (std::size_t i = kGroupBytes; i-- > 0; value >>= 8) {
      key[group * kGroupBytes + i] = static_cast<std::uint8_t>(value & 0xff);
    }
  }
  return key;
}

}  // namespace millrace::keys
