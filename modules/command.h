// SPDX-License-Identifier: Apache-2.0
// The module behind every `run:` of a YAML pipeline: a shell script or a program with arguments.
//
// The command finds the results of its dependencies as JSON files, $MILLRACE_INPUTS/NAME.json, where NAME is the task's
// name with every character but letters, digits and ._-=[], written as %XX; a dependency without a value has no file.
// What it writes to $MILLRACE_OUTPUT, as JSON, is its own result; else that is {"exit_code": 0, "output": stdout}.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/api/api.h"

namespace millrace::modules {

struct Command {
  static constexpr std::string_view kName = "command";
  static constexpr std::string_view kVersion = "1";

  std::string shell{};                       // a script for /bin/sh -e; or
  std::vector<std::string> argv{};           // a program and its arguments, with no shell in between
  std::string directory{};                   // relative to the work directory
  std::map<std::string, std::string> env{};  // on top of the task's
  std::string input{};                       // for its stdin
  std::uint64_t output_limit = 64 << 10;     // bytes of stdout kept in the result; all of it is shown in any case

  absl::StatusOr<Value> Run(Context& context) const;
};

// The name of a dependency's file, without ".json".
std::string InputFileName(std::string_view task);

}  // namespace millrace::modules
