// SPDX-License-Identifier: Apache-2.0
// What happens to an attempt from its assignment to its report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/unit/agent/rig.h"

namespace millrace::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(Execution, AssignedTasksStartInOrderUpToTheSlots) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1), Rig::Task(2), Rig::Task(3)}));
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2));
  rig.Clear();
  rig.Finish(0, 1);
  EXPECT_THAT(rig.Started(), ElementsAre(3));
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kSucceeded);
  EXPECT_EQ(rig.Sent<Report>()[0].orders_through, 1u);
  EXPECT_EQ(rig.Sent<Report>()[0].first_number, 1u);
}

TEST(Execution, A25_WideTasksTakeTheirCpusAndAreNotOvertaken) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1), Rig::Task(2, 2), Rig::Task(3)}));
  EXPECT_THAT(rig.Started(), ElementsAre(1));
  rig.Finish(0, 1);
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2));
  rig.Finish(0, 2);
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2, 3));
}

TEST(Execution, TasksWithoutCpusStartAtOnceInSlotsOfTheirOwn) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1, 2), Rig::Task(2), Rig::Task(3, 0)}));
  EXPECT_THAT(rig.Started(), ElementsAre(3, 1));
  EXPECT_EQ(rig.All<Start>()[0].slot, 2u);
  EXPECT_EQ(rig.All<Start>()[1].slot, 0u);
}

TEST(Execution, ATaskThatSaysMoreCpusThanThereAreRunsAlone) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1, 64), Rig::Task(2)}));
  EXPECT_THAT(rig.Started(), ElementsAre(1));
}

TEST(Execution, A35_DataIsSentOnceAndUsedByEveryDependant) {
  Rig rig;
  rig.Attach();
  Datum datum;
  datum.task = {.run = RunId{1}, .index = 9};
  datum.name = "dep";
  datum.module = "d";
  datum.outcome = Outcome::kSucceeded;
  datum.result.bytes = Bytes("value");
  Assignment first = Rig::Task(1), second = Rig::Task(2), third = Rig::Task(3);
  for (Assignment* task : {&first, &second, &third}) task->needs.push_back({.task = 9, .parameter = 0});
  Assign assign = rig.Work({first});
  assign.data.push_back(datum);
  rig.Give(assign);
  rig.Give(rig.Work({second, Rig::Task(8), third}));
  // The third is queued when its datum is forgotten, and starts with it all the same.
  rig.Give(Forget{.session = {}, .number = 0, .data = {datum.task}});
  rig.Finish(0, 1);
  rig.Finish(1, 2);
  ASSERT_THAT(rig.Started(), ElementsAre(1, 2, 8, 3));
  for (const std::size_t start : {0, 1, 3}) {
    const SlotExecute execute = rig.All<Start>()[start].execute;
    ASSERT_THAT(execute.needs, SizeIs(1));
    EXPECT_EQ(execute.needs[0].name, "dep");
    EXPECT_EQ(execute.needs[0].result.bytes.view(), "value");
    EXPECT_EQ(execute.needs[0].parameter, 0);
  }
}

TEST(Execution, A04_MissingDatumUnknownModuleAndUnknownPolicyEndInAReport) {
  Rig rig;
  rig.Attach();
  Assignment needy = Rig::Task(1), moduleless = Rig::Task(2), lawless = Rig::Task(3);
  needy.needs.push_back({.task = 77, .parameter = -1});
  moduleless.module = 5;
  lawless.policy = 5;
  rig.Give(rig.Work({needy, moduleless, lawless}));
  EXPECT_THAT(rig.Started(), IsEmpty());
  ASSERT_THAT(rig.Reports(), SizeIs(3));
  for (const AttemptReport& report : rig.Reports()) EXPECT_EQ(report.outcome, Outcome::kFailed);
  EXPECT_THAT(rig.Reports()[0].failure.message, HasSubstr("task 77"));
  EXPECT_TRUE(rig.Reports()[0].failure.transient);
  EXPECT_FALSE(rig.Reports()[1].failure.transient);
}

TEST(Execution, A04_ACrashIsAFailureThatNamesTheSignalAndShowsTheLastLines) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  for (int line = 0; line < 30; ++line) rig.Print(0, 1, "line " + std::to_string(line) + "\n");
  rig.Do(SlotDied{.slot = 0, .exit_code = 0, .signal = SIGSEGV});
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  const AttemptReport report = rig.Reports()[0];
  EXPECT_EQ(report.outcome, Outcome::kFailed);
  EXPECT_EQ(report.failure.message, "module process died: signal 11 (SIGSEGV)");
  EXPECT_TRUE(report.failure.crashed);
  EXPECT_TRUE(report.failure.transient);
  EXPECT_EQ(report.failure.signal, SIGSEGV);
  EXPECT_THAT(report.failure.output, HasSubstr("line 10\n"));
  EXPECT_THAT(report.failure.output, Not(HasSubstr("line 9\n")));
  // What was printed is sent before the end is reported.
  ASSERT_THAT(rig.Sent<Output>(), SizeIs(1));
  EXPECT_THAT(rig.All<Send>(), SizeIs(2));
}

TEST(Execution, AnExitOfTheHostIsAPlainFailureUnlessItSaysTryAgain) {
  for (const int code : {3, 75}) {
    Rig rig;
    rig.Attach();
    rig.GiveTask(1);
    rig.Do(SlotDied{.slot = 0, .exit_code = code, .signal = 0});
    ASSERT_THAT(rig.Reports(), SizeIs(1));
    EXPECT_EQ(rig.Reports()[0].failure.message, "module process died: exit code " + std::to_string(code));
    EXPECT_EQ(rig.Reports()[0].failure.transient, code == 75);
    rig.Clear();
    rig.GiveTask(2);
    EXPECT_THAT(rig.Started(), ElementsAre(2)) << "the slot is good for another attempt";
  }
}

TEST(Execution, A04_OutOfMemoryIsACauseOfItsOwn) {
  Rig rig;
  rig.Attach();
  Assign assign = rig.Work({rig.Task(1)});
  assign.policies[0].memory_limit = std::int64_t{2} << 30;
  rig.Give(assign);
  ASSERT_THAT(rig.All<Start>(), SizeIs(1));
  EXPECT_EQ(rig.All<Start>()[0].memory_limit, std::int64_t{2} << 30);
  SlotDied died{.slot = 0, .exit_code = 137, .signal = SIGKILL};
  died.memory_used = (std::int64_t{21} << 30) / 10;
  // Its command was killed with it; that is not the reason.
  died.done.emplace();
  died.done->attempt = AttemptId{1};
  died.done->outcome = Outcome::kFailed;
  died.done->failure.message = "'tail' was killed by signal 9";
  died.done->failure.transient = true;
  rig.Do(died);
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  const AttemptReport report = rig.Reports()[0];
  EXPECT_EQ(report.outcome, Outcome::kFailed);
  EXPECT_EQ(report.failure.message, "out of memory: used 2.1GiB, limit 2GiB (memory_limit)");
  EXPECT_TRUE(report.failure.out_of_memory);
  EXPECT_FALSE(report.failure.transient || report.failure.crashed);
}

TEST(Execution, WhatTheKernelKillsForMemoryIsACrashThatSaysSo) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  SlotDied died{.slot = 0, .exit_code = 137, .signal = SIGKILL};
  died.oom_killed = true;
  rig.Do(died);
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_THAT(rig.Reports()[0].failure.message, HasSubstr("its machine or container was out of memory"));
  EXPECT_TRUE(rig.Reports()[0].failure.transient);
  EXPECT_FALSE(rig.Reports()[0].failure.out_of_memory);
}

// A host that dies right after its last word must not take the attempt along that waits for its slot.
TEST(Execution, G_TheLastWordAndTheDeathOfAHostAreOneEvent) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({rig.Task(1), rig.Task(2), rig.Task(3)}));
  ASSERT_THAT(rig.Started(), ElementsAre(1, 2));
  rig.Clear();
  SlotDied died{.slot = 0, .exit_code = 137, .signal = SIGKILL};
  died.done.emplace();
  died.done->attempt = AttemptId{1};
  died.done->outcome = Outcome::kSucceeded;
  rig.Do(died);
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].attempt.value, 1u);
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kSucceeded);
  EXPECT_THAT(rig.Started(), ElementsAre(3));
  // The word of another attempt is none.
  rig.Clear();
  rig.Do(died);
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].attempt.value, 3u);
  EXPECT_TRUE(rig.Reports()[0].failure.crashed);
}

TEST(Execution, A04_AKilledSupervisorIsNotTheFaultOfItsAttemptUntilItHappensAgainAndAgain) {
  for (const std::uint32_t try_number : {1u, 3u, 4u}) {
    Rig rig;
    rig.Attach();
    Assignment task = rig.Task(1);
    task.try_number = try_number;
    rig.Give(rig.Work({task}));
    SlotDied died{.slot = 0, .exit_code = 137, .signal = SIGKILL};
    died.supervisor_lost = true;
    rig.Do(died);
    ASSERT_THAT(rig.Reports(), SizeIs(1));
    EXPECT_EQ(rig.Reports()[0].outcome, try_number <= 3 ? Outcome::kLost : Outcome::kFailed) << try_number;
    EXPECT_EQ(rig.Reports()[0].failure.crashed, try_number > 3) << try_number;
  }
}

TEST(Execution, HostsThatKeepDyingAreSaidToBeAnError) {
  Config config = Rig::Defaults();
  config.crash_restart_limit = 3;
  Rig rig(config);
  rig.Attach();
  for (std::uint64_t attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_FALSE(rig.Noted("3 times in a row"));
    rig.GiveTask(attempt);
    rig.Do(SlotDied{.slot = 0, .exit_code = 127, .signal = 0});
  }
  EXPECT_TRUE(rig.Noted("3 times in a row"));
  EXPECT_THAT(rig.Reports(), SizeIs(3));
}

TEST(Execution, A18_TimeoutTermThenKillAndReportOnlyWhenTheTreeIsGone) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1, seconds(10));
  rig.PassAlive(seconds(9));
  EXPECT_THAT(rig.All<Terminate>(), IsEmpty());
  rig.PassAlive(seconds(1));
  ASSERT_THAT(rig.All<Terminate>(), SizeIs(1));
  rig.PassAlive(milliseconds(4999));
  EXPECT_THAT(rig.All<Kill>(), IsEmpty());
  rig.PassAlive(milliseconds(1));
  EXPECT_THAT(rig.All<Kill>(), SizeIs(1));
  EXPECT_THAT(rig.Reports(), IsEmpty());
  rig.Do(SlotDied{.slot = 0, .exit_code = 0, .signal = SIGKILL});
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kTimedOut);
  EXPECT_EQ(rig.Reports()[0].failure.message, "timed out after 10.0s (limit 10.0s)");
  EXPECT_TRUE(rig.Reports()[0].failure.transient);
  EXPECT_FALSE(rig.Reports()[0].failure.crashed);
}

TEST(Execution, A18_TimeInTheQueueDoesNotCount) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1, 2)}, seconds(60)));
  rig.Give(rig.Work({Rig::Task(2)}, seconds(10)));
  rig.PassAlive(seconds(30));
  EXPECT_THAT(rig.All<Terminate>(), IsEmpty());
  rig.Finish(0, 1);
  rig.PassAlive(seconds(9));
  EXPECT_THAT(rig.All<Terminate>(), IsEmpty());
  rig.PassAlive(seconds(1));
  EXPECT_THAT(rig.All<Terminate>(), SizeIs(1));
}

TEST(Execution, G_ASuccessIsNotTurnedIntoAFailureByATimeoutThatCameLater) {
  {  // It arrives in the very step in which the deadline is first seen.
    Rig rig;
    rig.Attach();
    rig.GiveTask(1, seconds(10));
    rig.Freeze(seconds(11));
    rig.Finish(0, 1, Outcome::kSucceeded, seconds(9));
    ASSERT_THAT(rig.Reports(), SizeIs(1));
    EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kSucceeded);
    EXPECT_THAT(rig.All<Terminate>(), IsEmpty());
  }
  {  // It was on its way when the TERM went out.
    Rig rig;
    rig.Attach();
    rig.GiveTask(1, seconds(10));
    rig.PassAlive(seconds(10));
    ASSERT_THAT(rig.All<Terminate>(), SizeIs(1));
    rig.Finish(0, 1, Outcome::kSucceeded, milliseconds(9999));
    ASSERT_THAT(rig.Reports(), SizeIs(1));
    EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kSucceeded);
  }
  {  // The module ignored the TERM and took too long: that is a timeout.
    Rig rig;
    rig.Attach();
    rig.GiveTask(1, seconds(10));
    rig.PassAlive(seconds(12));
    rig.Finish(0, 1, Outcome::kSucceeded, seconds(12));
    ASSERT_THAT(rig.Reports(), SizeIs(1));
    EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kTimedOut);
  }
}

TEST(Execution, ASlotThatWasKilledIsFreeOnlyWhenItsHostIsGone) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1, 2), Rig::Task(2)}, seconds(10)));
  rig.PassAlive(seconds(15));
  ASSERT_THAT(rig.All<Kill>(), SizeIs(1));
  rig.Finish(0, 1, Outcome::kFailed, seconds(15));
  EXPECT_THAT(rig.Started(), ElementsAre(1));
  rig.Do(SlotDied{.slot = 0, .exit_code = 0, .signal = SIGKILL});
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2));
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kTimedOut);
}

TEST(Execution, A20_CancelReachesQueuedAndRunning) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1, 2), Rig::Task(2)}));
  rig.Clear();
  rig.Give(Cancel{.session = {}, .number = 0, .attempts = {AttemptId{1}, AttemptId{2}, AttemptId{99}}});
  ASSERT_THAT(rig.All<Terminate>(), SizeIs(1));
  EXPECT_EQ(rig.All<Terminate>()[0].attempt, AttemptId{1});
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].attempt, AttemptId{2});
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kCancelled);
  rig.Clear();
  rig.Pass(seconds(5));
  ASSERT_THAT(rig.All<Kill>(), SizeIs(1));
  rig.Do(SlotDied{.slot = 0, .exit_code = 0, .signal = SIGKILL});
  ASSERT_THAT(rig.Reports(), SizeIs(2)) << "the unrecorded one is said again after 5 s, with the new one";
  EXPECT_EQ(rig.Reports()[1].attempt, AttemptId{1});
  EXPECT_EQ(rig.Reports()[1].outcome, Outcome::kCancelled);
}

TEST(Execution, ASuccessBeforeTheCancelArrivedIsASuccess) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Give(Cancel{.session = {}, .number = 0, .attempts = {AttemptId{1}}});
  rig.Finish(0, 1);
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kSucceeded);
}

TEST(Execution, A32_TakeBackReturnsWhatIsQueuedAndNothingElse) {
  Rig rig;
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1, 2), Rig::Task(2), Rig::Task(3)}));
  rig.Clear();
  rig.Give(TakeBack{.session = {}, .number = 0, .attempts = {AttemptId{1}, AttemptId{3}}});
  rig.Pass(milliseconds(1));  // work is queued, so reports are batched
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].attempt, AttemptId{3});
  EXPECT_EQ(rig.Reports()[0].kind, ReportKind::kReturned);
  EXPECT_THAT(rig.All<Terminate>(), IsEmpty());
  rig.Finish(0, 1);
  EXPECT_THAT(rig.Started(), ElementsAre(2));
}

TEST(Execution, WithLimitsForHostsNothingRunsInThisProcess) {
  Config config = Rig::Defaults();
  config.hosts_only = true;
  Rig rig(config);
  rig.Attach();
  rig.GiveInProcess(1, seconds(10));
  ASSERT_THAT(rig.All<Start>(), SizeIs(1));
  EXPECT_FALSE(rig.All<Start>()[0].in_process);
}

// Whatever the policies say: nothing could be killed, and a death would be waited for that never comes.
TEST(Execution, A04_WhereAllRunsOnThreadsADeafOneIsReportedToo) {
  Config config = Rig::Defaults();
  config.threads_only = true;
  Rig rig(config);
  rig.Attach();
  rig.Give(rig.Work({Rig::Task(1)}, seconds(10)));
  ASSERT_THAT(rig.All<Start>(), SizeIs(1));
  EXPECT_TRUE(rig.All<Start>()[0].in_process);
  rig.PassAlive(seconds(15));
  EXPECT_THAT(rig.All<Kill>(), IsEmpty());
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kTimedOut);
}

TEST(Execution, A04_AnInProcessAttemptThatDoesNotStopIsReportedAndKeepsItsSlot) {
  Rig rig;
  rig.Attach();
  rig.GiveInProcess(1, seconds(10));
  EXPECT_TRUE(rig.All<Start>()[0].in_process);
  rig.PassAlive(seconds(14));
  EXPECT_THAT(rig.Reports(), IsEmpty());
  rig.PassAlive(seconds(1));
  EXPECT_THAT(rig.All<Kill>(), IsEmpty());
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kTimedOut);
  EXPECT_THAT(rig.Reports()[0].failure.message, HasSubstr("still runs"));
  EXPECT_TRUE(rig.Noted("does not stop"));
  rig.Give(rig.Work({Rig::Task(2, 2)}));
  EXPECT_THAT(rig.Started(), ElementsAre(1));
  rig.Finish(0, 1);
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2));
  EXPECT_THAT(rig.Reports(), SizeIs(1)) << "one report for an attempt, whatever it says later";
}

TEST(Execution, AnOutcomeThatIsNoneIsAFailure) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Finish(0, 1, Outcome::kCached);
  ASSERT_THAT(rig.Reports(), SizeIs(1));
  EXPECT_EQ(rig.Reports()[0].outcome, Outcome::kFailed);
}

TEST(Execution, WordsOfOtherAttemptsAndSlotsAreIgnored) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Finish(0, 99);
  rig.Finish(1, 1);
  rig.Finish(4000000000u, 1);
  rig.Do(SlotDied{.slot = 4000000000u, .exit_code = 1, .signal = 0});
  rig.Do(SlotDied{.slot = 1, .exit_code = 1, .signal = 0});
  EXPECT_THAT(rig.Reports(), IsEmpty());
  rig.Finish(0, 1);
  EXPECT_THAT(rig.Reports(), SizeIs(1));
}

TEST(Execution, OutputIsBatchedPerAttemptAndStream) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.GiveTask(2);
  rig.Clear();
  rig.Print(0, 1, "a\n");
  rig.Print(0, 1, "b\n");
  rig.Print(1, 2, "c\n");
  EXPECT_THAT(rig.Sent<Output>(), IsEmpty());
  rig.Pass(milliseconds(100));
  ASSERT_THAT(rig.Sent<Output>(), SizeIs(1));
  const Output output = rig.Sent<Output>()[0];
  ASSERT_THAT(output.chunks, SizeIs(2));
  EXPECT_EQ(output.chunks[0].text, "a\nb\n");
  EXPECT_EQ(output.chunks[0].name, "t1");
  EXPECT_EQ(output.chunks[1].text, "c\n");
  rig.Clear();
  rig.Print(0, 1, std::string(40000, 'x'));
  EXPECT_THAT(rig.Sent<Output>(), SizeIs(1)) << "much output does not wait";
}

TEST(Execution, OnlyLongAttemptsAreHintedAsStarted) {
  Rig rig;
  rig.Attach();
  rig.GiveTask(1);
  rig.Pass(milliseconds(10));
  rig.GiveTask(2);
  rig.Finish(0, 1);
  rig.Clear();
  rig.GiveTask(3);
  rig.Pass(milliseconds(50));
  ASSERT_THAT(rig.Sent<Report>(), SizeIs(1));
  EXPECT_THAT(rig.Sent<Report>()[0].started, ElementsAre(AttemptId{3}, AttemptId{2}));
}

}  // namespace
}  // namespace millrace::agent
