// SPDX-License-Identifier: Apache-2.0
// How a task failed, where, and the command that runs it again, whatever its name holds.
#include "millrace/report/crash_card.h"

#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sample.h"

namespace millrace::report {
namespace {

using testing::ElementsAre;

TaskView Failed(Outcome outcome = Outcome::kFailed) {
  TaskView task;
  task.outcome = outcome;
  return task;
}

TEST(CrashCardTest, ExitCodesSignalsMemoryAndExceptionsAreNamed) {
  TaskView task = Failed();
  EXPECT_EQ(HowItEnded(task), "");
  task.failure.exit_code = 7;
  EXPECT_EQ(HowItEnded(task), "exit code 7");
  task = Failed();
  task.failure.signal = SIGKILL;
  task.failure.out_of_memory = true;
  EXPECT_EQ(HowItEnded(task), "out of memory, signal 9 (SIGKILL)");
  task = Failed();
  task.failure.exception = "std::runtime_error";
  EXPECT_EQ(HowItEnded(task), "std::runtime_error thrown");
  EXPECT_EQ(HowItEnded(Failed(Outcome::kTimedOut)), "over its timeout");
  EXPECT_EQ(HowItEnded(Failed(Outcome::kLost)), "its worker was lost");
  EXPECT_EQ(SignalName(SIGSEGV), "SIGSEGV");
  EXPECT_EQ(SignalName(99), "signal 99");
}

TEST(CrashCardTest, ACommandIsOneLineThatAShellReadsAsItWasMeant) {
  EXPECT_EQ(ShellWord("build"), "build");
  EXPECT_EQ(ShellWord("/var/lib/millrace"), "/var/lib/millrace");
  EXPECT_EQ(ShellWord("test[shard=2]"), "'test[shard=2]'");
  EXPECT_EQ(ShellWord(""), "''");
  EXPECT_EQ(ShellWord("it's $(rm)"), "'it'\\''s $(rm)'");
  EXPECT_EQ(RerunCommand("zmqctl", RunId{EpochQualified(3, 17)}, "test[shard=2]", "--data-dir D"),
            "zmqctl rerun 'test[shard=2]' --run 3.17 --local --data-dir D");
  EXPECT_EQ(RerunCommand("./my ci", RunId{EpochQualified(3, 17)}, "build", ""),
            "'./my ci' rerun build --run 3.17 --local");
}

TEST(CrashCardTest, OtherFailuresOfTheHostAreCounted) {
  Sample sample;
  for (const char* host : {"a", "a", "b", "", ""}) {
    PastTask& task = sample.Add("t" + std::to_string(sample.tasks.size()), {}, {{"w1", 0, 0, 1, Outcome::kFailed}});
    task.view.failure.message = "no";
    task.view.failure.host = host;
  }
  sample.Add("good", {}, {{"w1", 0, 0, 1}});
  std::vector<std::uint32_t> others;
  for (const ReportTask& task : sample.Report().tasks) others.push_back(task.others_on_host);
  EXPECT_THAT(others, ElementsAre(1, 1, 0, 0, 0, 0));
}

}  // namespace
}  // namespace millrace::report
