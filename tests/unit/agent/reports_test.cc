// SPDX-License-Identifier: Apache-2.0
// Reports: numbered, batched, said again until they are recorded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "millrace/agent/outbox.h"
#include "millrace/agent/output.h"
#include "tests/unit/agent/rig.h"

namespace millrace::agent {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

AttemptReport ReportOf(std::uint64_t attempt, std::size_t bytes = 0) {
  AttemptReport report;
  report.attempt = AttemptId{attempt};
  report.outcome = Outcome::kSucceeded;
  report.result.bytes = Bytes(std::string(bytes, 'x'));
  return report;
}

TEST(Outbox, NumbersHaveNoHolesWhateverIsForgotten) {
  Outbox outbox;
  for (std::uint64_t attempt = 11; attempt <= 13; ++attempt) outbox.Add(ReportOf(attempt, 10));
  outbox.Hollow(AttemptId{12});
  outbox.Hollow(AttemptId{99});
  Report report;
  outbox.TakeBatch(report);
  EXPECT_EQ(report.first_number, 1u);
  ASSERT_THAT(report.reports, SizeIs(3));
  EXPECT_EQ(report.reports[1].attempt, AttemptId{12});
  EXPECT_EQ(report.reports[1].kind, ReportKind::kReturned);
  EXPECT_TRUE(report.reports[1].result.bytes.empty());
  std::vector<Held> held;
  outbox.AppendHeld(held);
  EXPECT_THAT(held, SizeIs(2));
  EXPECT_TRUE(outbox.Record(2));
  EXPECT_FALSE(outbox.Record(2));
  EXPECT_EQ(outbox.first(), 3u);
  EXPECT_FALSE(outbox.Holds(AttemptId{11}));
  EXPECT_TRUE(outbox.Holds(AttemptId{13}));
  EXPECT_TRUE(outbox.CheckInvariants().ok());
}

TEST(Outbox, WhatWasNeverSentCannotHaveBeenRecorded) {
  Outbox outbox;
  outbox.Add(ReportOf(1));
  EXPECT_FALSE(outbox.Record(1000));
  Report report;
  outbox.TakeBatch(report);
  outbox.Add(ReportOf(2));
  EXPECT_TRUE(outbox.Record(1000));
  EXPECT_EQ(outbox.first(), 2u);
  EXPECT_EQ(outbox.unsent(), 1u);
  EXPECT_TRUE(outbox.CheckInvariants().ok());
}

TEST(Outbox, OneMessageStaysModerate) {
  Outbox outbox;
  for (std::uint64_t attempt = 1; attempt <= 10; ++attempt) outbox.Add(ReportOf(attempt, 300000));
  Report report;
  outbox.TakeBatch(report);
  EXPECT_THAT(report.reports, SizeIs(4));
  EXPECT_EQ(outbox.unsent(), 6u);
  outbox.Rewind();
  EXPECT_EQ(outbox.unsent(), 10u);
}

TEST(Reports, ManyEndsShareAMessageWhileMoreWorkWaits) {
  Rig rig;
  rig.Attach();
  std::vector<Assignment> tasks;
  for (std::uint64_t attempt = 1; attempt <= 50; ++attempt) tasks.push_back(Rig::Task(attempt, 2));
  rig.Give(rig.Work(tasks));
  rig.Clear();
  for (std::uint64_t attempt = 1; attempt <= 49; ++attempt) {
    rig.Pass(std::chrono::microseconds(40));
    rig.Finish(0, attempt);
  }
  EXPECT_LE(rig.Sent<Report>().size(), 4u);
  rig.Finish(0, 50);
  EXPECT_THAT(rig.Reports(), SizeIs(50)) << "the last one does not wait";
}

TEST(Reports, A07_SaidAgainUntilRecordedLessAndLessOften) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Finish(0, 1);
  std::vector<double> times;
  for (int second = 0; second < 300; ++second) {
    rig.Clear();
    rig.Pass(seconds(1));
    rig.HearBeacon();
    rig.Say(Pong{.nonce = 0});
    if (!rig.Reports().empty()) times.push_back(second + 1);
  }
  EXPECT_THAT(times, ::testing::ElementsAre(5, 15, 35, 75, 135, 195, 255));
  rig.Record(1);
  rig.Clear();
  rig.PassAlive(minutes(3));
  EXPECT_THAT(rig.Reports(), IsEmpty());
}

TEST(Reports, WhenNobodyAnswersThemTheSessionIsInDoubt) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Finish(0, 1);
  rig.Clear();
  rig.PassAlive(seconds(14));
  EXPECT_THAT(rig.Sent<Hello>(), IsEmpty());
  rig.PassAlive(seconds(2));
  EXPECT_THAT(rig.Sent<Hello>(), SizeIs(1));
  rig.Clear();
  rig.Greet(rig.Terms());
  EXPECT_THAT(rig.Reports(), SizeIs(1));
}

TEST(Reports, RecordedOfAnotherSessionIsIgnored) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Finish(0, 1);
  Recorded recorded;
  recorded.session = SessionId{12345};
  recorded.through = 1;
  rig.Say(recorded);
  rig.Clear();
  rig.Pass(seconds(5));
  EXPECT_THAT(rig.Reports(), SizeIs(1));
}

// A hello was answered late, and the session counts from a report that has been recorded, and forgotten, meanwhile.
TEST(Reports, A06_ABrokerThatWaitsForAForgottenReportIsToldWhereTheyBegin) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Finish(0, 1);
  Recorded recorded;
  recorded.session = rig.session();
  recorded.through = 1;
  rig.Say(recorded);
  rig.GiveTask(2);
  rig.Finish(0, 2);
  rig.Clear();
  recorded.through = 0;
  rig.Say(recorded);
  EXPECT_THAT(rig.Sent<Hello>(), SizeIs(0)) << "it may just have been late";
  rig.Pass(seconds(6));
  ASSERT_THAT(rig.Sent<Hello>(), SizeIs(::testing::Ge(1u)));
  EXPECT_EQ(rig.Sent<Hello>().front().first_report, 2u);
}

TEST(OutputTail, KeepsTheLastLinesWithinBounds) {
  OutputTail tail;
  EXPECT_EQ(tail.Text(), "");
  tail.Append("one\ntwo\n\n");
  EXPECT_EQ(tail.Text(), "one\ntwo");
  for (int i = 0; i < 1000; ++i) tail.Append("line " + std::to_string(i) + "\n");
  EXPECT_EQ(tail.Text().substr(0, 9), "line 980\n");
  tail.Append(std::string(100000, 'y'));
  EXPECT_EQ(tail.Text(), std::string(4096, 'y'));
  OutputTail blank;
  blank.Append("\n\n\n");
  EXPECT_EQ(blank.Text(), "");
  OutputTail gaps;
  gaps.Append(std::string(40, '\n') + "x");
  EXPECT_EQ(gaps.Text(), std::string(19, '\n') + "x");
}

TEST(OutputBuffer, WithoutABrokerTheOldestLinesGo) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.GiveTask(2);
  rig.Do(Disconnected{"x"});
  rig.Clear();
  for (int i = 0; i < 100; ++i) rig.Print(i % 2, 1 + i % 2, std::string(10000, 'a'));
  rig.Do(Connected{});
  rig.Greet(rig.Terms());
  rig.Pass(seconds(1));
  std::size_t bytes = 0;
  for (const Output& output : rig.Sent<Output>()) {
    for (const OutputChunk& chunk : output.chunks) bytes += chunk.text.size();
  }
  EXPECT_GT(bytes, 200000u);
  EXPECT_LE(bytes, 262144u);
}

}  // namespace
}  // namespace millrace::agent
