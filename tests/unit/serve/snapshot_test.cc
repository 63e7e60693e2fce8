// SPDX-License-Identifier: Apache-2.0
// The board between the broker's thread and the HTTP threads.
#include "millrace/serve/snapshot.h"

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

namespace millrace::serve {
namespace {

std::shared_ptr<const Snapshot> Numbered(std::int64_t number) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->unix_ms = number;
  snapshot->broker.version = std::to_string(number);
  return snapshot;
}

TEST(SnapshotBoardTest, ThereIsAlwaysOneToRead) {
  const SnapshotBoard board;
  ASSERT_NE(board.Latest(), nullptr);
  EXPECT_TRUE(board.Latest()->workers.empty());
}

TEST(SnapshotBoardTest, WhoReadsKeepsWhatIsReplacedMeanwhile) {
  SnapshotBoard board;
  board.Publish(Numbered(1));
  const auto first = board.Latest();
  board.Publish(Numbered(2));
  EXPECT_EQ(first->unix_ms, 1);
  EXPECT_EQ(board.Latest()->unix_ms, 2);
}

TEST(SnapshotBoardTest, ReadersSeeWholeSnapshotsInTheirOrder) {
  SnapshotBoard board;
  board.Publish(Numbered(0));
  std::atomic<bool> end = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      for (std::int64_t last = 0; !end;) {
        const auto snapshot = board.Latest();
        EXPECT_EQ(snapshot->broker.version, std::to_string(snapshot->unix_ms));
        EXPECT_GE(snapshot->unix_ms, last);
        last = snapshot->unix_ms;
      }
    });
  }
  for (std::int64_t number = 1; number <= 2000; ++number) board.Publish(Numbered(number));
  end = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(board.Latest()->unix_ms, 2000);
}

}  // namespace
}  // namespace millrace::serve
