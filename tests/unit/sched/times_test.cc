// SPDX-License-Identifier: Apache-2.0
// When things began and ended, told by the wall clock in records: the same after a restart as before it.
#include <gtest/gtest.h>

#include "gmock/gmock.h"
#include "rig.h"

namespace millrace::sched {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kUnixAtZero = 1'700'000'000'000;  // ms

Config WithWallClock() {
  Config config = TestConfig();
  config.unix_at_zero = milliseconds(kUnixAtZero);
  return config;
}

// `bad` fails once and is tried again, `good` needs it; both say that they have started.
struct Story {
  Rig rig{WithWallClock()};
  Story() {
    rig.Join("w1");
    rig.Submit(Job().Task("bad", "", {.retries = 1, .backoff = seconds(1)}).Task("good", "bad").spec);
    rig.AdvanceBeating(seconds(2));
    rig.Started("w1", "bad");
    rig.AdvanceBeating(seconds(3));
    rig.Fail("w1", "bad");
    rig.AdvanceBeating(seconds(5));
    rig.Started("w1", "bad");
    rig.AdvanceBeating(seconds(4));
    rig.Succeed("w1", "bad");
  }
};

template <class R>
std::vector<R> RecordsOf(const Rig& rig) {
  std::vector<R> found;
  for (const Record& record : rig.journal) {
    if (const R* body = std::get_if<R>(&record)) found.push_back(*body);
  }
  return found;
}

TEST(TimesTest, EveryEndAndEveryAssignmentSaysWhenItWas) {
  Story story;
  story.rig.Succeed("w1", "good");
  const std::int64_t submitted = kUnixAtZero + 1'000'000;
  EXPECT_EQ(RecordsOf<RunAccepted>(story.rig).at(0).submitted_unix_ms, submitted);
  EXPECT_EQ(RecordsOf<TaskAssigned>(story.rig).at(0).assigned_unix_ms, submitted);
  const AttemptEnded attempt = RecordsOf<AttemptEnded>(story.rig).at(0);
  EXPECT_EQ(attempt.started_unix_ms, submitted + 2000);
  EXPECT_EQ(attempt.ended_unix_ms, submitted + 5000);
  EXPECT_EQ(attempt.message, "exit code 1");
  const auto ends = RecordsOf<TaskEnded>(story.rig);
  EXPECT_EQ(ends.at(0).started_unix_ms, submitted + 10'000);
  EXPECT_EQ(ends.at(0).ended_unix_ms, submitted + 14'000);
  EXPECT_EQ(ends.at(1).started_unix_ms, submitted + 14'000);  // nobody said so: not before it was handed out
  EXPECT_EQ(RecordsOf<RunEnded>(story.rig).at(0).ended_unix_ms, submitted + 14'000);
}

TEST(TimesTest, WhatHasEndedHasTheSameTimesWorkerAndTriesAfterARestart) {
  Story story;
  const TaskView before = story.rig.Task("bad");
  story.rig.AdvanceBeating(minutes(7));
  story.rig.Restart();
  const TaskView after = story.rig.Task("bad");
  EXPECT_EQ(after.started, seconds(10));
  EXPECT_EQ(after.ended, seconds(14));
  EXPECT_EQ(after.started, before.started);
  EXPECT_EQ(after.ended, before.ended);
  EXPECT_EQ(after.execution, before.execution);
  EXPECT_EQ(after.worker, "w1");
  EXPECT_EQ(after.try_number, 2u);
  EXPECT_EQ(story.rig.Task("good").ended, Duration(-1));
}

TEST(TimesTest, TheElapsedTimeOfAnEndedRunDoesNotGrowWithARestart) {
  Story story;
  story.rig.Succeed("w1", "good");
  EXPECT_EQ(story.rig.Run().elapsed, seconds(14));
  story.rig.Advance(hours(2));
  story.rig.Restart();
  EXPECT_EQ(story.rig.Run().elapsed, seconds(14));
  EXPECT_EQ(story.rig.Run().state, RunState::kSucceeded);
}

TEST(TimesTest, RetentionCountsFromTheTrueEnd) {
  Story story;
  story.rig.Succeed("w1", "good");
  story.rig.Advance(hours(23));
  story.rig.Restart();
  EXPECT_EQ(story.rig.Ask(QueryKind::kRun).code, 0);
  story.rig.Advance(minutes(61));
  EXPECT_NE(story.rig.Ask(QueryKind::kRun).code, 0);
  story.rig.Restart();
  EXPECT_NE(story.rig.Ask(QueryKind::kRun).code, 0) << "a restart gives it no second life";
}

// The broker cannot have been gone before the run came, and nothing lasts less than nothing.
TEST(TimesTest, AClockThatWasSetBackGivesNoNegativeTimes) {
  Story story;
  story.rig.config.unix_at_zero -= hours(1);
  story.rig.Restart();
  story.rig.Join("w1", {.first_report = 3});
  story.rig.AdvanceBeating(minutes(1));
  ASSERT_TRUE(story.rig.AttemptOf("w1", "good").valid());
  story.rig.Started("w1", "good");
  story.rig.workers.at("w1").reports = 2;
  story.rig.Succeed("w1", "good");
  EXPECT_EQ(story.rig.Task("bad").ended, seconds(14));
  EXPECT_GE(story.rig.Task("good").started, Duration::zero());
  EXPECT_GE(story.rig.Task("good").ended, Duration::zero());
  EXPECT_GE(story.rig.Run().elapsed, Duration::zero());
  EXPECT_EQ(story.rig.Run().state, RunState::kSucceeded);
}

TEST(TimesTest, AnAttemptOfBeforeTheRestartIsNotOlderThanItIs) {
  Story story;
  const AttemptId held = story.rig.AttemptOf("w1", "good");
  story.rig.Advance(seconds(5));
  story.rig.Restart();
  story.rig.Join("w1", {.held = {{.attempt = held}}, .first_report = 3});
  EXPECT_THAT(story.rig.Why("good"), HasSubstr("since 5.0s"));
}

// What the first release wrote has none of these times; the runs in it are there all the same.
TEST(TimesTest, AJournalWithoutTimesStillReplays) {
  Story story;
  story.rig.Succeed("w1", "good");
  for (Record& record : story.rig.journal) {
    std::visit(
        [](auto& body) {
          if constexpr (requires { body.assigned_unix_ms; }) body.assigned_unix_ms = 0;
          if constexpr (requires { body.started_unix_ms; }) body.started_unix_ms = 0;
          if constexpr (requires { body.ended_unix_ms; }) body.ended_unix_ms = 0;
        },
        record);
  }
  story.rig.Advance(minutes(1));
  story.rig.Restart();
  EXPECT_EQ(story.rig.Run().state, RunState::kSucceeded);
  EXPECT_EQ(story.rig.Task("bad").started, Duration(-1));
  EXPECT_EQ(story.rig.Task("bad").ended, Duration(-1));
  EXPECT_EQ(story.rig.Run().elapsed, seconds(14) + minutes(1));  // until now, since nothing tells more
}

}  // namespace
}  // namespace millrace::sched
