// SPDX-License-Identifier: Apache-2.0
// The order of ready tasks, whatever the order in which they become ready.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "millrace/base/random.h"
#include "millrace/sched/capability.h"

namespace millrace::sched {
namespace {

ReadyEntry EntryOf(std::int32_t priority, std::uint64_t below, std::uint32_t task) {
  return {.priority = priority, .below = below, .key = {.run = 0, .task = task}};
}

std::vector<std::uint32_t> TasksOf(const std::vector<ReadyEntry>& entries) {
  std::vector<std::uint32_t> tasks;
  for (const ReadyEntry& entry : entries) tasks.push_back(entry.key.task);
  return tasks;
}

std::vector<ReadyEntry> PopAll(ReadyQueue& queue) {
  std::vector<ReadyEntry> popped;
  for (; !queue.Empty(); queue.Pop()) popped.push_back(queue.Top());
  return popped;
}

TEST(ReadyQueueTest, PriorityThenTheLongestPathBelowThenAge) {
  ReadyQueue queue;
  queue.Push(EntryOf(0, 1, 3));
  queue.Push(EntryOf(0, 1, 2));
  queue.Push(EntryOf(0, 7, 4));
  queue.Push(EntryOf(1, 0, 5));
  queue.Push(EntryOf(0, 1, 6));
  EXPECT_EQ(queue.size(), 5u);
  EXPECT_EQ(TasksOf(PopAll(queue)), (std::vector<std::uint32_t>{5, 4, 2, 3, 6}));
}

// In batches that are sorted, or not, among which some are popped: against a list that is sorted each time.
TEST(ReadyQueueTest, WhateverComesAndGoesTheFirstIsOnTop) {
  Random random(11);
  ReadyQueue queue;
  std::vector<ReadyEntry> expected;
  std::uint32_t task = 0;
  for (int round = 0; round < 300; ++round) {
    const std::uint64_t coming = random.Below(60);
    const bool in_order = random.Below(3) > 0;
    for (std::uint64_t i = 0; i < coming; ++i) {
      const ReadyEntry entry = in_order ? EntryOf(0, 5, task) : EntryOf(0, random.Below(10), task);
      ++task;
      queue.Push(entry);
      expected.push_back(entry);
    }
    std::sort(expected.begin(), expected.end(), GoesBefore);
    for (std::uint64_t going = random.Below(60); going > 0 && !queue.Empty(); --going) {
      ASSERT_EQ(queue.Top().key, expected.front().key);
      queue.Pop();
      expected.erase(expected.begin());
    }
    ASSERT_EQ(queue.size(), expected.size());
    ASSERT_TRUE(queue.CheckInvariants().ok());
  }
  EXPECT_EQ(TasksOf(PopAll(queue)), TasksOf(expected));
}

TEST(ReadyQueueTest, ALongLineIsPoppedToItsEndAndRefilled) {
  ReadyQueue queue;
  constexpr std::uint32_t kTasks = 20'000;
  for (std::uint32_t task = 0; task < kTasks; ++task) queue.Push(EntryOf(0, 0, task));
  for (std::uint32_t task = 0; task < kTasks; ++task) {
    ASSERT_EQ(queue.Top().key.task, task);
    queue.Pop();
    if (task % 2 == 0) queue.Push(EntryOf(0, 0, kTasks + task / 2));
  }
  EXPECT_EQ(queue.size(), kTasks / 2);
  EXPECT_EQ(queue.Top().key.task, kTasks);
}

TEST(ReadyQueueTest, ASweepLeavesTheLivingInTheirOrder) {
  ReadyQueue queue;
  for (const std::uint32_t task : {4u, 9u, 1u, 12u, 3u, 7u, 15u}) queue.Push(EntryOf(0, 0, task));
  queue.Pop();
  queue.Sweep([](const ReadyEntry& entry) { return entry.key.task % 3 != 0; });
  std::vector<std::uint32_t> seen;
  queue.ForEach([&](const ReadyEntry& entry) { seen.push_back(entry.key.task); });
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<std::uint32_t>{4, 7}));
  ASSERT_TRUE(queue.CheckInvariants().ok());
  EXPECT_EQ(TasksOf(PopAll(queue)), (std::vector<std::uint32_t>{4, 7}));
  queue.Push(EntryOf(0, 0, 2));
  queue.Clear();
  EXPECT_TRUE(queue.Empty());
}

}  // namespace
}  // namespace millrace::sched
