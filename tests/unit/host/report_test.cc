// SPDX-License-Identifier: Apache-2.0
// How a run ends for whoever started it: what is printed where, and the exit code.
#include "millrace/host/report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/host/exit_code.h"

#include <nlohmann/json.hpp>

namespace millrace::host {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Printed {
  int code = 0;
  std::string out;
  std::string err;
};

Printed Report(const absl::StatusOr<Summary>& summary, bool json = false, Color color = Color::kAuto) {
  Options options;
  options.color = color;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Printed printed;
  printed.code = ReportEnd(summary, options, json);
  printed.out = testing::internal::GetCapturedStdout();
  printed.err = testing::internal::GetCapturedStderr();
  return printed;
}
Summary Ended(RunState state) {
  Summary summary;
  summary.run.name = "ci";
  summary.run.state = state;
  TaskView& task = summary.tasks.emplace_back();
  task.name = "build";
  return summary;
}

TEST(ReportTest, A03_TheExitCodeFollowsTheRun) {
  EXPECT_EQ(Report(Ended(RunState::kSucceeded)).code, 0);
  EXPECT_EQ(Report(Ended(RunState::kFailed)).code, 1);
  EXPECT_EQ(Report(Ended(RunState::kCancelled)).code, 130);
  EXPECT_EQ(Report(Ended(RunState::kRunning)).code, 1);  // abandoned: not known to be green
  for (const bool json : {false, true}) EXPECT_EQ(Report(Ended(RunState::kFailed), json).code, 1);
}

TEST(ReportTest, TheTableGoesToStandardErrorAndIsPlainThere) {
  const Printed printed = Report(Ended(RunState::kSucceeded));
  EXPECT_THAT(printed.out, IsEmpty());
  EXPECT_THAT(printed.err, HasSubstr("build"));
  EXPECT_THAT(printed.err, Not(HasSubstr("\x1b")));
  EXPECT_THAT(Report(Ended(RunState::kSucceeded), false, Color::kAlways).err, HasSubstr("\x1b[32m"));
}

TEST(ReportTest, JsonGoesToStandardOutputAndNothingElseDoes) {
  const Printed printed = Report(Ended(RunState::kFailed), /*json=*/true);
  EXPECT_THAT(printed.err, IsEmpty());
  const auto json = nlohmann::json::parse(printed.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << printed.out;
  EXPECT_EQ(json["run"]["state"], "failed");
  EXPECT_EQ(json["tasks"][0]["name"], "build");
}

TEST(ReportTest, WhatWentWrongIsSaidOnce) {
  const Printed printed = Report(Unavailable("no broker at tcp://build-1:8080"), /*json=*/true);
  EXPECT_EQ(printed.code, kUnreachable);
  EXPECT_THAT(printed.out, IsEmpty());
  EXPECT_EQ(printed.err, "no broker at tcp://build-1:8080\n");
  EXPECT_EQ(Report(absl::CancelledError("interrupted")).code, kInterrupted);
  EXPECT_EQ(Report(InvalidArgument("a cycle")).code, kBadInput);
}

TEST(ReportTest, AnyBytesInASummaryGiveValidJson) {
  Summary summary = Ended(RunState::kFailed);
  summary.tasks[0].failure.message = "\xff\x1b\"";
  EXPECT_TRUE(nlohmann::json::accept(SummaryJson(summary)));
  EXPECT_TRUE(nlohmann::json::accept(SummaryJson({})));
}

TEST(ReportTest, ColoursCanBeForcedEitherWay) {
  Options options;
  options.color = Color::kAlways;
  EXPECT_TRUE(ConsoleFor(stderr, options).colour);
  options.color = Color::kNever;
  EXPECT_FALSE(ConsoleFor(stderr, options).colour);
}

}  // namespace
}  // namespace millrace::host
