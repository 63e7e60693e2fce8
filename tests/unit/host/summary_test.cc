// SPDX-License-Identifier: Apache-2.0
// The table at the end of a run, and what failed and why.
#include "millrace/host/summary.h"

#include <sstream>

#include "gmock/gmock.h"
#include "tests/unit/host/support.h"

namespace millrace::host {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TaskView Good(const std::string& name) {
  TaskView task;
  task.name = name;
  task.state = TaskState::kEnded;
  task.outcome = Outcome::kSucceeded;
  task.try_number = 1;
  task.worker = "w1";
  task.host = "build-1";
  task.ready = std::chrono::milliseconds(100);
  task.started = std::chrono::milliseconds(350);
  task.execution = std::chrono::milliseconds(1500);
  return task;
}
TaskView Bad(const std::string& name) {
  TaskView task = Good(name);
  task.outcome = Outcome::kFailed;
  task.try_number = 3;
  task.failure.message = "exit code 2";
  task.failure.exit_code = 2;
  task.failure.output = "making\nerror: no rule\n";
  return task;
}
Summary SummaryOf(std::vector<TaskView> tasks, RunState state = RunState::kSucceeded) {
  Summary summary;
  summary.tasks = std::move(tasks);
  summary.run.name = "release";
  summary.run.run = RunId{EpochQualified(1, 2)};
  summary.run.state = state;
  summary.run.succeeded = 1;
  summary.run.elapsed = std::chrono::seconds(62);
  return summary;
}

TEST(SummaryTest, ARowPerTaskAndTheTotals) {
  TaskView skipped;
  skipped.name = "deploy";
  skipped.state = TaskState::kEnded;
  skipped.outcome = Outcome::kSkipped;
  Summary summary = SummaryOf({Good("build"), skipped});
  summary.run.skipped = 1;
  EXPECT_THAT(Lines(SummaryTable(summary, {})),
              ElementsAre("module  outcome    try  worker  queued  time",  //
                          "build   succeeded  1    w1      250ms   1.5s",  //
                          "deploy  skipped    -    -       -       -",
                          "release: run " + RunName(summary.run.run) + " succeeded, 1 succeeded, 1 skipped in 1m02s"));
}

TEST(SummaryTest, A37_AFailureShowsMessageExitCodeLastLinesWorkerHostAndTry) {
  const std::string text = SummaryTable(SummaryOf({Good("build"), Bad("test[shard=2]")}, RunState::kFailed), {});
  EXPECT_THAT(text, HasSubstr("\nFAILED test[shard=2]: exit code 2 (worker w1 on host build-1, try 3)\n"
                              "    exit code: 2\n"
                              "    | making\n"
                              "    | error: no rule\n"));
  EXPECT_THAT(text, Not(HasSubstr("FAILED build")));
}

TEST(SummaryTest, A37_AnExceptionOrASignalIsNamed) {
  TaskView thrown = Bad("throws");
  thrown.failure = {};
  thrown.failure.message = "std::runtime_error: boom";
  thrown.failure.exception = "std::runtime_error";
  EXPECT_THAT(FailureText(thrown, {}), HasSubstr("    exception: std::runtime_error\n"));
  TaskView killed = Bad("killed");
  killed.failure = {};
  killed.failure.message = "module process died: signal 9 (SIGKILL)";
  killed.failure.signal = 9;
  EXPECT_THAT(FailureText(killed, {}), AllOf(HasSubstr("    signal: 9 (SIGKILL)\n"), Not(HasSubstr("exit code"))));
}

TEST(SummaryTest, A37_OutOfMemoryOthersOfTheHostAndTheCommandToRunItAgainAreSaid) {
  TaskView bad = Bad("test[n=1]");
  bad.failure.out_of_memory = true;
  bad.failure.host = "build-1";
  TaskView other = Bad("other");
  other.host = other.failure.host = "build-1";
  TaskView elsewhere = Bad("elsewhere");
  elsewhere.host = elsewhere.failure.host = "build-2";
  Summary summary = SummaryOf({bad, other, elsewhere, Good("build")}, RunState::kFailed);
  EXPECT_THAT(SummaryTable(summary, {}), Not(HasSubstr("again:")));
  summary.again = {"zmqctl", "--data-dir /d"};
  const std::string text = SummaryTable(summary, {});
  EXPECT_THAT(text, HasSubstr("    out of memory"));
  EXPECT_THAT(text, HasSubstr("    host: 1 other failed on build-1\n    again: zmqctl rerun 'test[n=1]' --run " +
                              RunName(summary.run.run) + " --local --data-dir /d\n    | making\n"));
  EXPECT_THAT(text, Not(HasSubstr("failed on build-2")));
}

TEST(SummaryTest, WhatTookLongerOrShorterThanBeforeIsSeenAndOnlyOfWhatSucceeded) {
  TaskView slow = Good("slow");
  slow.execution = std::chrono::seconds(12);
  Summary summary = SummaryOf({slow, Good("quick"), Good("new"), Bad("bad")}, RunState::kFailed);
  EXPECT_EQ(Lines(SummaryTable(summary, {}))[0], "module  outcome    try  worker  queued  time");
  summary.medians = {{"slow", std::chrono::seconds(10)}, {"quick", std::chrono::seconds(2)}, {"bad", {}}};
  const std::vector<std::string> lines = Lines(SummaryTable(summary, {}));
  EXPECT_THAT(lines[0], EndsWith("  \u0394"));
  EXPECT_THAT(lines[1], EndsWith("  +2.0s"));
  EXPECT_THAT(lines[2], EndsWith("  -500ms"));
  EXPECT_THAT(lines[3], EndsWith("  -"));
  EXPECT_THAT(lines[4], EndsWith("  -"));
}

TEST(SummaryTest, EveryBadEndHasItsBlockAndNoOtherHas) {
  std::vector<TaskView> tasks;
  for (const Outcome outcome :
       {Outcome::kNone, Outcome::kSucceeded, Outcome::kFailed, Outcome::kTimedOut, Outcome::kCancelled,
        Outcome::kSkipped, Outcome::kLost, Outcome::kCached, Outcome::kDependencyFailed}) {
    TaskView task = Good("t" + std::to_string(static_cast<int>(outcome)));
    task.outcome = outcome;
    task.reason = "because";
    tasks.push_back(task);
  }
  std::vector<std::string> blocks;
  for (const std::string& line : Lines(SummaryTable(SummaryOf(tasks, RunState::kFailed), {}))) {
    if (line.rfind("FAILED ", 0) == 0) blocks.push_back(line.substr(7, 2));
  }
  EXPECT_THAT(blocks, ElementsAre("t2", "t3", "t6"));
}

TEST(SummaryTest, A16_AnIgnoredFailureIsSeenAndIsNoFailure) {
  TaskView ignored = Bad("lint");
  ignored.ignored = true;
  Summary summary = SummaryOf({ignored});
  summary.run.succeeded = 0;
  summary.run.ignored = 1;
  const std::string text = SummaryTable(summary, {});
  EXPECT_TRUE(summary.ok());
  EXPECT_THAT(text, AllOf(HasSubstr("failed (ignored)"), HasSubstr("IGNORED lint: exit code 2"),
                          HasSubstr("1 failed but ignored"), HasSubstr("succeeded")));
}

TEST(SummaryTest, A03_OnlyASucceededRunIsOk) {
  for (const RunState state : {RunState::kRunning, RunState::kCancelling, RunState::kFailed, RunState::kCancelled}) {
    EXPECT_FALSE(SummaryOf({}, state).ok());
  }
  EXPECT_TRUE(SummaryOf({}).ok());
}

TEST(SummaryTest, RootCauseAndWarningsStandAboveTheVerdict) {
  Summary summary = SummaryOf({Bad("test")}, RunState::kFailed);
  summary.run.root_cause = "test: exit code 2";
  summary.run.warnings = {"1 of 2 expected workers"};
  const auto lines = Lines(SummaryTable(summary, {}));
  ASSERT_GE(lines.size(), 3u);
  EXPECT_EQ(lines[lines.size() - 3], "warning: 1 of 2 expected workers");
  EXPECT_EQ(lines[lines.size() - 2], "root cause: test: exit code 2");
  EXPECT_THAT(lines.back(), HasSubstr("failed"));
  EXPECT_THAT(SummaryTable(SummaryOf({}), {}), Not(HasSubstr("root cause")));
}

TEST(SummaryTest, LongNamesAreCutAndTheColumnsStayInLine) {
  const auto lines = Lines(SummaryTable(SummaryOf({Good(std::string(200, 'x')), Good("d\xc3\xbc")}), {}));
  const std::size_t column = lines[0].find("outcome");
  EXPECT_EQ(column, 50u);
  EXPECT_EQ(lines[1].find("succeeded"), column);
  EXPECT_THAT(lines[1].substr(0, 48), EndsWith("x.."));
  EXPECT_EQ(Width(lines[2].substr(0, lines[2].find("succeeded"))), column);
}

TEST(SummaryTest, AnyWidthOfTheTerminalWillDo) {
  for (const int columns : {0, 1, 10, 1000}) {
    Console console;
    console.columns = columns;
    EXPECT_THAT(SummaryTable(SummaryOf({Good("build"), Bad("test")}, RunState::kFailed), console), HasSubstr("build"));
  }
}

TEST(SummaryTest, A40_ColoursOnlyWhereTheyAreWanted) {
  const Summary summary = SummaryOf({Good("build"), Bad("test")}, RunState::kFailed);
  EXPECT_THAT(SummaryTable(summary, {}), Not(HasSubstr("\x1b")));
  Console colourful;
  colourful.colour = true;
  EXPECT_THAT(SummaryTable(summary, colourful), AllOf(HasSubstr("\x1b[32mbuild"), HasSubstr("\x1b[31mtest")));
}

TEST(SummaryTest, NothingFromOutsideDrivesTheTerminal) {
  TaskView bad = Bad("name\x1b[2J");
  bad.worker = "worker\x1b[2J";
  bad.host = "host\x1b[2J";
  bad.failure.message = "message\x1b[2J";
  bad.failure.exception = "exception\x1b[2J";
  bad.failure.output = "output\x1b[2J";
  Summary summary = SummaryOf({bad}, RunState::kFailed);
  summary.run.name = "run\x1b[2J";
  summary.run.warnings = {"warning\x1b[2J"};
  summary.run.root_cause = "cause\x1b[2J";
  EXPECT_THAT(SummaryTable(summary, {}), Not(HasSubstr("\x1b")));
}

TEST(SummaryTest, AStartBeforeItWasReadyIsNoNegativeWait) {
  TaskView quick = Good("quick");
  quick.started = std::chrono::milliseconds(99);
  EXPECT_THAT(SummaryTable(SummaryOf({quick}), {}), Not(HasSubstr("-1")));
}

TEST(SummaryTest, TotalsNameWhatThereIs) {
  RunView run;
  run.elapsed = std::chrono::seconds(2);
  EXPECT_EQ(Totals(run), "nothing to do in 2.0s");
  run.succeeded = 7;
  run.cached = 1;
  run.failed = 2;
  run.ignored = 3;
  run.skipped = 4;
  run.cancelled = 5;
  run.running = 6;
  run.ready = 1;
  run.waiting = 2;
  EXPECT_EQ(
      Totals(run),
      "7 succeeded, 1 cached, 2 failed, 3 failed but ignored, 4 skipped, 5 cancelled, 6 running, 3 waiting in 2.0s");
}

TEST(SummaryTest, StatesAreWordsForPeople) {
  TaskView task;
  EXPECT_EQ(StateText(task), "waiting");
  task.state = TaskState::kBackingOff;
  EXPECT_EQ(StateText(task), "backing off");
  task.state = TaskState::kEnded;
  task.outcome = Outcome::kDependencyFailed;
  EXPECT_EQ(StateText(task), "dependency failed");
}

TEST(SummaryTest, ATableOfRaggedRows) {
  EXPECT_EQ(FormatTable({{"a", "b"}, {"longer"}, {"x", "y", "z"}}, {}), "a       b\nlonger\nx       y  z\n");
  EXPECT_EQ(FormatTable({}, {}), "");
}

}  // namespace
}  // namespace millrace::host
