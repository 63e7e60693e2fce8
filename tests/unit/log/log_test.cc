// SPDX-License-Identifier: Apache-2.0
#include "millrace/log/log.h"

#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace::log {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// What a program prints to standard error while it does this.
template <class Action>
std::string Printed(Action action) {
  testing::internal::CaptureStderr();
  action();
  return testing::internal::GetCapturedStderr();
}

void OneOfEach() {
  Debug("line %d", 1);
  Info("line %d", 2);
  Warning("line %s", "3");
  Error("line %d of %d", 4, 4);
}

// In a process of its own, in which Init was never called.
TEST(LogTest, BeforeInitOnlyErrorsArePrinted) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        OneOfEach();
        const bool right = Enabled(Level::kError) && !Enabled(Level::kWarning);
        _exit(right ? 0 : 1);
      },
      testing::ExitedWithCode(0),
      AllOf(HasSubstr("line 4 of 4\n"), Not(HasSubstr("line 1")), Not(HasSubstr("line 2")), Not(HasSubstr("line 3"))));
}

TEST(LogTest, LinesBelowTheLevelAreDropped) {
  const std::vector<Level> levels = {Level::kDebug, Level::kInfo, Level::kWarning, Level::kError, Level::kOff};
  for (std::size_t i = 0; i < levels.size(); ++i) {
    Init("log_test", levels[i]);
    const std::string printed = Printed(OneOfEach);
    for (std::size_t line = 0; line < 4; ++line) {
      EXPECT_EQ(Enabled(levels[line]), line >= i);
      EXPECT_EQ(printed.find("line " + std::to_string(line + 1)) != std::string::npos, line >= i) << printed;
    }
  }
}

TEST(LogTest, EachLineHasItsLevelTimeAndProcess) {
  Init("log_test", Level::kInfo);
  const std::string process = "millrace:" + std::to_string(getpid()) + "] ";
  EXPECT_THAT(Printed([] { Info("%s", "said"); }), testing::ContainsRegex("^I[0-9]{8} [0-9:.]+ +[0-9]+ "));
  EXPECT_THAT(Printed([] { Info("%s", "said"); }), HasSubstr(process + "said\n"));
  EXPECT_THAT(Printed([] { Warning("%s", "said"); }), AllOf(testing::StartsWith("W"), HasSubstr("said\n")));
  EXPECT_THAT(Printed([] { Error("%s", "said"); }), AllOf(testing::StartsWith("E"), HasSubstr("said\n")));
}

TEST(LogTest, WhatAPeerSaidIsNotReadAsAFormat) {
  Init("log_test", Level::kInfo);
  EXPECT_THAT(Printed([] { Info("%s", "100%s %n %d"); }), HasSubstr("] 100%s %n %d\n"));
}

TEST(LogTest, LinesOfManyThreadsStayWhole) {
  Init("log_test", Level::kInfo);
  const std::string text(200, 'x');
  const std::string printed = Printed([&] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) Info("<%s>", text);
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  std::size_t whole = 0;
  for (std::size_t at = 0; (at = printed.find("<" + text + ">\n", at)) != std::string::npos; ++at) ++whole;
  EXPECT_EQ(whole, 200U);
}

}  // namespace
}  // namespace millrace::log
