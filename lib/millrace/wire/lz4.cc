// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/lz4.h"

#include <lz4.h>

#include <array>
#include <bit>
#include <memory>
#include <string>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::wire {
namespace {

constexpr char kRaw = 0;
constexpr char kLz4 = 1;
constexpr std::size_t kHeaderSize = 9;
constexpr std::size_t kBestRatio = 255;  // of the format: one byte of a match's length stands for 255 bytes
constexpr std::size_t kRatioSlack = 64;

std::uint32_t ReadU32(const char* bytes) {
  std::uint32_t number = 0;
  for (int i = 3; i >= 0; --i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

void WriteU32(std::uint32_t number, char* bytes) {
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
}

constexpr std::uint32_t kPrime1 = 0x9e3779b1U;
constexpr std::uint32_t kPrime2 = 0x85ebca77U;
constexpr std::uint32_t kPrime3 = 0xc2b2ae3dU;
constexpr std::uint32_t kPrime4 = 0x27d4eb2fU;
constexpr std::uint32_t kPrime5 = 0x165667b1U;

Bytes Raw(const Bytes& raw) {
  std::string packed;
  packed.reserve(raw.size() + 1);
  packed.push_back(kRaw);
  packed.append(raw.view());
  return Bytes(std::move(packed));
}

absl::StatusOr<Bytes> Expand(const Bytes& packed, std::size_t size) {
  const std::string_view block = packed.view().substr(kHeaderSize);
  if (block.size() > LZ4_MAX_INPUT_SIZE || size > LZ4_MAX_INPUT_SIZE ||
      size > kBestRatio * block.size() + kRatioSlack) {
    return InvalidArgument("a payload claims to expand from %d to %d bytes, more than LZ4 can", block.size(), size);
  }
  const auto storage = std::make_shared_for_overwrite<char[]>(size);
  const int written =
      LZ4_decompress_safe(block.data(), storage.get(), static_cast<int>(block.size()), static_cast<int>(size));
  if (written < 0 || static_cast<std::size_t>(written) != size) {
    return Error(absl::StatusCode::kDataLoss, "a payload of %d LZ4 bytes does not expand to the %d bytes it claims",
                 block.size(), size);
  }
  const std::string_view raw(storage.get(), size);
  const std::uint32_t check = ReadU32(packed.data() + 5);
  if (const std::uint32_t found = Xxh32(raw); found != check) {
    return Error(absl::StatusCode::kDataLoss, "a payload of %d bytes has checksum %08x and should have %08x", size,
                 found, check);
  }
  return Bytes(storage, raw);
}

}  // namespace

std::uint32_t Xxh32(std::string_view bytes, std::uint32_t seed) {
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t hash = seed + kPrime5;
  if (left >= 16) {
    std::array<std::uint32_t, 4> lanes{seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
    for (; left >= 16; left -= 16) {
      for (std::uint32_t& lane : lanes) {
        lane = std::rotl(lane + ReadU32(at) * kPrime2, 13) * kPrime1;
        at += 4;
      }
    }
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
  }
  hash += static_cast<std::uint32_t>(bytes.size());
  for (; left >= 4; left -= 4, at += 4) hash = std::rotl(hash + ReadU32(at) * kPrime3, 17) * kPrime4;
  for (; left > 0; --left, ++at) {
    hash = std::rotl(hash + static_cast<unsigned char>(*at) * kPrime5, 11) * kPrime1;
  }
  hash = (hash ^ (hash >> 15)) * kPrime2;
  hash = (hash ^ (hash >> 13)) * kPrime3;
  return hash ^ (hash >> 16);
}

absl::Status CheckPayloadSize(std::string_view what, std::size_t raw_size, std::size_t max_raw) {
  if (raw_size <= max_raw) return absl::OkStatus();
  return ResourceExhausted("%s of %d bytes is over max_payload_size %d", what, raw_size, max_raw);
}

Bytes PackPayload(const Bytes& raw, Compression compression) {
  if (raw.empty()) return {};
  if (compression == Compression::kOff || raw.size() < kCompressFrom || raw.size() > LZ4_MAX_INPUT_SIZE)
    return Raw(raw);
  // Room for nine tenths only: where the result would be larger, LZ4 gives up early.
  const std::size_t room = raw.size() - raw.size() / 10;
  std::string packed(room, '\0');
  const int size = LZ4_compress_default(raw.data(), packed.data() + kHeaderSize, static_cast<int>(raw.size()),
                                        static_cast<int>(room - kHeaderSize));
  if (size <= 0) return Raw(raw);
  packed.resize(kHeaderSize + static_cast<std::size_t>(size));
  packed.shrink_to_fit();
  packed[0] = kLz4;
  WriteU32(static_cast<std::uint32_t>(raw.size()), packed.data() + 1);
  WriteU32(Xxh32(raw.view()), packed.data() + 5);
  return Bytes(std::move(packed));
}

Bytes PackInputs(const Bytes& map, Compression compression) {
  if (map.size() < kCompressFrom) return map;
  const Bytes packed = PackPayload(map, compression);
  return packed.data()[0] == kLz4 ? packed : map;
}

absl::StatusOr<Bytes> UnpackInputs(const Bytes& inputs, std::size_t max_raw) {
  if (!inputs.empty() && (inputs.data()[0] == kRaw || inputs.data()[0] == kLz4)) return UnpackPayload(inputs, max_raw);
  MILLRACE_RETURN_IF_ERROR(CheckPayloadSize("the inputs", inputs.size(), max_raw));
  return inputs;
}

absl::StatusOr<std::size_t> UnpackedSize(const Bytes& packed) {
  if (packed.empty()) return std::size_t{0};
  if (packed.data()[0] == kRaw) return packed.size() - 1;
  if (packed.data()[0] != kLz4) {
    return InvalidArgument("a payload starts with byte %d; 0 (raw) and 1 (LZ4) are known",
                           static_cast<int>(static_cast<unsigned char>(packed.data()[0])));
  }
  if (packed.size() < kHeaderSize) {
    return InvalidArgument("a payload of %d bytes is too short for its header of %d", packed.size(), kHeaderSize);
  }
  return std::size_t{ReadU32(packed.data() + 1)};
}

absl::StatusOr<Bytes> UnpackPayload(const Bytes& packed, std::size_t max_raw) {
  MILLRACE_ASSIGN_OR_RETURN(const std::size_t size, UnpackedSize(packed));
  MILLRACE_RETURN_IF_ERROR(CheckPayloadSize("a payload", size, max_raw));
  if (packed.empty()) return Bytes();
  if (packed.data()[0] == kRaw) return packed.Slice(1, size);
  return Expand(packed, size);
}

}  // namespace millrace::wire
