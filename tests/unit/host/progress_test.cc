// SPDX-License-Identifier: Apache-2.0
// Progress: a plain line per ended task where nobody can redraw, one live line where somebody looks.
#include "millrace/host/progress.h"

#include "gmock/gmock.h"
#include "tests/unit/host/support.h"

namespace millrace::host {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

TaskView Task(std::uint32_t index, const std::string& name, Outcome outcome = Outcome::kSucceeded) {
  TaskView task;
  task.index = index;
  task.name = name;
  task.state = outcome == Outcome::kNone ? TaskState::kRunning : TaskState::kEnded;
  task.outcome = outcome;
  task.try_number = 1;
  task.wave = 1;
  task.worker = "w1";
  task.ended = std::chrono::seconds(index);
  task.execution = std::chrono::milliseconds(1500);
  return task;
}
RunView RunOf(std::uint32_t tasks) {
  RunView run;
  run.tasks = tasks;
  run.waves = 2;
  return run;
}

class ProgressTest : public testing::Test {
 protected:
  // What has been written since the last call.
  std::string News() {
    const std::string text = paper_.Text();
    return text.substr(std::exchange(read_, text.size()));
  }
  Console Plain() {
    Console console;
    console.file = paper_.file();
    return console;
  }
  Console Live(int columns = 80) {
    Console console = Plain();
    console.live = true;
    console.columns = columns;
    return console;
  }

  Paper paper_;
  std::size_t read_ = 0;
};

TEST_F(ProgressTest, A40_WithoutATerminalEveryTaskIsOnePlainLine) {
  Progress progress(Plain());
  const std::vector<TaskView> running = {Task(0, "build", Outcome::kNone)};
  progress.Update(RunOf(2), running);
  EXPECT_THAT(News(), IsEmpty());
  const std::vector<TaskView> ended = {Task(0, "build")};
  progress.Update(RunOf(2), ended);
  EXPECT_EQ(News(), "wave 1 of 2\ndone      build  1.5s on w1\n");
  progress.Update(RunOf(2), ended);  // told again
  EXPECT_THAT(News(), IsEmpty());
  progress.Finish();
  EXPECT_THAT(paper_.Text(), Not(HasSubstr("\x1b")));
  EXPECT_THAT(paper_.Text(), Not(HasSubstr("\r")));
}

TEST_F(ProgressTest, EveryEndHasItsWordAndItsReason) {
  Progress progress(Plain());
  std::vector<TaskView> tasks = {Task(0, "good"),
                                 Task(1, "again"),
                                 Task(2, "known", Outcome::kCached),
                                 Task(3, "bad", Outcome::kFailed),
                                 Task(4, "bad but ignored", Outcome::kTimedOut),
                                 Task(5, "not today", Outcome::kSkipped),
                                 Task(6, "spared", Outcome::kDependencyFailed),
                                 Task(7, "stopped", Outcome::kCancelled)};
  tasks[1].try_number = 3;
  tasks[2].try_number = tasks[5].try_number = tasks[6].try_number = 0;
  tasks[3].failure.message = "exit code 1";
  tasks[4].ignored = true;
  tasks[5].reason = "no tag";
  tasks[6].reason = "needs bad";
  progress.Update(RunOf(8), tasks);
  EXPECT_EQ(News(),
            "wave 1 of 2\n"
            "done      good  1.5s on w1\n"
            "done      again  1.5s on w1  try 3\n"
            "cached    known\n"
            "FAILED    bad  1.5s on w1: exit code 1\n"
            "ignored   bad but ignored  1.5s on w1\n"
            "skipped   not today: no tag\n"
            "skipped   spared: needs bad\n"
            "cancelled stopped  1.5s on w1\n");
}

TEST_F(ProgressTest, TasksAreToldInTheOrderOfTheirEndsAndWavesOnce) {
  Progress progress(Plain());
  std::vector<TaskView> tasks = {Task(0, "late"), Task(1, "early"), Task(2, "second wave")};
  tasks[0].ended = std::chrono::seconds(9);
  tasks[2].wave = 2;
  tasks[2].ended = std::chrono::seconds(5);
  progress.Update(RunOf(3), tasks);
  const std::string text = News();
  EXPECT_LT(text.find("early"), text.find("wave 2 of 2"));
  EXPECT_LT(text.find("wave 2 of 2"), text.find("second wave"));
  EXPECT_LT(text.find("second wave"), text.find("late"));
  EXPECT_EQ(text.find("wave 1 of 2", text.find("wave 1 of 2") + 1), std::string::npos);
}

TEST_F(ProgressTest, EachWarningOnce) {
  Progress progress(Plain());
  RunView run = RunOf(1);
  run.warnings = {"1 of 2 expected workers"};
  progress.Update(run, {});
  EXPECT_EQ(News(), "warning: 1 of 2 expected workers\n");
  progress.Update(run, {});
  EXPECT_THAT(News(), IsEmpty());
  run.warnings.push_back("no capable worker for 'x'");
  progress.Update(run, {});
  EXPECT_EQ(News(), "warning: no capable worker for 'x'\n");
}

TEST_F(ProgressTest, ATerminalHasOneLineThatIsDrawnAgain) {
  Progress progress(Live());
  RunView run = RunOf(4);
  run.running = 1;
  const std::vector<TaskView> running = {Task(0, "build", Outcome::kNone)};
  progress.Update(run, running);
  const std::string first = News();
  EXPECT_THAT(first, StartsWith("[                    ] 0/4"));
  EXPECT_THAT(first, EndsWith(" build"));  // and no newline
  run.succeeded = 2;
  run.failed = 1;
  progress.Update(run, {});
  const std::string second = News();
  EXPECT_THAT(second, StartsWith("\r\x1b[2K[===============     ] 3/4"));
  EXPECT_THAT(second, HasSubstr("1 failed"));
  run.state = RunState::kFailed;
  progress.Update(run, {});
  EXPECT_EQ(News(), "\r\x1b[2K");
  progress.Finish();
  EXPECT_THAT(News(), IsEmpty());
}

TEST_F(ProgressTest, TheLiveLineNeverWraps) {
  for (const int columns : {0, 1, 20, 40, 200}) {
    Progress progress(Live(columns));
    std::vector<TaskView> tasks;
    for (std::uint32_t i = 0; i < 50; ++i) tasks.push_back(Task(i, "a rather long name \xc3\xbc", Outcome::kNone));
    progress.Update(RunOf(50), tasks);
    EXPECT_LE(Width(News()), static_cast<std::size_t>(std::max(columns - 1, 20))) << columns;
    progress.Finish();
    News();
  }
}

TEST_F(ProgressTest, CountsThatCannotBeDoNotBreakTheBar) {
  Progress progress(Live());
  RunView run = RunOf(1);
  run.succeeded = 4'000'000'000;
  run.cached = 4'000'000'000;
  progress.Update(run, {});
  EXPECT_THAT(News(), StartsWith("[====================]"));
  run = RunOf(0);
  progress.Update(run, {});
  EXPECT_THAT(News(), HasSubstr("0/0"));
}

TEST_F(ProgressTest, NamesFromOutsideDoNotDriveTheTerminal) {
  Progress progress(Live());
  TaskView bad = Task(0, "name\x1b[2J", Outcome::kFailed);
  bad.worker = "worker\x1b[2J";
  bad.failure.message = "message\x1b[2J";
  RunView run = RunOf(2);
  run.warnings = {"warning\x1b[2J"};
  const std::vector<TaskView> tasks = {bad, Task(1, "running\x1b[2J", Outcome::kNone)};
  progress.Update(run, tasks);
  EXPECT_THAT(News(), Not(HasSubstr("\x1b[2J")));
}

TEST_F(ProgressTest, TheSummaryHasTheLatestOfEveryTaskInTheirOrder) {
  Progress progress(Plain());
  const std::vector<TaskView> first = {Task(1, "b", Outcome::kNone)};
  progress.Update(RunOf(2), first);
  const std::vector<TaskView> second = {Task(1, "b"), Task(0, "a")};
  RunView run = RunOf(2);
  run.state = RunState::kSucceeded;
  progress.Update(run, second);
  const Summary summary = progress.TakeSummary();
  EXPECT_TRUE(summary.ok());
  ASSERT_EQ(summary.tasks.size(), 2u);
  EXPECT_EQ(summary.tasks[0].name, "a");
  EXPECT_EQ(summary.tasks[1].outcome, Outcome::kSucceeded);
}

}  // namespace
}  // namespace millrace::host
