// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/digest.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <cstring>

#include "millrace/base/status.h"

namespace millrace {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() {
    // Fails only when memory is gone or the library was built without SHA-256: neither has a way on.
    if (context == nullptr || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1) std::abort();
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Hasher::Hasher() : state_(std::make_unique<State>()) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Add(std::string_view bytes) { EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()); }

void Hasher::AddField(std::string_view bytes) {
  std::array<char, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i) length[i] = static_cast<char>(bytes.size() >> (8 * i));
  Add({length.data(), length.size()});
  Add(bytes);
}

Digest Hasher::Finish() {
  Digest digest;
  EVP_DigestFinal_ex(state_->context, digest.value.data(), nullptr);
  return digest;
}

Digest Sha256(std::string_view bytes) {
  Hasher hasher;
  hasher.Add(bytes);
  return hasher.Finish();
}

std::string Digest::Hex() const {
  std::string hex;
  hex.reserve(64);
  for (const std::uint8_t byte : value) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

absl::StatusOr<Digest> Digest::FromHex(std::string_view hex) {
  Digest digest;
  if (hex.size() != 64) return InvalidArgument("a digest has 64 hexadecimal digits, not %d", hex.size());
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const auto digit = kDigits.find(hex[i]);
    if (digit == std::string_view::npos) return InvalidArgument("'%s' is not a digest in lower-case hexadecimal", hex);
    digest.value[i / 2] = static_cast<std::uint8_t>((digest.value[i / 2] << 4) | digit);
  }
  return digest;
}

}  // namespace millrace
