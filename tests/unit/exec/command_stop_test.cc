// SPDX-License-Identifier: Apache-2.0
// Stopping a command stops everything that it has started.
#include <signal.h>

#include <chrono>
#include <thread>

#include "gtest/gtest.h"
#include "millrace/exec/command.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A command in a thread of its own, to be stopped from the test.
class RunningCommand {
 public:
  RunningCommand(const std::string& script, Duration grace) {
    options_.stop = stop_.get_token();
    options_.grace = grace;
    thread_ = std::thread([this, script] {
      absl::StatusOr<CommandOutcome> outcome = RunCommand(TestShell(script), options_);
      EXPECT_TRUE(outcome.ok()) << outcome.status();
      if (outcome.ok()) outcome_ = *std::move(outcome);
    });
  }
  const CommandOutcome& Stop() {
    stopped_at_ = std::chrono::steady_clock::now();
    stop_.request_stop();
    thread_.join();
    took_ = std::chrono::steady_clock::now() - stopped_at_;
    return outcome_;
  }
  Duration took() const { return took_; }

 private:
  std::stop_source stop_;
  RunOptions options_;
  CommandOutcome outcome_;
  std::chrono::steady_clock::time_point stopped_at_;
  Duration took_{};
  std::thread thread_;
};

TEST(StopCommand, A20_EndsAtOnceWhatObeys) {
  const TemporaryDirectory directory;
  RunningCommand command("sleep 1000 & echo $! > " + (directory / "pid").string() + "; wait", seconds(100));
  const Witness child = AwaitWitness(directory / "pid");
  const CommandOutcome& outcome = command.Stop();
  EXPECT_TRUE(outcome.stopped);
  EXPECT_FALSE(outcome.killed);
  EXPECT_EQ(outcome.signal, SIGTERM);
  EXPECT_LT(command.took(), seconds(20));
  EXPECT_FALSE(child.Alive());
}

TEST(StopCommand, A18_ATreeThatIgnoresTermIsGoneAfterTheGrace) {
  const TemporaryDirectory directory;
  const std::string file = (directory / "pid").string();
  RunningCommand command(
      "trap '' TERM; sh -c 'echo $$ > " + file + "; while :; do sleep 1000; done' & while :; do " + "sleep 1000; done",
      milliseconds(300));
  const Witness child = AwaitWitness(file);
  const CommandOutcome& outcome = command.Stop();
  EXPECT_TRUE(outcome.stopped);
  EXPECT_TRUE(outcome.killed);
  EXPECT_EQ(outcome.signal, SIGKILL);
  EXPECT_GE(command.took(), milliseconds(300));
  EXPECT_LT(command.took(), seconds(10));
  EXPECT_FALSE(child.Alive());
}

TEST(StopCommand, WaitsForTheGraceOfATreeWhoseLeaderIsAlreadyDead) {
  const TemporaryDirectory directory;
  const std::string file = (directory / "pid").string();
  RunningCommand command("sh -c 'trap \"\" TERM; echo $$ > " + file + "; while :; do sleep 1000; done' & wait",
                         milliseconds(300));
  const Witness child = AwaitWitness(file);
  const CommandOutcome& outcome = command.Stop();
  EXPECT_EQ(outcome.signal, SIGTERM);
  EXPECT_TRUE(outcome.killed);
  EXPECT_FALSE(child.Alive());
}

TEST(StopCommand, LetsACommandCleanUpAndKeepsWhatItSays) {
  const TemporaryDirectory directory;
  RunningCommand command(
      "trap 'echo cleaned; exit 3' TERM; echo $$ > " + (directory / "pid").string() + "; while :; do sleep 0.01; done",
      seconds(100));
  AwaitWitness(directory / "pid");
  const CommandOutcome& outcome = command.Stop();
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.out, "cleaned\n");
  EXPECT_TRUE(outcome.stopped);
  EXPECT_FALSE(outcome.killed);
}

TEST(StopCommand, ReachesAChildWithASessionOfItsOwn) {
  const TemporaryDirectory directory;
  const std::string file = (directory / "pid").string();
  RunningCommand command("setsid sh -c 'trap \"\" TERM; echo $$ > " + file + "; while :; do sleep 1000; done'",
                         milliseconds(300));
  const Witness child = AwaitWitness(file);
  EXPECT_TRUE(command.Stop().killed);
  EXPECT_FALSE(child.Alive());
}

TEST(StopCommand, IsHeardWhileOutputNeverEnds) {
  RunningCommand command("yes", seconds(100));
  EXPECT_TRUE(command.Stop().stopped);
  EXPECT_LT(command.took(), seconds(20));
}

TEST(StopCommand, BeforeItsStartCountsToo) {
  std::stop_source stop;
  stop.request_stop();
  RunOptions options;
  options.stop = stop.get_token();
  const absl::StatusOr<CommandOutcome> outcome = RunCommand(TestShell("sleep 1000"), options);
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->stopped);
}

}  // namespace
}  // namespace millrace::exec
