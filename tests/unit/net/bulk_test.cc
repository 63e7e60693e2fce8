// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/bulk.h"

#include <deque>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"

namespace millrace::net {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kTransfer = 7;
constexpr std::uint64_t kMiB = kBulkChunkBytes;

std::string SomeContent(std::uint64_t size) {
  Random random(size + 1);
  std::string text(size, '\0');
  for (std::size_t i = 0; i < text.size(); i += 8) {
    const std::uint64_t word = random.Next();
    for (std::size_t j = i; j < std::min(text.size(), i + 8); ++j) text[j] = static_cast<char>(word >> (8 * (j - i)));
  }
  return text;
}

// Both sides and what is under way between them.
struct Transfer {
  std::string content;
  std::string arrived;
  ChunkSender sender;
  ChunkReceiver receiver;
  std::deque<BulkChunk> chunks;
  std::uint64_t sent_bytes = 0;
  absl::Status failure;

  explicit Transfer(std::uint64_t size, std::uint64_t max_size = 100 * kMiB)
      : content(SomeContent(size)),
        sender(kTransfer, Bytes(content)),
        receiver(kTransfer, Sha256(content), max_size, [this](std::string_view bytes) {
          arrived.append(bytes);
          return absl::OkStatus();
        }) {}

  void Pump() {
    while (true) {
      auto chunk = sender.Next();
      ASSERT_TRUE(chunk.ok()) << chunk.status();
      if (!chunk->has_value()) return;
      sent_bytes += (*chunk)->bytes.size();
      chunks.push_back(*std::move(*chunk));
      EXPECT_LE(chunks.size(), 3 * kBulkWindowChunks);
    }
  }
  void Ask() { ASSERT_TRUE(sender.OnRequest(receiver.Request()).ok()); }
  bool Deliver(const BulkChunk& chunk) {
    const auto reply = receiver.OnChunk(chunk);
    if (!reply.ok()) {
      failure = reply.status();
      return false;
    }
    if (const auto* ack = std::get_if<BulkAck>(&*reply)) {
      EXPECT_TRUE(sender.OnAck(*ack).ok());
    }
    if (const auto* request = std::get_if<BulkRequest>(&*reply)) {
      EXPECT_TRUE(sender.OnRequest(*request).ok());
    }
    return true;
  }
  bool DeliverNext() {
    const BulkChunk chunk = chunks.front();
    chunks.pop_front();
    return Deliver(chunk);
  }
  void Run() {
    Ask();
    Pump();
    while (!chunks.empty()) {
      ASSERT_TRUE(DeliverNext()) << failure;
      Pump();
    }
  }
};

TEST(BulkTest, ContentsOfEverySizeArriveWhole) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, kMiB - 1, kMiB, kMiB + 1, 9 * kMiB + 17}) {
    Transfer transfer(size);
    transfer.Run();
    EXPECT_TRUE(transfer.receiver.done()) << size;
    EXPECT_TRUE(transfer.sender.done()) << size;
    EXPECT_TRUE(transfer.arrived == transfer.content) << size;
    EXPECT_EQ(transfer.sent_bytes, size);
  }
}

TEST(BulkTest, NothingIsSentUnaskedAndNoMoreThanAWindowUnacknowledged) {
  Transfer transfer(20 * kMiB);
  transfer.Pump();
  EXPECT_TRUE(transfer.chunks.empty());
  transfer.Ask();
  transfer.Pump();
  EXPECT_EQ(transfer.chunks.size(), kBulkWindowChunks);
  ASSERT_TRUE(transfer.DeliverNext());
  transfer.Pump();
  EXPECT_EQ(transfer.chunks.size(), kBulkWindowChunks);
}

TEST(BulkTest, AMissingChunkIsAskedForOnce) {
  for (const int missing : {0, 1, 3}) {
    Transfer transfer(10 * kMiB);
    transfer.Ask();
    transfer.Pump();
    transfer.chunks.erase(transfer.chunks.begin() + missing);
    while (!transfer.chunks.empty()) {
      ASSERT_TRUE(transfer.DeliverNext()) << transfer.failure;
      transfer.Pump();
    }
    EXPECT_TRUE(transfer.receiver.done()) << missing;
    EXPECT_TRUE(transfer.arrived == transfer.content);
    EXPECT_LE(transfer.sent_bytes, 15 * kMiB);
  }
}

TEST(BulkTest, ALostTailIsAskedForByTheNextRequest) {
  Transfer transfer(3 * kMiB);
  transfer.Ask();
  transfer.Pump();
  transfer.chunks.pop_back();
  while (!transfer.chunks.empty()) ASSERT_TRUE(transfer.DeliverNext());
  EXPECT_FALSE(transfer.receiver.done());
  EXPECT_FALSE(transfer.sender.done());
  transfer.Run();  // as after a time without progress
  EXPECT_TRUE(transfer.receiver.done());
  EXPECT_EQ(transfer.sent_bytes, 4 * kMiB);
}

TEST(BulkTest, DoubledReorderedAndDamagedChunksDoNoHarm) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    Transfer transfer(7 * kMiB + seed);
    for (int round = 0; round < 2000 && !transfer.receiver.done(); ++round) {
      if (transfer.chunks.empty()) transfer.Ask();
      transfer.Pump();
      const std::size_t which = random.Below(4) == 0 ? random.Below(transfer.chunks.size()) : 0;
      BulkChunk chunk = transfer.chunks[which];
      transfer.chunks.erase(transfer.chunks.begin() + static_cast<std::ptrdiff_t>(which));
      switch (random.Below(10)) {
        case 0: continue;  // lost
        case 1: {          // damaged
          std::string bytes = chunk.bytes.str();
          if (!bytes.empty()) bytes[random.Below(bytes.size())] ^= 1;
          chunk.bytes = Bytes(std::move(bytes));
          break;
        }
        case 2: ASSERT_TRUE(transfer.Deliver(chunk)) << transfer.failure; break;  // doubled
        default: break;
      }
      ASSERT_TRUE(transfer.Deliver(chunk)) << transfer.failure << " seed " << seed;
      while (transfer.chunks.size() > 8) transfer.chunks.pop_back();
    }
    EXPECT_TRUE(transfer.receiver.done()) << "seed " << seed;
    EXPECT_TRUE(transfer.arrived == transfer.content) << "seed " << seed;
  }
}

TEST(BulkTest, DamageThatDoesNotEndIsAnError) {
  Transfer transfer(kMiB);
  transfer.Ask();
  int tries = 0;
  while (transfer.failure.ok() && tries < 100) {
    transfer.Pump();
    ASSERT_FALSE(transfer.chunks.empty());
    transfer.chunks.front().checksum ^= 1;
    ++tries;
    transfer.DeliverNext();
  }
  EXPECT_EQ(tries, 8);
  EXPECT_EQ(transfer.failure.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(transfer.arrived.empty());
}

TEST(BulkTest, AnotherContentThanTheOneAskedForIsRefusedAtTheEnd) {
  Transfer transfer(2 * kMiB);
  ChunkReceiver receiver(kTransfer, Sha256("something else"), 100 * kMiB,
                         [](std::string_view) { return absl::OkStatus(); });
  ASSERT_TRUE(transfer.sender.OnRequest(receiver.Request()).ok());
  transfer.Pump();
  EXPECT_TRUE(receiver.OnChunk(transfer.chunks[0]).ok());
  const auto end = receiver.OnChunk(transfer.chunks[1]);
  EXPECT_EQ(end.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(TextOf(end.status()), HasSubstr(Sha256("something else").Hex()));
  EXPECT_FALSE(receiver.done());
  EXPECT_EQ(receiver.OnChunk(transfer.chunks[1]).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(BulkTest, TooLargeContentIsRefusedBeforeAByteIsKept) {
  Transfer transfer(3 * kMiB, 2 * kMiB);
  transfer.Ask();
  transfer.Pump();
  EXPECT_FALSE(transfer.DeliverNext());
  EXPECT_EQ(transfer.failure.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(TextOf(transfer.failure), HasSubstr(std::to_string(3 * kMiB)));
  EXPECT_THAT(TextOf(transfer.failure), HasSubstr(std::to_string(2 * kMiB)));
  EXPECT_TRUE(transfer.arrived.empty());
}

TEST(BulkTest, ChunksThatMakeNoSenseAreRefused) {
  const auto refuse = [](auto change) {
    Transfer transfer(2 * kMiB);
    transfer.Ask();
    transfer.Pump();
    EXPECT_TRUE(transfer.DeliverNext());
    BulkChunk chunk = transfer.chunks.front();
    change(chunk);
    chunk.checksum = ChunkChecksum(chunk.offset, chunk.bytes.view());
    EXPECT_FALSE(transfer.Deliver(chunk));
    EXPECT_EQ(transfer.arrived.size(), kMiB);
    return transfer.failure.code();
  };
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(refuse([](BulkChunk& c) { c.transfer = 8; }), invalid);
  EXPECT_EQ(refuse([](BulkChunk& c) { c.size += 1; }), invalid);
  EXPECT_EQ(refuse([](BulkChunk& c) { c.offset = 2 * kMiB + 1; }), invalid);
  EXPECT_EQ(refuse([](BulkChunk& c) { c.offset = ~std::uint64_t{0}; }), invalid);
  EXPECT_EQ(refuse([](BulkChunk& c) { c.offset = kMiB + 1; }), invalid);
  EXPECT_EQ(refuse([](BulkChunk& c) { c.bytes = {}; }), invalid);
  EXPECT_EQ(refuse([](BulkChunk& c) { c.bytes = Bytes(std::string(kMiB + 1, 'x')); }), invalid);
}

TEST(BulkTest, RequestsAndAcknowledgementsThatMakeNoSenseAreRefused) {
  Transfer transfer(8 * kMiB);
  const auto out_of_range = absl::StatusCode::kOutOfRange;
  EXPECT_EQ(transfer.sender.OnRequest({.transfer = kTransfer, .digest = {}, .offset = 8 * kMiB + 1}).code(),
            out_of_range);
  EXPECT_EQ(transfer.sender.OnAck({.transfer = kTransfer, .received = 1}).code(), out_of_range);
  transfer.Ask();
  transfer.Pump();
  EXPECT_EQ(transfer.sender.OnAck({.transfer = kTransfer, .received = 4 * kMiB + 1}).code(), out_of_range);
  EXPECT_EQ(transfer.sender.OnAck({.transfer = kTransfer, .received = 8 * kMiB}).code(), out_of_range);
  EXPECT_TRUE(transfer.sender.OnAck({.transfer = kTransfer, .received = 4 * kMiB}).ok());
  EXPECT_TRUE(transfer.sender.OnAck({.transfer = kTransfer, .received = kMiB}).ok());
  EXPECT_EQ(transfer.sender.acknowledged(), 4 * kMiB);
}

TEST(BulkTest, AnOfferOfWhatIsThereAlreadyIsDoneAtOnce) {
  Transfer transfer(8 * kMiB);
  EXPECT_TRUE(transfer.sender.OnAck({.transfer = kTransfer, .received = 8 * kMiB}).ok());
  EXPECT_TRUE(transfer.sender.done());
  transfer.Pump();
  EXPECT_TRUE(transfer.chunks.empty());
}

TEST(BulkTest, ATransferGoesOnWhereItsConnectionWasLost) {
  Transfer transfer(10 * kMiB);
  transfer.Ask();
  transfer.Pump();
  ASSERT_TRUE(transfer.DeliverNext());
  ASSERT_TRUE(transfer.DeliverNext());
  transfer.chunks.clear();
  transfer.Run();
  EXPECT_TRUE(transfer.receiver.done());
  EXPECT_EQ(transfer.sent_bytes, 12 * kMiB);  // the two that were under way
}

TEST(BulkTest, AnotherReceiverGoesOnWithWhatTheFirstHasKept) {
  for (const std::uint64_t kept : {std::uint64_t{0}, std::uint64_t{100}, 3 * kMiB, 5 * kMiB}) {
    Transfer transfer(5 * kMiB);
    transfer.arrived = transfer.content.substr(0, kept);
    ASSERT_TRUE(transfer.receiver.Resume(std::string_view(transfer.arrived).substr(0, kept / 2)).ok());
    ASSERT_TRUE(transfer.receiver.Resume(std::string_view(transfer.arrived).substr(kept / 2)).ok());
    transfer.Run();
    EXPECT_TRUE(transfer.receiver.done()) << kept;
    EXPECT_TRUE(transfer.sender.done()) << kept;
    EXPECT_TRUE(transfer.arrived == transfer.content) << kept;
    EXPECT_EQ(transfer.sent_bytes, 5 * kMiB - kept);
  }
}

TEST(BulkTest, TroubleOfTheSourceAndOfTheSinkIsHandedOn) {
  ChunkSender short_source(kTransfer, 2 * kMiB, [](std::uint64_t, std::uint64_t) { return Bytes::Copy("short"); });
  ASSERT_TRUE(short_source.OnRequest({.transfer = kTransfer, .digest = {}, .offset = 0}).ok());
  EXPECT_EQ(short_source.Next().status().code(), absl::StatusCode::kDataLoss);

  Transfer transfer(kMiB);
  ChunkReceiver full(kTransfer, Sha256(transfer.content), kMiB,
                     [](std::string_view) { return ResourceExhausted("the disk is full"); });
  ASSERT_TRUE(transfer.sender.OnRequest(full.Request()).ok());
  transfer.Pump();
  EXPECT_EQ(full.OnChunk(transfer.chunks.front()).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(BulkTest, WhatTheTransportRefusedIsSentAgain) {
  Transfer transfer(2 * kMiB);
  transfer.Ask();
  transfer.Pump();
  transfer.chunks.clear();
  transfer.sender.Rewind();
  transfer.Pump();
  while (!transfer.chunks.empty()) ASSERT_TRUE(transfer.DeliverNext());
  EXPECT_TRUE(transfer.sender.done());
}

}  // namespace
}  // namespace millrace::net
