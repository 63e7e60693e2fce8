// SPDX-License-Identifier: Apache-2.0
// Runs one command to its end, with its output, and stops its whole process tree when asked to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/time.h"
#include "millrace/exec/environment.h"
#include "millrace/exec/mask.h"

namespace millrace::exec {

struct CommandLine {
  std::string program;  // searched for on the PATH of `env`; with a slash, relative to `directory`
  std::vector<std::string> args;
  Environment env;                  // the whole of it: see ChildEnvironment
  std::filesystem::path directory;  // empty: ours
  std::string input;                // what it reads on stdin; without any it reads /dev/null
};

// `script` as /bin/sh reads it. Values belong into `env`, never into the text of the script.
CommandLine Shell(std::string script);

struct RunOptions {
  std::stop_token stop;  // TERM to the tree, `grace`, then KILL
  Duration grace = std::chrono::seconds(5);
  std::size_t capture_limit = 1 << 20;  // bytes kept of each stream: half of them its beginning, half its end
  const Masks* masks = nullptr;         // what must not be seen in the output, wherever it goes
  // Called with all output as it arrives, in the thread that runs the command.
  std::function<void(std::string_view chunk, bool is_stderr)> output;
};

struct CommandOutcome {
  int exit_code = 0;     // 128 + signal when a signal ended it, as shells say it
  int signal = 0;        // 0: ended by itself
  bool stopped = false;  // we were asked to stop it, whatever it then made of that
  bool killed = false;   // it, or something it had started, outlived the grace and was killed
  std::string out;       // with a line in place of what is over the limit
  std::string err;
  std::uint64_t out_dropped = 0;  // bytes that `out` lacks
  std::uint64_t err_dropped = 0;
  Duration started{};  // steady clock
  Duration ended{};
  Duration cpu_time{};            // user and system, of it and what it waited for
  std::uint64_t peak_memory = 0;  // bytes, of the largest of these

  bool ok() const { return exit_code == 0; }
  Duration elapsed() const { return ended - started; }
};

// Blocks until the command has ended. That something it left running still holds its output does not delay that by more
// than a second. A command that ran is an outcome, however it ended; a Status tells why it could not be run: NotFound
// with the PATH searched and the nearest names. When `output` throws, the command is killed and the exception passed
// on. Safe in any number of threads. The process must not ignore SIGCHLD nor wait for children it did not start.
absl::StatusOr<CommandOutcome> RunCommand(const CommandLine& line, const RunOptions& options);

}  // namespace millrace::exec
