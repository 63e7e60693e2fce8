// SPDX-License-Identifier: Apache-2.0
// What is said on the bulk plane. A transfer is one content in one direction; its number is the asker's choice and
// means something on one connection only. The one who wants the content asks for it (after an offer, or of itself), and
// may ask again from where it is at any time; the other sends chunks no further than a window beyond what was
// acknowledged.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "millrace/base/bytes.h"
#include "millrace/base/digest.h"

namespace millrace::net {

inline constexpr std::uint64_t kBulkChunkBytes = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kBulkWindowChunks = 4;

// "I have this": answered by a BulkRequest, by a BulkAck of all of it (it is there already), or by a BulkRefused.
struct BulkOffer {
  std::uint64_t transfer = 0;
  Digest digest;
  std::uint64_t size = 0;
  friend bool operator==(const BulkOffer&, const BulkOffer&) = default;
};

// "Send me this, from `offset` on": the start, a resumption, and the answer to a chunk that was missing or damaged.
struct BulkRequest {
  std::uint64_t transfer = 0;
  Digest digest;
  std::uint64_t offset = 0;
  friend bool operator==(const BulkRequest&, const BulkRequest&) = default;
};

struct BulkChunk {
  std::uint64_t transfer = 0;
  std::uint64_t size = 0;      // of the whole content
  std::uint64_t offset = 0;    // of these bytes
  std::uint64_t checksum = 0;  // XXH64 of these bytes, seeded with the offset
  Bytes bytes;
  friend bool operator==(const BulkChunk&, const BulkChunk&) = default;
};

// "I have everything before `received`": all of it ends the transfer.
struct BulkAck {
  std::uint64_t transfer = 0;
  std::uint64_t received = 0;
  friend bool operator==(const BulkAck&, const BulkAck&) = default;
};

// Ends a transfer from either side; `code` is an absl::StatusCode.
struct BulkRefused {
  std::uint64_t transfer = 0;
  std::int32_t code = 0;
  std::string message;
  friend bool operator==(const BulkRefused&, const BulkRefused&) = default;
};

// On the wire an array [index, body]: the order is part of the protocol.
using BulkMessage = std::variant<BulkOffer, BulkRequest, BulkChunk, BulkAck, BulkRefused>;

}  // namespace millrace::net
