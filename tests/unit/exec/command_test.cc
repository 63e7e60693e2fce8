// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/command.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/fd.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

CommandOutcome OutcomeOf(const CommandLine& line, const RunOptions& options = {}) {
  absl::StatusOr<CommandOutcome> outcome = RunCommand(line, options);
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  return outcome.ok() ? *std::move(outcome) : CommandOutcome{};
}

TEST(RunCommand, TellsSuccessWithBothStreams) {
  const CommandOutcome outcome = OutcomeOf(TestShell("echo out; echo err >&2"));
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(outcome.out, "out\n");
  EXPECT_EQ(outcome.err, "err\n");
  EXPECT_FALSE(outcome.stopped);
  EXPECT_GT(outcome.elapsed(), Duration::zero());
  EXPECT_GT(outcome.peak_memory, 0u);
}

TEST(RunCommand, TellsFailureAndSignal) {
  EXPECT_EQ(OutcomeOf(TestShell("exit 7")).exit_code, 7);
  const CommandOutcome killed = OutcomeOf(TestShell("kill -SEGV $$"));
  EXPECT_EQ(killed.signal, SIGSEGV);
  EXPECT_EQ(killed.exit_code, 128 + SIGSEGV);
  EXPECT_FALSE(killed.ok());
}

TEST(RunCommand, PassesArgumentsUntouched) {
  CommandLine line;
  line.program = "printf";
  line.args = {"%s|", "a b", "$HOME", "", "'\"*"};
  line.env = ChildEnvironment({});
  EXPECT_EQ(OutcomeOf(line).out, "a b|$HOME||'\"*|");
}

TEST(RunCommand, FeedsInputOfAnySizeAlsoWhenNobodyReadsIt) {
  CommandLine line = TestShell("wc -c");
  line.input = std::string(3 << 20, 'i');
  EXPECT_EQ(OutcomeOf(line).out, "3145728\n");
  line.args[1] = "echo done";
  EXPECT_EQ(OutcomeOf(line).out, "done\n");
  EXPECT_EQ(OutcomeOf(TestShell("wc -c")).out, "0\n");
}

TEST(RunCommand, KeepsHeadAndTailOfLargeOutputButPassesOnAll) {
  RunOptions options;
  options.capture_limit = 1000;
  std::size_t seen = 0, seen_err = 0;
  options.output = [&](std::string_view chunk, bool is_stderr) { (is_stderr ? seen_err : seen) += chunk.size(); };
  const CommandOutcome outcome = OutcomeOf(
      TestShell("echo first; head -c 4000000 /dev/zero | tr '\\0' x; echo last; head -c 2000 /dev/zero >&2"), options);
  EXPECT_THAT(outcome.out, StartsWith("first\nxxx"));
  EXPECT_THAT(outcome.out, EndsWith("xxxlast\n"));
  EXPECT_THAT(outcome.out, HasSubstr("[... 3999011 bytes left out ...]"));
  EXPECT_EQ(outcome.out_dropped, 4000011u - 1000);
  EXPECT_EQ(outcome.err_dropped, 1000u);
  EXPECT_EQ(seen, 4000011u);
  EXPECT_EQ(seen_err, 2000u);
}

TEST(RunCommand, RunsInTheDirectory) {
  const TemporaryDirectory directory;
  CommandLine line = TestShell("pwd");
  line.directory = directory.path();
  EXPECT_EQ(OutcomeOf(line).out, directory.path().string() + "\n");
  line.directory = directory / "missing";
  const absl::Status status = RunCommand(line, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/missing: no such directory"));
}

TEST(RunCommand, SaysWhatIsNotFound) {
  CommandLine line;
  line.program = "sleeep";
  line.env = {{"PATH", "/usr/bin:/bin"}};
  const absl::Status status = RunCommand(line, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'sleeep' on PATH=/usr/bin:/bin; did you mean 'sleep'?"));
}

TEST(RunCommand, SaysWhatIsNoProgram) {
  const TemporaryDirectory directory;
  std::ofstream(directory / "data") << "no program";
  std::filesystem::permissions(directory / "data", std::filesystem::perms::owner_all);
  CommandLine line;
  line.program = (directory / "data").string();
  const absl::Status status = RunCommand(line, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("#!"));
}

TEST(RunCommand, SaysThatArgumentsAreTooLong) {
  CommandLine line = TestShell("true");
  line.args.assign(100, std::string(100000, 'a'));
  const absl::Status status = RunCommand(line, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("over the system's limit"));
}

TEST(RunCommand, DoesNotWaitForWhatHoldsItsOutput) {
  const TemporaryDirectory directory;
  const auto start = std::chrono::steady_clock::now();
  const CommandOutcome outcome = OutcomeOf(TestShell(DaemonCommand(directory / "pid") + "; echo mine"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(20));
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(outcome.out, "mine\n");
  const Witness daemon = AwaitWitness(directory / "pid");
  kill(daemon.pid, SIGKILL);
}

TEST(RunCommand, NoDescriptorOfOursReachesAChild) {
  std::vector<UniqueFd> open_ones;
  for (int i = 0; i < 20; ++i) open_ones.emplace_back(open("/dev/null", O_RDONLY));  // without CLOEXEC, as others do
  const CommandOutcome outcome = OutcomeOf(
      TestShell("i=0; while [ $i -lt 64 ]; do if [ -e /proc/$$/fd/$i ]; then printf '%s ' $i; fi; i=$((i+1)); done"));
  // The shell itself keeps no other descriptor while it runs `-c`.
  EXPECT_EQ(outcome.out, "0 1 2 ");
}

TEST(RunCommand, AThrowingObserverDoesNotLeaveTheCommandBehind) {
  const TemporaryDirectory directory;
  RunOptions options;
  options.output = [](std::string_view, bool) { throw std::runtime_error("observer"); };
  const std::string script = "echo $$ > " + (directory / "pid").string() + "; echo output; sleep 1000";
  EXPECT_THROW(RunCommand(TestShell(script), options).IgnoreError(), std::runtime_error);
  EXPECT_NE(kill(std::atoi(ReadFile(directory / "pid").c_str()), 0), 0);
}

TEST(RunCommand, RunsInManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 20; ++i) {
        const std::string text = std::to_string(t) + "." + std::to_string(i);
        EXPECT_EQ(OutcomeOf(TestShell("printf %s " + text)).out, text);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace millrace::exec
