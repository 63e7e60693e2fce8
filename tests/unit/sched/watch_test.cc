// SPDX-License-Identifier: Apache-2.0
// A submission whose sender waits for the end: what it hears, and when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class WatchTest : public testing::Test {
 protected:
  WatchTest() {
    rig_.Join("w1");
    Hello hello;
    hello.role = Role::kClient;
    rig_.Say(kPeer, hello);
  }
  void Submit(JobSpec job, std::uint64_t request = 5) {
    rig_.Say(kPeer,
             millrace::Submit{.request = request, .token = 9, .job = std::move(job), .job_digest = {}, .watch = true});
  }
  std::vector<Answer> Told() const { return rig_.Sent<Answer>(kPeer); }

  static constexpr PeerId kPeer{700};
  Rig rig_;
};

TEST_F(WatchTest, TheEndOfAQuickRunIsTheOnlyAnswerAndBringsItsResult) {
  Submit(Job().Task("a").spec);
  EXPECT_THAT(Told(), IsEmpty());
  rig_.Succeed("w1", "a", "result");
  rig_.Advance(seconds(1));
  ASSERT_THAT(Told(), SizeIs(1));
  const Answer answer = Told()[0];
  EXPECT_EQ(answer.request, 5u);
  EXPECT_TRUE(answer.run.valid());
  EXPECT_EQ(answer.runs.at(0).state, RunState::kSucceeded);
  EXPECT_EQ(answer.result.bytes, Bytes("result"));
}

TEST_F(WatchTest, AfterAMillisecondItIsToldThatTheRunWasTaken) {
  Submit(Job().Task("a").spec);
  rig_.Advance(milliseconds(1));
  ASSERT_THAT(Told(), SizeIs(1));
  EXPECT_EQ(Told()[0].request, 5u);
  EXPECT_TRUE(Told()[0].run.valid());
  EXPECT_THAT(Told()[0].runs, IsEmpty());
  rig_.Succeed("w1", "a", "result");
  ASSERT_THAT(Told(), SizeIs(2));
  EXPECT_EQ(Told()[1].request, 5u);
  EXPECT_EQ(Told()[1].runs.at(0).state, RunState::kSucceeded);
}

TEST_F(WatchTest, OfALargeResultComesItsSize) {
  Submit(Job().Task("a").spec);
  rig_.Succeed("w1", "a", std::string(4097, 'x'));
  ASSERT_THAT(Told(), SizeIs(1));
  EXPECT_EQ(Told()[0].result.size, 4097u);
  EXPECT_TRUE(Told()[0].result.bytes.empty());
}

TEST_F(WatchTest, OfSeveralTasksNoResultComes) {
  Submit(Job().Task("a").Task("b").spec);
  rig_.Succeed("w1", "a");
  rig_.Succeed("w1", "b");
  ASSERT_THAT(Told(), SizeIs(1));
  EXPECT_EQ(Told()[0].result, Payload{});
}

TEST_F(WatchTest, SaidAgainItIsTheSameRunAndAnsweredUnderTheNewNumber) {
  Submit(Job().Task("a").spec);
  Submit(Job().Task("a").spec, 6);
  ASSERT_THAT(Told(), SizeIs(1)) << "what was owed to the first one";
  EXPECT_EQ(Told()[0].request, 5u);
  rig_.Succeed("w1", "a");
  ASSERT_THAT(Told(), SizeIs(2));
  EXPECT_EQ(Told()[1].request, 6u);
  EXPECT_EQ(Told()[1].run, Told()[0].run);
  Submit(Job().Task("a").spec, 7);
  ASSERT_THAT(Told(), SizeIs(4)) << "it was taken, and has ended";
  EXPECT_THAT(Told()[2].runs, IsEmpty());
  EXPECT_EQ(Told()[3].runs.at(0).state, RunState::kSucceeded);
}

TEST_F(WatchTest, ARefusalComesAtOnce) {
  JobSpec job = Job().Task("a").spec;
  job.tasks[0].needs.push_back({.task = 0});
  Submit(std::move(job));
  ASSERT_THAT(Told(), SizeIs(1));
  EXPECT_NE(Told()[0].code, 0);
}

TEST_F(WatchTest, WhoGoesAwayIsOwedNothing) {
  Submit(Job().Task("a").spec);
  rig_.Step(PeerGone{.peer = kPeer});
  rig_.Advance(seconds(1));
  rig_.Succeed("w1", "a");
  EXPECT_THAT(Told(), IsEmpty());
}

}  // namespace
}  // namespace millrace::sched
