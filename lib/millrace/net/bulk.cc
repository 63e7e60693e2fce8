// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/bulk.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::net {
namespace {

constexpr int kMostDamagedInARow = 8;

}  // namespace

std::uint64_t ChunkChecksum(std::uint64_t offset, std::string_view bytes) {
  return XXH64(bytes.data(), bytes.size(), offset);
}

ChunkSender::ChunkSender(std::uint64_t transfer, std::uint64_t size, Source source)
    : transfer_(transfer), size_(size), source_(std::move(source)) {}

ChunkSender::ChunkSender(std::uint64_t transfer, const Bytes& content)
    : ChunkSender(transfer, content.size(),
                  [content](std::uint64_t offset, std::uint64_t length) -> absl::StatusOr<Bytes> {
                    return content.Slice(offset, length);
                  }) {}

absl::Status ChunkSender::OnRequest(const BulkRequest& request) {
  if (request.offset > size_) {
    return Error(absl::StatusCode::kOutOfRange, "byte %d was asked for of a content of %d", request.offset, size_);
  }
  started_ = true;
  done_ = false;
  acknowledged_ = request.offset;
  highest_ = std::max(highest_, request.offset);
  Rewind();
  return absl::OkStatus();
}

absl::Status ChunkSender::OnAck(const BulkAck& ack) {
  // All of it, before anything was sent: an offer of what is there already is answered so.
  const bool had_it = !started_ && ack.received == size_;
  if (ack.received > highest_ && !had_it) {
    return Error(absl::StatusCode::kOutOfRange, "byte %d was acknowledged, and only %d were sent", ack.received,
                 highest_);
  }
  started_ = started_ || had_it;
  acknowledged_ = std::max(acknowledged_, ack.received);
  sent_ = std::max(sent_, acknowledged_);
  if (acknowledged_ == size_) done_ = at_end_ = true;
  return absl::OkStatus();
}

void ChunkSender::Rewind() {
  sent_ = acknowledged_;
  at_end_ = done_;
}

absl::StatusOr<std::optional<BulkChunk>> ChunkSender::Next() {
  if (!started_ || at_end_ || sent_ - acknowledged_ >= kBulkWindowChunks * kBulkChunkBytes) return std::nullopt;
  const std::uint64_t length = std::min(kBulkChunkBytes, size_ - sent_);
  BulkChunk chunk{.transfer = transfer_, .size = size_, .offset = sent_, .checksum = 0, .bytes = {}};
  if (length > 0) {
    MILLRACE_ASSIGN_OR_RETURN(chunk.bytes, source_(sent_, length));
    if (chunk.bytes.size() != length) {
      return Error(absl::StatusCode::kDataLoss, "the content ends at byte %d of %d", sent_ + chunk.bytes.size(), size_);
    }
  }
  chunk.checksum = ChunkChecksum(chunk.offset, chunk.bytes.view());
  sent_ += length;
  at_end_ = sent_ == size_;
  highest_ = std::max(highest_, sent_);
  return chunk;
}

ChunkReceiver::ChunkReceiver(std::uint64_t transfer, const Digest& digest, std::uint64_t max_size, Sink sink)
    : transfer_(transfer), digest_(digest), max_size_(max_size), sink_(std::move(sink)) {}

absl::Status ChunkReceiver::Resume(std::string_view kept) {
  if (size_.has_value()) return FailedPrecondition("a transfer is resumed before its first chunk");
  if (kept.size() > max_size_ - received_) {
    return ResourceExhausted("%d bytes were kept of a content that may have %d", received_ + kept.size(), max_size_);
  }
  hasher_.Add(kept);
  received_ += kept.size();
  return absl::OkStatus();
}

BulkRequest ChunkReceiver::Request() {
  asked_at_.reset();
  return {.transfer = transfer_, .digest = digest_, .offset = received_};
}

BulkRequest ChunkReceiver::Ask() {
  asked_at_ = received_;
  return {.transfer = transfer_, .digest = digest_, .offset = received_};
}

ChunkReceiver::Reply ChunkReceiver::AskForMissing() {
  // What is under way after a missing chunk would make a request each, and each request a whole window again.
  if (asked_at_ == received_) return std::monostate{};
  return Ask();
}

absl::Status ChunkReceiver::CheckShape(const BulkChunk& chunk) {
  if (chunk.transfer != transfer_) {
    return InvalidArgument("a chunk of transfer %d came to transfer %d", chunk.transfer, transfer_);
  }
  if (chunk.size > max_size_) {
    return ResourceExhausted("the content has %d bytes, and %d are allowed", chunk.size, max_size_);
  }
  if (size_.has_value() && *size_ != chunk.size) {
    return InvalidArgument("the content had %d bytes, and now has %d", *size_, chunk.size);
  }
  if (chunk.size < received_) {
    return Error(absl::StatusCode::kDataLoss, "%d bytes were kept of a content that has %d", received_, chunk.size);
  }
  const std::uint64_t length = chunk.bytes.size();
  if (length > kBulkChunkBytes || (length == 0 && chunk.offset != chunk.size) || chunk.offset > chunk.size ||
      length > chunk.size - chunk.offset) {
    return InvalidArgument("a chunk has %d bytes at %d of %d; from 1 to %d are allowed, inside the content", length,
                           chunk.offset, chunk.size, kBulkChunkBytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<ChunkReceiver::Reply> ChunkReceiver::OnChunk(const BulkChunk& chunk) {
  if (failed_) return FailedPrecondition("transfer %d has failed already", transfer_);
  if (const absl::Status shape = CheckShape(chunk); !shape.ok()) {
    failed_ = true;
    return shape;
  }
  if (done_) return BulkAck{.transfer = transfer_, .received = received_};
  if (chunk.checksum != ChunkChecksum(chunk.offset, chunk.bytes.view())) {
    if (++damaged_ >= kMostDamagedInARow) {
      failed_ = true;
      return Error(absl::StatusCode::kDataLoss, "%d chunks in a row arrived damaged, the last at byte %d", damaged_,
                   chunk.offset);
    }
    // Asked for again even if it was asked for before: this is that answer.
    if (chunk.offset == received_) return Ask();
    return AskForMissing();
  }
  if (chunk.offset < received_) return BulkAck{.transfer = transfer_, .received = received_};
  if (chunk.offset > received_) return AskForMissing();
  size_ = chunk.size;
  damaged_ = 0;
  hasher_.Add(chunk.bytes.view());
  if (!chunk.bytes.empty()) {
    if (absl::Status kept = sink_(chunk.bytes.view()); !kept.ok()) {
      failed_ = true;
      return kept;
    }
  }
  received_ += chunk.bytes.size();
  asked_at_.reset();
  if (received_ < chunk.size) return BulkAck{.transfer = transfer_, .received = received_};
  if (const Digest found = hasher_.Finish(); found != digest_) {
    failed_ = true;
    return Error(absl::StatusCode::kDataLoss, "the content that arrived is %s, and %s was asked for", found.Hex(),
                 digest_.Hex());
  }
  done_ = true;
  return BulkAck{.transfer = transfer_, .received = received_};
}

}  // namespace millrace::net
