// SPDX-License-Identifier: Apache-2.0
// Packed payloads: bytes that say themselves how they are packed, so that nothing between producer and consumer has to
// open them. Expanded by the consumer only, never by the broker.
//
//   packed = 0x00 bytes                                  raw
//          | 0x01 raw_size:u32 check:u32 lz4_block       little-endian; check = XXH32 of the raw bytes, seed 0
//
// The LZ4 block format carries neither sizes nor a checksum (its frame format does, at the price of a streaming API),
// so the header does. Whatever the header claims is checked against the limit and against the format's highest ratio
// (255) before memory is reserved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"

namespace millrace::wire {

inline constexpr std::size_t kCompressFrom = 1024;  // bytes; smaller payloads travel raw

enum class Compression : bool { kOff, kOn };

// Refuses a value of `raw_size` bytes that is over max_payload_size, naming both sizes: the sender's side of the limit.
absl::Status CheckPayloadSize(std::string_view what, std::size_t raw_size, std::size_t max_raw);

// Never fails: what cannot be compressed by 10 % or more travels raw. Nothing stays nothing (no bytes).
Bytes PackPayload(const Bytes& raw, Compression compression = Compression::kOn);

// `max_raw`: the limit on the expanded size (max_payload_size). A raw payload is a slice of `packed`, not a copy.
absl::StatusOr<Bytes> UnpackPayload(const Bytes& packed, std::size_t max_raw);

// The fields of a module as they travel: a msgpack map, or that map packed. A map never begins with a byte that packing
// gives, so small ones need no header and are told apart.
Bytes PackInputs(const Bytes& map, Compression compression = Compression::kOn);
absl::StatusOr<Bytes> UnpackInputs(const Bytes& inputs, std::size_t max_raw);

// The expanded size as the header claims it, without expanding: to refuse early and to show.
absl::StatusOr<std::size_t> UnpackedSize(const Bytes& packed);

// https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
std::uint32_t Xxh32(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace millrace::wire
