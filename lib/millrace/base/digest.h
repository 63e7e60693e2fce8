// SPDX-License-Identifier: Apache-2.0
// Content digests (SHA-256, FIPS 180-4): names of blobs, cache keys, fingerprints of types.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace millrace {

struct Digest {
  std::array<std::uint8_t, 32> value{};

  bool empty() const { return value == std::array<std::uint8_t, 32>{}; }
  std::string Hex() const;  // 64 lower-case digits
  static absl::StatusOr<Digest> FromHex(std::string_view hex);
  std::string_view view() const { return {reinterpret_cast<const char*>(value.data()), value.size()}; }

  friend auto operator<=>(const Digest&, const Digest&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const Digest& digest) {
    return H::combine(std::move(state), digest.value);
  }
};

Digest Sha256(std::string_view bytes);

// The same over parts that arrive one after the other.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  void Add(std::string_view bytes);
  // Adds the length first, so that ("ab","c") and ("a","bc") differ.
  void AddField(std::string_view bytes);
  Digest Finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
