// SPDX-License-Identifier: Apache-2.0
// Who is at the other end of a connection, as its key proves it; never as the peer says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

enum class Standing : std::uint8_t {
  kWorker,
  kClient,
  kAdmin,
  kJoin,  // has a join token only: may ask to be admitted, and nothing else
};

constexpr std::string_view StandingName(Standing standing) {
  switch (standing) {
    case Standing::kWorker: return "worker";
    case Standing::kClient: return "client";
    case Standing::kAdmin: return "admin";
    case Standing::kJoin: break;
  }
  return "join";
}

struct Caller {
  Standing standing = Standing::kJoin;
  std::string name;               // of the key
  std::string key;                // public, Z85
  std::vector<std::string> tags;  // a worker may offer only these; none = any
  friend bool operator==(const Caller&, const Caller&) = default;
};

// A worker's key may speak for the worker id that is its name, and for NAME.ANYTHING, so that no key can take the place
// of another one's worker, whatever the broker has forgotten.
constexpr bool OwnsWorkerId(std::string_view key_name, std::string_view id) {
  if (id.size() < key_name.size() || id.substr(0, key_name.size()) != key_name) return false;
  return id.size() == key_name.size() || id[key_name.size()] == '.';
}

}  // namespace millrace
