// SPDX-License-Identifier: Apache-2.0
// The bulk plane: a message as anybody may send it, a receiver that is sent chunks lost, doubled, cut, damaged and made
// up, and a sender that is asked and told anything.
#include "millrace/net/bulk.h"

#include <algorithm>

#include "millrace/wire/codec.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

constexpr std::uint64_t kTransfer = 7;

void Message(const Bytes& input) {
  fuzz::RequireRoundTrip(
      input, [](const Bytes& bytes) { return wire::Decode<net::BulkMessage, wire::Layout::kPositional>(bytes); },
      [](const net::BulkMessage& message) { return wire::Encode<wire::Layout::kPositional>(message); });
}

net::BulkChunk ChunkOf(std::string_view content, std::size_t offset, std::size_t length) {
  offset = std::min(offset, content.size());
  net::BulkChunk chunk{.transfer = kTransfer, .size = content.size(), .offset = offset, .checksum = 0, .bytes = {}};
  chunk.bytes = Bytes::Copy(content.substr(offset, length));
  chunk.checksum = net::ChunkChecksum(chunk.offset, chunk.bytes.view());
  return chunk;
}

// Until the receiver has it all, or has found out that something is wrong.
void Receive(fuzz::Choices choices) {
  const std::string content(choices.Take(choices.Byte()));
  std::string kept;
  net::ChunkReceiver receiver(kTransfer, Sha256(content), content.size() + 16, [&](std::string_view bytes) {
    kept += bytes;
    return absl::OkStatus();
  });
  if (choices.OneIn(4)) {
    kept = content.substr(0, choices.Below(content.size() + 1));
    fuzz::Require(receiver.Resume(kept), "what was kept of it cannot be resumed");
  }
  bool lied = false;  // a chunk was made up, and nothing in it shows that
  bool failed = false;
  for (int i = 0; i < 64 && !choices.empty() && !failed; ++i) {
    const std::size_t offset = choices.OneIn(3) ? choices.Below(content.size() + 1) : receiver.received();
    net::BulkChunk chunk = ChunkOf(content, offset, 1 + choices.Below(32));
    switch (choices.Below(8)) {
      case 0: chunk.checksum ^= std::uint64_t{1} << choices.Below(64); break;
      case 1: chunk.bytes = Bytes::Copy(choices.Take(choices.Below(32))); break;
      case 2: chunk.offset = choices.Number(); break;
      case 3:
        chunk.size = choices.Number();
        lied = true;
        break;
      case 4:
        chunk.bytes = Bytes::Copy(choices.Take(1 + choices.Below(8)));
        chunk.checksum = net::ChunkChecksum(chunk.offset, chunk.bytes.view());
        lied = true;
        break;
      case 5: static_cast<void>(receiver.Request()); break;
      default: break;
    }
    const auto reply = receiver.OnChunk(chunk);
    failed = !reply.ok();
    fuzz::Require(receiver.received() == kept.size(), "what is acknowledged is not what was kept");
    fuzz::Require(kept.size() <= content.size() + 16, "more was kept than may be");
    fuzz::Require(lied || content.compare(0, kept.size(), kept) == 0, "a damaged chunk was kept");
    fuzz::Require(!receiver.done() || kept == content, "another content counts as received");
  }
  if (failed || lied) return;
  for (std::size_t round = 0; !receiver.done(); ++round) {
    fuzz::Require(round <= content.size(), "a transfer does not come to its end");
    fuzz::Require(receiver.OnChunk(ChunkOf(content, receiver.received(), 64)).status(), "an honest chunk is refused");
  }
  fuzz::Require(kept == content, "another content arrived");
}

// Whatever it hears, it sends what was asked for, in order, and not further than the window.
void Send(fuzz::Choices choices) {
  constexpr std::uint64_t kWindow = net::kBulkWindowChunks * net::kBulkChunkBytes;
  static const Bytes kPage(std::string(net::kBulkChunkBytes, 'x'));
  const bool large = choices.OneIn(64);
  const std::uint64_t size = large ? choices.Number() % (6 * net::kBulkChunkBytes) : choices.Byte();
  const bool breaks = choices.OneIn(4);
  net::ChunkSender sender(kTransfer, size, [&](std::uint64_t, std::uint64_t length) -> absl::StatusOr<Bytes> {
    if (breaks && choices.OneIn(2)) return kPage.Slice(0, length / 2);
    return kPage.Slice(0, length);
  });
  // Of large ones, checksums take nearly all the time: fewer events, and of each only the first chunk's is made again.
  for (int i = 0; i < (large ? 4 : 16) && !choices.empty(); ++i) {
    const std::uint64_t place = choices.OneIn(4) ? choices.Number() : choices.Byte();
    switch (choices.Below(4)) {
      case 0: static_cast<void>(sender.OnRequest({.transfer = kTransfer, .digest = {}, .offset = place})); break;
      case 1: static_cast<void>(sender.OnAck({.transfer = kTransfer, .received = place})); break;
      case 2: sender.Rewind(); break;
      default: break;
    }
    fuzz::Require(sender.acknowledged() <= size, "more is acknowledged than there is");
    for (std::uint64_t chunks = 0;; ++chunks) {
      fuzz::Require(chunks <= net::kBulkWindowChunks + 1, "it sends and sends");
      const auto chunk = sender.Next();
      if (!chunk.ok() || !chunk->has_value()) break;
      const net::BulkChunk& sent = **chunk;
      fuzz::Require(sent.offset + sent.bytes.size() <= size, "a chunk lies beyond the content");
      fuzz::Require(sent.offset + sent.bytes.size() <= sender.acknowledged() + kWindow + net::kBulkChunkBytes,
                    "a chunk lies beyond the window");
      if (large && chunks > 0) continue;
      fuzz::Require(sent.checksum == net::ChunkChecksum(sent.offset, sent.bytes.view()), "a checksum is wrong");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Message(Bytes::Copy(fuzz::TextOf(data, size)));
  Receive(fuzz::Choices(data, size));
  Send(fuzz::Choices(data, size));
  return 0;
}
