// SPDX-License-Identifier: Apache-2.0
// Which reports are kept on disk, when they may go from there, and what a new process makes of those it finds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "millrace/agent/outbox.h"
#include "tests/unit/agent/rig.h"

namespace millrace::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

AttemptReport ReportOf(std::uint64_t attempt, const std::string& result = "") {
  AttemptReport report;
  report.attempt = AttemptId{attempt};
  report.outcome = Outcome::kSucceeded;
  report.result = {.bytes = Bytes(result), .digest = {}, .size = result.size()};
  return report;
}

Config WithDisk(std::vector<AttemptReport> restored = {}, std::uint64_t from = 0) {
  Config config = Rig::Defaults();
  config.keeps_outbox = true;
  config.restored = std::move(restored);
  config.restored_from = from;
  return config;
}

// The attempts whose reports were given to the disk, or taken from it, since the last Clear.
std::vector<std::uint64_t> Kept(const Rig& rig) {
  std::vector<std::uint64_t> attempts;
  for (const Keep& keep : rig.All<Keep>()) {
    for (const AttemptReport& report : keep.reports) attempts.push_back(report.attempt.value);
  }
  return attempts;
}
std::vector<std::uint64_t> Erased(const Rig& rig) {
  std::vector<std::uint64_t> attempts;
  for (const Erase& erase : rig.All<Erase>()) {
    for (const AttemptId attempt : erase.attempts) attempts.push_back(attempt.value);
  }
  return attempts;
}

TEST(Keeping, A07_WhatTookASecondIsKeptAtOnceAndWhatIsQuickIsNot) {
  Rig rig(WithDisk());
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1), Rig::Task(2)}));
  rig.Finish(0, 1, Outcome::kSucceeded, milliseconds(999));
  EXPECT_THAT(Kept(rig), IsEmpty());
  rig.Clear();
  rig.Finish(1, 2, Outcome::kFailed, seconds(1));
  EXPECT_THAT(Kept(rig), ElementsAre(2));
  EXPECT_THAT(rig.Reports(), SizeIs(1)) << "and told without waiting for the disk";
  rig.Record(2);
  EXPECT_THAT(Erased(rig), ElementsAre(2)) << "the first one never was there";
  rig.Clear();
  rig.PassAlive(minutes(1));
  EXPECT_THAT(Kept(rig), IsEmpty());
  EXPECT_THAT(Erased(rig), IsEmpty());
}

TEST(Keeping, A07_WhatWaitsForASecondIsKeptThenAndOnce) {
  Rig rig(WithDisk());
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1), Rig::Task(2)}));
  rig.Do(Disconnected{"gone"});
  rig.Clear();
  rig.Finish(0, 1);
  rig.Pass(milliseconds(500));
  rig.Finish(1, 2);
  rig.Pass(milliseconds(499));
  EXPECT_THAT(Kept(rig), IsEmpty());
  rig.Pass(milliseconds(1));
  EXPECT_THAT(Kept(rig), ElementsAre(1));
  rig.Pass(milliseconds(500));
  EXPECT_THAT(Kept(rig), ElementsAre(1, 2));
  rig.Pass(minutes(5));
  EXPECT_THAT(Kept(rig), ElementsAre(1, 2));
  EXPECT_THAT(Erased(rig), IsEmpty()) << "nobody has said that it is recorded";
}

TEST(Keeping, WhatIsKeptNamesItsBroker) {
  Rig rig(WithDisk());
  Welcome welcome = rig.Terms();
  welcome.broker = 4711;
  rig.Do(Connected{});
  rig.Greet(welcome);
  rig.GiveTask(1);
  rig.Finish(0, 1, Outcome::kSucceeded, seconds(2));
  ASSERT_THAT(rig.All<Keep>(), SizeIs(1));
  EXPECT_EQ(rig.All<Keep>()[0].broker, 4711u);
  rig.Do(Disconnected{"gone"});
  rig.Clear();
  rig.Do(Connected{});
  ASSERT_THAT(rig.Sent<Hello>(), SizeIs(1));
  EXPECT_EQ(rig.Sent<Hello>()[0].broker, 4711u);
}

TEST(Keeping, WithoutADiskNothingIsKept) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Do(Disconnected{"gone"});
  rig.Finish(0, 1, Outcome::kSucceeded, seconds(2));
  rig.Pass(minutes(1));
  rig.Do(StopAsked{StopKind::kNow});
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
  EXPECT_THAT(rig.All<Keep>(), IsEmpty());
  EXPECT_THAT(rig.All<Erase>(), IsEmpty());
}

TEST(Keeping, A07_AWorkerThatEndsKeepsWhatItCouldNotSay) {
  Rig rig(WithDisk());
  rig.Attach();
  rig.GiveTask(1);
  rig.Do(Disconnected{"gone"});
  rig.Clear();
  rig.Finish(0, 1);
  rig.Do(StopAsked{StopKind::kNow});
  EXPECT_THAT(Kept(rig), ElementsAre(1));
  ASSERT_THAT(rig.All<Exit>(), SizeIs(1));
}

TEST(Keeping, A09_ANewProcessSaysWhatItFoundAndForgetsItWhenItIsRecorded) {
  Rig rig(WithDisk({ReportOf(11, "eleven"), ReportOf(12)}, 4711));
  rig.Do(Connected{});
  ASSERT_THAT(rig.Sent<Hello>(), SizeIs(1));
  const Hello hello = rig.Sent<Hello>()[0];
  EXPECT_THAT(hello.held, ElementsAre(Held{.attempt = AttemptId{11}, .state = HeldState::kFinished},
                                      Held{.attempt = AttemptId{12}, .state = HeldState::kFinished}));
  EXPECT_EQ(hello.first_report, 1u);
  EXPECT_EQ(hello.broker, 4711u);
  EXPECT_FALSE(hello.session.valid());
  Welcome welcome = rig.Terms();
  welcome.broker = 4711;
  welcome.keep = {AttemptId{11}, AttemptId{12}};
  rig.Greet(welcome);
  ASSERT_THAT(rig.Reports(), SizeIs(2));
  EXPECT_EQ(rig.Sent<Report>()[0].first_number, 1u);
  EXPECT_EQ(rig.Reports()[0], ReportOf(11, "eleven"));
  rig.Record(1);
  EXPECT_THAT(Erased(rig), ElementsAre(11));
  rig.GiveTask(13);
  rig.Finish(0, 13);
  EXPECT_EQ(rig.Sent<Report>().back().first_number, 3u) << "those that were found are the first of this life";
  rig.Record(3);
  EXPECT_THAT(Erased(rig), ElementsAre(11, 12));
  EXPECT_THAT(Kept(rig), IsEmpty()) << "what was found there is not written again";
}

TEST(Keeping, WhatTheBrokerDropsIsErasedAndNotTold) {
  Rig rig(WithDisk({ReportOf(11, "eleven")}));
  rig.Do(Connected{});
  Welcome welcome = rig.Terms();
  welcome.drop = {AttemptId{11}};
  rig.Greet(welcome);
  EXPECT_THAT(Erased(rig), ElementsAre(11));
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].kind, ReportKind::kReturned);
  rig.Record(1);
  EXPECT_THAT(Erased(rig), ElementsAre(11)) << "once";
}

TEST(Keeping, WhatIsFoundTwiceOrWithoutAnAttemptCountsOnce) {
  Rig rig(WithDisk({ReportOf(11), ReportOf(0), ReportOf(11)}));
  rig.Do(Connected{});
  EXPECT_THAT(rig.Sent<Hello>().at(0).held, SizeIs(1));
}

// A broker on another data directory counts its sessions and attempts from the start: they only look like ours.
TEST(Keeping, A09_AnotherBrokerGetsNothingOfWhatTheFirstOneGave) {
  Rig rig(WithDisk({ReportOf(11)}, 1));
  Welcome welcome = rig.Terms(5, 3);
  welcome.broker = 1;
  welcome.keep = {AttemptId{11}};
  rig.Do(Connected{});
  rig.Greet(welcome);
  rig.Give(rig.Work({Rig::Task(21), Rig::Task(22), Rig::Task(23)}));
  rig.Do(Disconnected{"replaced"});
  rig.Do(Connected{});
  rig.Clear();
  welcome = rig.Terms(1, 1);
  welcome.broker = 2;
  rig.Greet(welcome);
  EXPECT_THAT(rig.All<Terminate>(), SizeIs(2)) << "what runs is stopped";
  EXPECT_THAT(Erased(rig), ElementsAre(11));
  for (const AttemptReport& report : rig.Reports()) EXPECT_EQ(report.kind, ReportKind::kReturned);
  rig.Clear();
  rig.GiveTask(21);
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].kind, ReportKind::kReturned) << "the first one by that id has not ended yet";
  rig.Finish(0, 21);
  rig.GiveTask(11);
  EXPECT_THAT(rig.Started(), ElementsAre(11)) << "and it works for the new one";
  rig.Clear();
  rig.Finish(0, 11);
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kSucceeded);
}

TEST(Outbox, AReportIsOnDiskOnceAndLeavesItOnce) {
  Outbox outbox;
  const Instant start{seconds(10)};
  outbox.Add(ReportOf(1), start);
  outbox.Add(ReportOf(2), start + seconds(1), true);
  outbox.Add(ReportOf(3), start + seconds(2));
  outbox.Add(ReportOf(4), start + seconds(2));
  EXPECT_EQ(outbox.KeepAt(), start);
  EXPECT_THAT(outbox.TakeUnkept(start - seconds(1)), IsEmpty());
  EXPECT_THAT(outbox.TakeUnkept(start + seconds(1)), SizeIs(1));
  EXPECT_EQ(outbox.KeepAt(), start + seconds(2));
  outbox.Hollow(AttemptId{3});
  EXPECT_THAT(outbox.TakeErasable(), IsEmpty()) << "it was not there";
  outbox.Hollow(AttemptId{2});
  outbox.Hollow(AttemptId{2});
  EXPECT_THAT(outbox.TakeErasable(), ElementsAre(AttemptId{2}));
  const std::vector<AttemptReport> rest = outbox.TakeUnkept(kNever);
  ASSERT_THAT(rest, SizeIs(1));
  EXPECT_EQ(rest[0].attempt, AttemptId{4});
  EXPECT_EQ(outbox.KeepAt(), kNever);
  Report report;
  outbox.TakeBatch(report);
  outbox.Record(4);
  EXPECT_THAT(outbox.TakeErasable(), ElementsAre(AttemptId{1}, AttemptId{4}));
  EXPECT_THAT(outbox.TakeErasable(), IsEmpty());
  outbox.Add(ReportOf(6), start, true);
  outbox.HollowAll();
  EXPECT_FALSE(outbox.Holds(AttemptId{6}));
  EXPECT_THAT(outbox.TakeErasable(), ElementsAre(AttemptId{6}));
  outbox.Add(ReportOf(5), start + seconds(3));
  EXPECT_EQ(outbox.KeepAt(), start + seconds(3));
  EXPECT_TRUE(outbox.CheckInvariants().ok());
}

}  // namespace
}  // namespace millrace::agent
