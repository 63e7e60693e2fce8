// SPDX-License-Identifier: Apache-2.0
// Short attempts of this process that are handed over behind each other, and what becomes of them when plans change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "millrace/agent/timing.h"
#include "tests/unit/agent/rig.h"

namespace millrace::agent {
namespace {

using std::chrono::microseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A worker with one slot, of which it is known that attempts take a microsecond there.
class Lane : public ::testing::Test {
 protected:
  Lane() : rig(OneSlot()) {
    rig.Attach();
    rig.GiveInProcess(1, seconds(10));
    rig.Finish(0, 1, Outcome::kSucceeded, microseconds(1));
    rig.Record(1);
    rig.Clear();
  }
  static Config OneSlot() {
    Config config = Rig::Defaults();
    config.offer.cpus = 1;
    return config;
  }
  void Give(std::uint64_t first, std::uint64_t last) {
    std::vector<Assignment> tasks;
    for (std::uint64_t attempt = first; attempt <= last; ++attempt) tasks.push_back(Rig::Task(attempt));
    Assign assign = rig.Work(std::move(tasks), seconds(10));
    assign.policies[0].isolation = Isolation::kInProcess;
    rig.Give(std::move(assign));
  }
  void NotStarted(std::uint64_t attempt) {
    SlotDone done;
    done.attempt = AttemptId{attempt};
    done.started = false;
    rig.Do(SlotSaid{.slot = 0, .message = std::move(done)});
  }
  std::vector<std::uint64_t> Withdrawn() const {
    std::vector<std::uint64_t> attempts;
    for (const Withdraw& withdraw : rig.All<Withdraw>()) attempts.push_back(withdraw.attempt.value);
    return attempts;
  }
  Rig rig;
};

TEST_F(Lane, ShortAttemptsAreHandedOverBehindEachOtherAndEndInTheirOrder) {
  Give(2, 5);
  EXPECT_THAT(rig.Started(), ElementsAre(2, 3, 4, 5));
  for (std::uint64_t attempt = 2; attempt <= 5; ++attempt) rig.Finish(0, attempt, Outcome::kSucceeded, microseconds(1));
  rig.Pass(milliseconds(1));
  ASSERT_THAT(rig.Reports(), SizeIs(4));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(rig.Reports()[i].attempt, AttemptId{i + 2});
}

TEST_F(Lane, WhatTakesLongDoesNotLineUp) {
  Give(2, 2);
  rig.Finish(0, 2, Outcome::kSucceeded, kLaneStall);
  rig.Clear();
  Give(3, 5);
  EXPECT_THAT(rig.Started(), ElementsAre(3));
}

TEST_F(Lane, OneThatHadToWaitForAProcessorDoesNotEndTheLiningUp) {
  Give(2, 2);
  rig.Finish(0, 2, Outcome::kSucceeded, kLaneStall / 2);
  rig.Clear();
  Give(3, 5);
  EXPECT_THAT(rig.Started(), ElementsAre(3, 4, 5));
}

// One that is not there is said at once, which must not be before the end of what runs.
TEST_F(Lane, WhatHasSecretsDoesNotLineUp) {
  Give(2, 2);
  Assign secret = rig.Work({Rig::Task(3)});
  secret.policies[0].isolation = Isolation::kInProcess;
  secret.policies[0].secrets = {{"TOKEN", "token"}};
  rig.Give(std::move(secret));
  EXPECT_THAT(rig.Started(), ElementsAre(2));
}

TEST_F(Lane, WhatIsIsolatedOrHasAMemoryLimitDoesNotLineUp) {
  Give(2, 2);
  rig.Give(rig.Work({Rig::Task(3)}));
  Assign limited = rig.Work({Rig::Task(4)});
  limited.policies[0].isolation = Isolation::kInProcess;
  limited.policies[0].memory_limit = 1 << 20;
  rig.Give(std::move(limited));
  EXPECT_THAT(rig.Started(), ElementsAre(2));
}

TEST_F(Lane, NothingOvertakesInALane) {
  Give(2, 2);
  rig.Give(rig.Work({Rig::Task(3)}));
  Give(4, 4);
  EXPECT_THAT(rig.Started(), ElementsAre(2));
}

TEST_F(Lane, AStalledLaneIsWithdrawnAndItsAttemptsRunInTheirOrder) {
  Give(2, 4);
  rig.Clear();
  rig.Pass(kLaneStall);
  EXPECT_THAT(Withdrawn(), ElementsAre(3, 4));
  NotStarted(3);
  NotStarted(4);
  EXPECT_THAT(rig.Reports(), IsEmpty());
  rig.Clear();
  rig.Finish(0, 2, Outcome::kSucceeded, kLaneStall);
  EXPECT_THAT(rig.Started(), ElementsAre(3));
}

TEST_F(Lane, A32_TakeBackReturnsWhatHasNotStartedAndReportsWhatHas) {
  Give(2, 4);
  rig.Give(TakeBack{.session = {}, .number = 0, .attempts = {AttemptId{3}, AttemptId{4}}});
  EXPECT_THAT(Withdrawn(), ElementsAre(3, 4));
  rig.Finish(0, 2, Outcome::kSucceeded, microseconds(1));
  rig.Finish(0, 3, Outcome::kSucceeded, microseconds(1));  // it had begun
  NotStarted(4);
  rig.Pass(milliseconds(1));
  ASSERT_THAT(rig.Reports(), SizeIs(3));
  EXPECT_EQ(rig.Reports()[1].kind, ReportKind::kFinished);
  EXPECT_EQ(rig.Reports()[2].attempt, AttemptId{4});
  EXPECT_EQ(rig.Reports()[2].kind, ReportKind::kReturned);
}

TEST_F(Lane, A20_ACancelReachesWhatIsLinedUpWhetherItHasBegunOrNot) {
  Give(2, 4);
  rig.Give(Cancel{.session = {}, .number = 0, .attempts = {AttemptId{3}, AttemptId{4}}});
  NotStarted(4);
  rig.Finish(0, 2, Outcome::kSucceeded, microseconds(1));
  EXPECT_THAT(rig.All<Terminate>(), SizeIs(1)) << "what has begun is asked to stop";
  rig.Finish(0, 3, Outcome::kCancelled, microseconds(1));
  rig.Pass(milliseconds(1));
  ASSERT_THAT(rig.Reports(), SizeIs(3));
  EXPECT_EQ(rig.Reports()[0].attempt, AttemptId{4});
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kCancelled);
  EXPECT_EQ(rig.Reports()[2].outcome, Outcome::kCancelled);
}

TEST_F(Lane, ADrainGivesBackWhatIsLinedUp) {
  Give(2, 4);
  rig.Give(Drain{.session = {}, .number = 0, .reason = "enough"});
  EXPECT_THAT(Withdrawn(), ElementsAre(3, 4));
  NotStarted(3);
  NotStarted(4);
  rig.Finish(0, 2, Outcome::kSucceeded, microseconds(1));
  ASSERT_THAT(rig.Reports(), SizeIs(3));
  EXPECT_EQ(rig.Reports()[0].kind, ReportKind::kReturned);
  EXPECT_EQ(rig.Reports()[2].kind, ReportKind::kFinished);
}

TEST_F(Lane, AHelloTellsOfWhatIsLinedUp) {
  Give(2, 3);
  rig.Clear();
  rig.Do(Disconnected{"cut"});
  rig.Do(Connected{});
  ASSERT_THAT(rig.Sent<Hello>(), SizeIs(1));
  ASSERT_THAT(rig.Sent<Hello>()[0].held, SizeIs(2));
  EXPECT_EQ(rig.Sent<Hello>()[0].held[1], (Held{.attempt = AttemptId{3}, .state = HeldState::kQueued}));
}

TEST_F(Lane, A10_ANewSessionThatDoesNotKeepItMakesItEndInSilence) {
  Give(2, 3);
  rig.Do(Disconnected{"cut"});
  rig.Do(Connected{});
  Welcome welcome = rig.Terms(2);
  welcome.keep = {AttemptId{2}};
  welcome.drop = {AttemptId{3}};
  rig.Greet(std::move(welcome));
  EXPECT_THAT(Withdrawn(), ElementsAre(3));
  NotStarted(3);
  rig.Finish(0, 2, Outcome::kSucceeded, microseconds(1));
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].attempt, AttemptId{2});
}

}  // namespace
}  // namespace millrace::agent
