// SPDX-License-Identifier: Apache-2.0
// A program that a module runs, and what came of it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "millrace/base/time.h"

namespace millrace {

struct CommandSpec {
  std::string program{};  // searched for on PATH; with a slash, relative to `directory`
  std::vector<std::string> args{};
  std::map<std::string, std::string> env{};  // on top of the task's environment
  std::string directory{};                   // relative to the task's work directory; empty = that directory
  std::string input{};                       // what it reads on stdin
  bool check = true;                         // an exit code other than 0 is an error; false: it is a result like any
  bool print = true;                         // its output is the task's output too, as it arrives
  std::uint64_t output_limit = 1 << 20;  // bytes kept of each stream in the result: half its beginning, half its end
};

struct CommandResult {
  std::int32_t exit_code = 0;  // 128 + signal when a signal ended it, as shells say it
  std::string output;          // stdout; in place of what is over the limit stands a line that says so
  std::string errors;          // stderr, likewise
  Duration elapsed{};
  friend bool operator==(const CommandResult&, const CommandResult&) = default;
};

}  // namespace millrace
