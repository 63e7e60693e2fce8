// SPDX-License-Identifier: Apache-2.0
// The limits of addresses and transfers, each at its edge: exactly so much is accepted, and one more is refused with
// both numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/un.h>

#include "absl/strings/str_cat.h"
#include "millrace/base/status.h"
#include "millrace/net/bulk.h"
#include "millrace/net/endpoint.h"

namespace millrace::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(LimitsTest, A45_HostsOfAddresses) {
  EXPECT_TRUE(ParseOrchestratorUrl(absl::StrCat("tcp://", std::string(255, 'h'), ":1")).ok());
  EXPECT_THAT(TextOf(ParseOrchestratorUrl(absl::StrCat("tcp://", std::string(256, 'h'), ":1")).status()),
              HasSubstr("of 256 bytes is longer than the 255 allowed"));
}

TEST(LimitsTest, A45_PathsOfAddresses) {
  const std::size_t limit = sizeof(sockaddr_un{}.sun_path) - 1 - 5;  // the longest plane adds ".bulk"
  const auto longest = ParseOrchestratorUrl("ipc://" + std::string(limit, 'p'));
  ASSERT_TRUE(longest.ok()) << longest.status();
  EXPECT_EQ(PlaneEndpoint(*longest, Plane::kBulk)->path.size(), sizeof(sockaddr_un{}.sun_path) - 1);
  EXPECT_THAT(TextOf(ParseOrchestratorUrl("ipc://" + std::string(limit + 1, 'p')).status()),
              HasSubstr(absl::StrCat("has ", limit + 1, " bytes, and ", limit, " are the most")));
}

TEST(LimitsTest, A45_PortsOfAddresses) {
  EXPECT_TRUE(ParseOrchestratorUrl("tcp://host:65525").ok());
  EXPECT_THAT(TextOf(ParseOrchestratorUrl("tcp://host:65526").status()),
              AllOf(HasSubstr("65526"), HasSubstr("1 to 65525")));
  EXPECT_TRUE(MakeBindEndpoint("127.0.0.1", kHighestControlPort).ok());
  EXPECT_THAT(TextOf(MakeBindEndpoint("127.0.0.1", kHighestControlPort + 1).status()),
              AllOf(HasSubstr("65526"), HasSubstr("1 to 65525")));
}

// The first chunk of `size` bytes of a content that may have `limit`.
absl::Status TakeChunk(std::uint64_t size, std::uint64_t limit) {
  BulkChunk chunk{.transfer = 1, .size = size, .offset = 0, .bytes = Bytes(std::string(size, 'x'))};
  chunk.checksum = ChunkChecksum(0, chunk.bytes.view());
  ChunkReceiver receiver(1, Sha256(chunk.bytes.view()), limit, [](std::string_view) { return absl::OkStatus(); });
  receiver.Request();
  return receiver.OnChunk(chunk).status();
}

TEST(LimitsTest, A48_BytesOfAChunk) {
  EXPECT_TRUE(TakeChunk(kBulkChunkBytes, 8 * kBulkChunkBytes).ok());
  EXPECT_THAT(TextOf(TakeChunk(kBulkChunkBytes + 1, 8 * kBulkChunkBytes)),
              AllOf(HasSubstr("has 1048577 bytes"), HasSubstr("1 to 1048576 are allowed")));
}

TEST(LimitsTest, A48_BytesOfAContent) {
  EXPECT_TRUE(TakeChunk(1000, 1000).ok());
  EXPECT_THAT(TextOf(TakeChunk(1001, 1000)), HasSubstr("has 1001 bytes, and 1000 are allowed"));
}

}  // namespace
}  // namespace millrace::net
