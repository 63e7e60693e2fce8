// SPDX-License-Identifier: Apache-2.0
// The two sides of one bulk transfer, without any transport: messages in, messages out. What arrives may be lost,
// doubled, reordered, damaged or made up.
//
// Chunks are taken in order only (go back N): between two peers ZeroMQ keeps the order and loses nothing but the tail
// of a connection, so keeping chunks that came early would buy nothing. Each chunk has a checksum, which finds damage
// where it happened; the digest over everything decides whether the content is the one that was asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/base/digest.h"
#include "millrace/net/bulk_message.h"

namespace millrace::net {

std::uint64_t ChunkChecksum(std::uint64_t offset, std::string_view bytes);

class ChunkSender {
 public:
  // Reads `length` bytes at `offset` of the content; fewer are an error.
  using Source = std::function<absl::StatusOr<Bytes>(std::uint64_t offset, std::uint64_t length)>;

  ChunkSender(std::uint64_t transfer, std::uint64_t size, Source source);
  // The content in memory; its chunks share it.
  ChunkSender(std::uint64_t transfer, const Bytes& content);

  // Goes (back) to where the receiver is. OutOfRange beyond the end.
  absl::Status OnRequest(const BulkRequest& request);
  // OutOfRange for what was never sent. Old ones change nothing.
  absl::Status OnAck(const BulkAck& ack);
  // The next chunk, or nothing when the window is full, all is sent, or nothing was asked for yet. Call it until it is
  // empty, after each message. A chunk that the transport refused is sent again after Rewind().
  absl::StatusOr<std::optional<BulkChunk>> Next();
  void Rewind();

  bool done() const { return started_ && done_; }
  std::uint64_t acknowledged() const { return acknowledged_; }

 private:
  std::uint64_t transfer_;
  std::uint64_t size_;
  Source source_;
  bool started_ = false;
  bool at_end_ = false;  // the last chunk was sent; an empty content has one, too
  bool done_ = false;
  std::uint64_t sent_ = 0;     // everything before it was given to the transport
  std::uint64_t highest_ = 0;  // the same, before any going back
  std::uint64_t acknowledged_ = 0;
};

class ChunkReceiver {
 public:
  // Takes the content in order, without gaps. An error ends the transfer.
  using Sink = std::function<absl::Status(std::string_view bytes)>;
  using Reply = std::variant<std::monostate, BulkAck, BulkRequest>;

  // `max_size` is checked before the sink sees a byte.
  ChunkReceiver(std::uint64_t transfer, const Digest& digest, std::uint64_t max_size, Sink sink);

  // The part of the content that an earlier receiver's sink has kept, piece by piece, before anything else.
  absl::Status Resume(std::string_view kept);
  // What to send at the start, and again when received() stood still for a while or the connection was lost.
  BulkRequest Request();
  // Errors end the transfer, and are for the other side as well (BulkRefused): ResourceExhausted when the content is
  // too large, DataLoss when it is not the one asked for or keeps arriving damaged, InvalidArgument when the chunk
  // makes no sense, and the sink's own.
  absl::StatusOr<Reply> OnChunk(const BulkChunk& chunk);

  bool done() const { return done_; }  // and the digest is right
  std::uint64_t received() const { return received_; }

 private:
  absl::Status CheckShape(const BulkChunk& chunk);
  BulkRequest Ask();
  Reply AskForMissing();

  std::uint64_t transfer_;
  Digest digest_;
  std::uint64_t max_size_;
  Sink sink_;
  Hasher hasher_;
  std::optional<std::uint64_t> size_;
  std::uint64_t received_ = 0;
  std::optional<std::uint64_t> asked_at_;  // where the last request for something missing or damaged started
  int damaged_ = 0;                        // in a row
  bool done_ = false;
  bool failed_ = false;
};

}  // namespace millrace::net
