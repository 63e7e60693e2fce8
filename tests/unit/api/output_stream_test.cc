// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/output_stream.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace {
namespace {

class OutputStreamTest : public ::testing::Test {
 protected:
  std::vector<SlotOutput> sent_;
  int woken_ = 0;
  OutputStream stream_{[this](SlotOutput chunk) { sent_.push_back(std::move(chunk)); }, [this] { ++woken_; }};
};

TEST_F(OutputStreamTest, SmallWritesAreGatheredAndWakeOnce) {
  for (int i = 0; i < 100; ++i) stream_.Write(AttemptId{1}, "x", false);
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(woken_, 1);
  stream_.Flush();
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(sent_[0].text, std::string(100, 'x'));
  stream_.Flush();
  EXPECT_EQ(sent_.size(), 1U) << "nothing is sent twice";
}

TEST_F(OutputStreamTest, WhatHasWaitedLongEnoughGoes) {
  stream_.Write(AttemptId{1}, "x", false);
  const auto now = OutputStream::Clock::now();
  const auto due = stream_.FlushIfDue(now);
  ASSERT_TRUE(due.has_value());
  EXPECT_LE(*due, now + OutputStream::kLongestWait);
  EXPECT_TRUE(sent_.empty());
  EXPECT_FALSE(stream_.FlushIfDue(*due).has_value());
  EXPECT_EQ(sent_.size(), 1U);
  EXPECT_FALSE(stream_.FlushIfDue(*due).has_value()) << "nothing waits any more";
}

TEST_F(OutputStreamTest, LargeWritesAreCutAndLoseNothing) {
  const std::string text(OutputStream::kLargestChunk * 2 + 10, 'y');
  stream_.Write(AttemptId{1}, text, false);
  stream_.Flush();
  ASSERT_EQ(sent_.size(), 3U);
  std::string all;
  for (const SlotOutput& chunk : sent_) {
    EXPECT_LE(chunk.text.size(), OutputStream::kLargestChunk);
    all += chunk.text;
  }
  EXPECT_EQ(all, text);
}

TEST_F(OutputStreamTest, StreamsAndAttemptsKeepTheirOrderAndStayApart) {
  stream_.Write(AttemptId{1}, "a", false);
  stream_.Write(AttemptId{1}, "b", true);
  stream_.Write(AttemptId{1}, "c", false);
  stream_.Write(AttemptId{2}, "d", false);
  stream_.Flush();
  ASSERT_EQ(sent_.size(), 4U);
  EXPECT_EQ(sent_[1], (SlotOutput{AttemptId{1}, true, "b"}));
  EXPECT_EQ(sent_[3], (SlotOutput{AttemptId{2}, false, "d"}));
}

}  // namespace
}  // namespace millrace
