// SPDX-License-Identifier: Apache-2.0
// The list of who is admitted to a broker: public keys with a name and a role, and join tokens. Text, a line each:
//
//   millrace-keys 1
//   key NAME role=worker public=Z85 added=UNIX [revoked=UNIX] [tags=a,b] [bearer=SHA256] [joined=TOKEN]
//   token NAME role=worker public=Z85 added=UNIX expires=UNIX uses=N used=N [revoked=UNIX] [tags=a,b]
//
// What is revoked, expired or used up stays for a week, so that its name is not given to somebody else meanwhile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/model/caller.h"

namespace millrace::keys {

using UnixSeconds = std::int64_t;

inline constexpr UnixSeconds kKeptAfterEnd = 7 * 24 * 3600;
inline constexpr std::size_t kMostEntries = 100'000;
inline constexpr std::size_t kLongestName = 64;

struct AdmittedKey {
  std::string name;
  Standing role = Standing::kWorker;
  std::string public_key;
  UnixSeconds added = 0;
  UnixSeconds revoked = 0;  // 0 = it is not
  std::vector<std::string> tags{};
  std::string bearer{};  // SHA-256 of its bearer token for HTTP, in hex
  std::string joined{};  // the token it came by
  friend bool operator==(const AdmittedKey&, const AdmittedKey&) = default;
};

struct JoinToken {
  std::string name;
  Standing role = Standing::kWorker;  // of who joins by it
  std::string public_key;
  UnixSeconds added = 0;
  UnixSeconds expires = 0;
  std::uint32_t uses = 1;  // how many may join; 0 = any number
  std::uint32_t used = 0;
  UnixSeconds revoked = 0;
  std::vector<std::string> tags{};
  friend bool operator==(const JoinToken&, const JoinToken&) = default;
};

struct KeyList {
  std::vector<AdmittedKey> keys{};
  std::vector<JoinToken> tokens{};
  friend bool operator==(const KeyList&, const KeyList&) = default;
};

// Errors name the line.
absl::StatusOr<KeyList> ParseKeyList(std::string_view text);
std::string FormatKeyList(const KeyList& list);

absl::StatusOr<Standing> ParseRole(std::string_view text);
// 1 to 64 letters, digits, '_', '-' and '.'.
absl::Status CheckKeyName(std::string_view name);

// All that change the list drop first what ended over a week ago. AlreadyExists when the name is taken, or lies below
// another one: "a.b" is a worker id of the key "a".
absl::Status AddKey(KeyList& list, AdmittedKey key, UnixSeconds now);
absl::Status AddToken(KeyList& list, JoinToken token, UnixSeconds now);
// Of a key or a token; NotFound with the nearest name. Gives its public key.
absl::StatusOr<std::string> Revoke(KeyList& list, std::string_view name, UnixSeconds now);
// Replaces the public key (and bearer) of a key that is in use; gives the old one.
absl::StatusOr<std::string> Replace(KeyList& list, std::string_view name, const std::string& public_key,
                                    const std::string& bearer);
// Whoever has the token of this public key is admitted with a key of its own. PermissionDenied says why not.
absl::StatusOr<AdmittedKey> Join(KeyList& list, std::string_view token_key, const std::string& own_key,
                                 const std::string& name, UnixSeconds now);

}  // namespace millrace::keys
