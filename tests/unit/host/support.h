// SPDX-License-Identifier: Apache-2.0
// What the tests of host share: a pipeline whose one step ends as it is told, this program run as a pipeline program, a
// console that can be read, and waiting on conditions.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "millrace/api/api.h"
#include "millrace/exec/command.h"
#include "millrace/exec/environment.h"
#include "millrace/host/console.h"
#include "tests/support/temporary.h"

namespace millrace::host {

using millrace::test::Eventually;
using millrace::test::TemporaryDirectory;

// A file in memory that a Console writes to.
class Paper {
 public:
  Paper() : file_(open_memstream(&text_, &size_)) {}
  ~Paper() {
    std::fclose(file_);
    std::free(text_);
  }
  Paper(const Paper&) = delete;
  Paper& operator=(const Paper&) = delete;

  std::FILE* file() { return file_; }
  std::string Text() {
    std::fflush(file_);
    return {text_, size_};
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* file_;
};

// Ends in the way that `how` says.
struct Step {
  static constexpr std::string_view kName = "step";
  std::string how = "well";
  absl::StatusOr<std::string> Run(Context& context) const {
    if (how == "error") {
      context.Print("the last words");
      return absl::InvalidArgumentError("the sky is green");
    }
    if (how == "wait") {
      std::ofstream("pid.tmp") << getpid();
      std::filesystem::rename("pid.tmp", "pid");  // whoever waits for it never reads half of it
      while (!context.stop_token().stop_requested()) poll(nullptr, 0, 5);
      return absl::CancelledError("told to stop");
    }
    return how;
  }
};

struct After {
  static constexpr std::string_view kName = "after";
  absl::StatusOr<std::int64_t> Run(Context&, FromAll<Step>) const { return 1; }
};

inline Pipeline StepPipeline(const std::string& how) { return Pipeline{Step{.how = how}, After{}}.Named("ci"); }

// This executable as the pipeline program `ci` (see main.cc), in a home of its own.
class Program {
 public:
  explicit Program(std::string how) : how_(std::move(how)) {}

  exec::CommandOutcome Run(std::vector<std::string> args) {
    exec::CommandLine line;
    line.program = std::filesystem::read_symlink("/proc/self/exe");
    line.args = {"--test-program", how_};
    line.args.insert(line.args.end(), args.begin(), args.end());
    line.env = exec::ChildEnvironment({{"HOME", home_.path().string()},
                                       {"XDG_STATE_HOME", home_ / "state"},
                                       {"MILLRACE_DETECT_TOOLS", "false"}});  // which takes a while
    line.directory = home_.path();
    auto outcome = exec::RunCommand(line, {});
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *std::move(outcome) : exec::CommandOutcome{};
  }
  const TemporaryDirectory& home() const { return home_; }

 private:
  std::string how_;
  TemporaryDirectory home_;
};

}  // namespace millrace::host
