// SPDX-License-Identifier: Apache-2.0
// Commands of a module: their environment, their output, their bad ends.
#include "millrace/api/context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "attempt.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ContextTest : public ::testing::Test {
 protected:
  ContextTest()
      : execute_(testing::AttemptOf("module")),
        output_([this](std::string_view text, bool is_stderr) { (is_stderr ? err_ : out_).append(text); }),
        context_(execute_, {}, stop_.get_token(), output_) {
    execute_.name = "build[configuration=Debug]";
    execute_.try_number = 2;
    execute_.work_dir = "/";
  }

  SlotExecute execute_;
  std::stop_source stop_;
  std::string out_;
  std::string err_;
  TaskOutput output_;
  Context context_;
};

TEST_F(ContextTest, ACommandsOutputIsItsResultAndTheTasks) {
  const auto result =
      context_.Execute({.program = "sh", .args = {"-c", "echo one; echo two >&2; cat"}, .input = "three"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "one\nthree");
  EXPECT_EQ(result->errors, "two\n");
  EXPECT_EQ(result->exit_code, 0);
  EXPECT_GT(result->elapsed.count(), 0);
  EXPECT_EQ(out_, "one\nthree");
  EXPECT_EQ(err_, "two\n");
}

TEST_F(ContextTest, WhatIsNotPrintedIsStillInTheResult) {
  EXPECT_EQ(context_.Execute({.program = "echo", .args = {"quiet"}, .print = false})->output, "quiet\n");
  EXPECT_EQ(out_, "");
}

TEST_F(ContextTest, A37_ABadEndIsAnErrorWithExitCodeAndLastLines) {
  const auto result = context_.Shell("echo compiling; echo 'a.c:1: error' >&2; exit 3");
  ASSERT_FALSE(result.ok());
  const Failure failure = FailureOf(result.status());
  EXPECT_EQ(failure.exit_code, 3);
  EXPECT_EQ(failure.output, "compiling\na.c:1: error");
  EXPECT_THAT(failure.message, AllOf(HasSubstr("echo compiling;"), HasSubstr("exit code 3: a.c:1: error")));
  EXPECT_FALSE(failure.transient);
}

TEST_F(ContextTest, A08_Exit75AndSignalsAreWorthAnotherTry) {
  EXPECT_TRUE(absl::IsUnavailable(context_.Shell("exit 75").status()));
  const Failure killed = FailureOf(context_.Shell("kill -9 $$").status());
  EXPECT_EQ(killed.signal, 9);
  EXPECT_TRUE(killed.transient);
}

TEST_F(ContextTest, WithoutCheckABadEndIsAResult) {
  EXPECT_EQ(context_.Execute({.program = "sh", .args = {"-c", "exit 3"}, .check = false})->exit_code, 3);
}

TEST_F(ContextTest, AScriptEndsAtItsFirstFailingCommand) {
  EXPECT_FALSE(context_.Shell("false\necho 'still here'").ok());
  EXPECT_EQ(out_, "");
}

TEST_F(ContextTest, NoSuchProgramIsNotFound) {
  const auto result = context_.Execute({.program = "no-such-program-anywhere"});
  EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
  EXPECT_FALSE(context_.Execute({}).ok());
}

TEST_F(ContextTest, ChildrenLearnWhoTheyAre) {
  const auto env = context_.Shell("env")->output;
  EXPECT_THAT(env, HasSubstr("MILLRACE_TASK=build[configuration=Debug]\n"));
  EXPECT_THAT(env, HasSubstr("MILLRACE_RUN=3.17\n"));
  EXPECT_THAT(env, HasSubstr("MILLRACE_TRY=2\n"));
  EXPECT_THAT(env, HasSubstr("MILLRACE_ATTEMPT=12884901929\n"));
  EXPECT_THAT(env, HasSubstr("MILLRACE_IDEMPOTENCY_KEY=3.17/build[configuration=Debug]\n"));
}

TEST_F(ContextTest, A45_ChildrenDoNotInheritSettings) {
  setenv("ORCHESTRATOR_URL", "tcp://secret:1", 1);
  setenv("SOME_OTHER_VARIABLE", "leak", 1);
  execute_.env = {{"CC", "gcc"}, {"CXX", "g++"}};
  const auto env = context_.Shell("env", {.env = {{"CXX", "clang++"}}})->output;
  unsetenv("ORCHESTRATOR_URL");
  unsetenv("SOME_OTHER_VARIABLE");
  EXPECT_THAT(env, Not(HasSubstr("ORCHESTRATOR_URL")));
  EXPECT_THAT(env, Not(HasSubstr("leak")));
  EXPECT_THAT(env, AllOf(HasSubstr("CC=gcc\n"), HasSubstr("CXX=clang++\n"), HasSubstr("PATH=")));
}

TEST_F(ContextTest, CommandsRunInTheWorkDirectory) {
  execute_.work_dir = std::filesystem::temp_directory_path();
  EXPECT_EQ(context_.Shell("pwd -P")->output, std::filesystem::canonical(execute_.work_dir).string() + "\n");
  execute_.work_dir = "/";
  EXPECT_EQ(context_.Shell("pwd", {.directory = "usr"})->output, "/usr\n");
}

TEST_F(ContextTest, A20_AStopEndsACommandSoon) {
  const auto started = std::chrono::steady_clock::now();
  std::jthread stopper([&] { stop_.request_stop(); });
  const auto result = context_.Shell("sleep 60");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled) << result.status();
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(20));
  EXPECT_EQ(context_.Shell("echo never").status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(out_, "");
}

TEST_F(ContextTest, PrintAddsAMissingNewline) {
  context_.Print("one");
  context_.Print("two\n");
  context_.Print("");
  EXPECT_EQ(out_, "one\ntwo\n");
}

}  // namespace
}  // namespace millrace
