// SPDX-License-Identifier: Apache-2.0
// A key file, which is all that a peer needs to be itself: name, role, key pair and the broker's public key, a line
// each. And a join token, which is the same in one string, with the address to go to.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "millrace/keys/z85.h"

namespace millrace::keys {

struct KeyFile {
  std::string name;
  std::string role;  // "broker", or as of a Standing
  KeyPair pair;
  std::string broker;  // its public key; of the broker's own file its own
  friend bool operator==(const KeyFile&, const KeyFile&) = default;
};

// Errors never show what stands in the file.
absl::StatusOr<KeyFile> ParseKeyFile(std::string_view text);
std::string FormatKeyFile(const KeyFile& file);

struct TokenText {
  std::string broker;  // public key, Z85
  std::string secret;  // Z85
  std::string url;     // "" = the bearer has to know
  friend bool operator==(const TokenText&, const TokenText&) = default;
};

// mrj1.HEX@URL, where HEX is both keys and a checksum over all: no character that a shell would touch.
std::string FormatToken(const TokenText& token);
absl::StatusOr<TokenText> ParseToken(std::string_view text);

// What a client says to the broker's HTTP instead of a key; follows from the secret key, so that there is nothing more
// to keep. The list has the digest of it only.
std::string BearerOf(const std::string& secret_key);
std::string BearerDigest(std::string_view bearer);

}  // namespace millrace::keys
