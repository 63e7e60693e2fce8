// SPDX-License-Identifier: Apache-2.0
// A whole pipeline program, started as people start it: exit codes, what goes to which stream, and what is refused.
#include "millrace/host/main.h"

#include <csignal>
#include <thread>

#include "gmock/gmock.h"
#include "millrace/base/status.h"
#include "millrace/host/exit_code.h"
#include "tests/unit/host/support.h"

#include <nlohmann/json.hpp>

namespace millrace::host {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

TEST(MainTest, A40_AGreenRunExitsWithZeroAndIsPlainWhereNobodyLooks) {
  Program program("well");
  const exec::CommandOutcome ran = program.Run({"run"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, AllOf(HasSubstr("done      step"), HasSubstr("2 succeeded"), Not(HasSubstr("\x1b")),
                             Not(HasSubstr("\r"))));
}

TEST(MainTest, A03_A37_ARedRunExitsWithOneAndSaysWhy) {
  Program program("error");
  const exec::CommandOutcome ran = program.Run({"run", "--in-process"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("the sky is green"), HasSubstr("    | the last words"),
                             HasSubstr("worker local on host"), HasSubstr("root cause: step")));
}

TEST(MainTest, JsonOnStandardOutputIsNothingButJson) {
  Program program("well");
  const exec::CommandOutcome ran = program.Run({"run", "--json", "-q"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.err, IsEmpty());
  const auto json = nlohmann::json::parse(ran.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << ran.out;
  EXPECT_EQ(json["run"]["state"], "succeeded");
  EXPECT_EQ(json["tasks"].size(), 2u);
}

TEST(MainTest, ColoursCanBeForced) {
  Program program("well");
  EXPECT_THAT(program.Run({"run", "--in-process", "--color", "always"}).err, HasSubstr("\x1b[32m"));
}

TEST(MainTest, A20_ATermCancelsTheRunAndTheSummaryIsWhole) {
  Program program("wait");
  exec::CommandOutcome ran;
  std::thread runner([&] { ran = program.Run({"run", "--in-process"}); });
  const std::string file = program.home() / "pid";
  EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(file); }));
  pid_t pid = 0;
  std::ifstream(file) >> pid;
  ASSERT_GT(pid, 1);
  EXPECT_EQ(kill(pid, SIGTERM), 0);
  runner.join();
  EXPECT_EQ(ran.exit_code, kInterrupted);
  EXPECT_EQ(ran.signal, 0);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("cancelling"), HasSubstr("cancelled step"), HasSubstr("2 cancelled")));
}

TEST(MainTest, APlanRunsNothing) {
  Program program("wait");
  const exec::CommandOutcome planned = program.Run({"plan"});
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_THAT(planned.out, AllOf(StartsWith("wave  module"), HasSubstr("2     after"), HasSubstr("2 modules in 2")));
  EXPECT_FALSE(std::filesystem::exists(program.home() / "pid"));
}

TEST(MainTest, A45_WhatIsWrongOnTheCommandLineIsRefusedBeforeAnythingRuns) {
  Program program("well");
  const exec::CommandOutcome unknown = program.Run({"run", "--colour", "always"});
  EXPECT_EQ(unknown.exit_code, kUsage);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("--colour"), HasSubstr("--color")));
  EXPECT_EQ(program.Run({"rnu"}).exit_code, kUsage);
  const exec::CommandOutcome bad = program.Run({"run", "--color", "green"});
  EXPECT_EQ(bad.exit_code, kBadConfig);
  EXPECT_THAT(bad.err, AllOf(HasSubstr("green"), HasSubstr("always")));
  const exec::CommandOutcome directory = program.Run({"run", "--work-dir", "/nowhere/at/all"});
  EXPECT_NE(directory.exit_code, 0);
  EXPECT_THAT(directory.err, HasSubstr("--work-dir"));
}

TEST(MainTest, AWorkerOrASubmissionWithoutABrokerSaysWhatIsMissing) {
  Program program("well");
  for (const char* mode : {"worker", "submit"}) {
    const exec::CommandOutcome ran = program.Run({mode});
    EXPECT_GE(ran.exit_code, 64) << mode;
    EXPECT_THAT(ran.err, HasSubstr("ORCHESTRATOR_URL")) << mode;
  }
}

TEST(MainTest, HelpVersionAndCompletionGoToStandardOutput) {
  Program program("well");
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"--help"}, {"run", "--help"}, {"--version"}, {"--completion", "bash"}}) {
    const exec::CommandOutcome ran = program.Run(args);
    EXPECT_EQ(ran.exit_code, 0) << args[0];
    EXPECT_THAT(ran.out, Not(IsEmpty())) << args[0];
    EXPECT_THAT(ran.err, IsEmpty()) << args[0];
  }
}

TEST(MainTest, TheSameFromCode) {
  TemporaryDirectory folder;
  Options options;
  options.data_dir = folder / "data";
  options.work_dir = folder.path().string();
  options.detect_tools = false;
  const auto good = millrace::Run(StepPipeline("well"), options);
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_TRUE(good->ok());
  const auto bad = millrace::Run(StepPipeline("error"), options);
  ASSERT_TRUE(bad.ok()) << bad.status();
  EXPECT_FALSE(bad->ok());
  options.max_payload_size = -1;
  EXPECT_EQ(millrace::Run(StepPipeline("well"), options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(MainTest, AnOrdinaryCommandLineMakesNoChild) {
  const Pipeline pipeline = StepPipeline("well");
  const char* argv[] = {"ci", "run", nullptr};
  EXPECT_EQ(MaybeRunChild(2, const_cast<char**>(argv), pipeline.registry()), std::nullopt);
}

}  // namespace
}  // namespace millrace::host
