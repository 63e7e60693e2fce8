// SPDX-License-Identifier: Apache-2.0
// Bytes: payloads are shared, never copied, and slices cannot leave them.
#include "millrace/base/bytes.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace millrace {
namespace {

TEST(BytesTest, EmptyOwnsNothing) {
  EXPECT_TRUE(Bytes().empty());
  EXPECT_EQ(Bytes(std::string()).owner(), nullptr);
}

TEST(BytesTest, CopiesShareTheStorage) {
  const Bytes bytes(std::string(1000, 'x'));
  const Bytes copy = bytes;
  EXPECT_EQ(copy.data(), bytes.data());
  EXPECT_EQ(copy, bytes);
}

TEST(BytesTest, CopyLeavesTheSourceBehind) {
  std::string source = "payload";
  const Bytes bytes = Bytes::Copy(source);
  source[0] = 'P';
  EXPECT_EQ(bytes.view(), "payload");
}

TEST(BytesTest, KeepsZeroBytes) { EXPECT_EQ(Bytes(std::string("a\0b", 3)).str(), std::string("a\0b", 3)); }

TEST(BytesTest, SlicesShareTheStorageAndClamp) {
  const Bytes bytes(std::string("0123456789"));
  EXPECT_EQ(bytes.Slice(2, 3).view(), "234");
  EXPECT_EQ(bytes.Slice(2, 3).data(), bytes.data() + 2);
  EXPECT_EQ(bytes.Slice(8, 100).view(), "89");
  EXPECT_EQ(bytes.Slice(4, std::string::npos).view(), "456789");
  EXPECT_TRUE(bytes.Slice(10, 1).empty());
  EXPECT_TRUE(bytes.Slice(11, 1).empty());
}

TEST(BytesTest, ASliceKeepsTheOwnerAlive) {
  auto owner = std::make_shared<const std::string>("frame of a message");
  const std::weak_ptr<const std::string> watch = owner;
  Bytes slice = Bytes(owner, *owner).Slice(0, 5);
  owner.reset();
  ASSERT_FALSE(watch.expired());
  EXPECT_EQ(slice.view(), "frame");
  slice = Bytes();
  EXPECT_TRUE(watch.expired());
}

TEST(BytesTest, EqualityIsByContent) {
  EXPECT_EQ(Bytes::Copy("same"), Bytes::Copy("same"));
  EXPECT_FALSE(Bytes::Copy("same") == Bytes::Copy("sane"));
}

TEST(BytesTest, AnyThreadMayDropTheLastReference) {
  Bytes bytes(std::string(64, 'y'));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([copy = bytes]() mutable {
      EXPECT_EQ(copy.size(), 64U);
      copy = Bytes();
    });
  }
  bytes = Bytes();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace millrace
