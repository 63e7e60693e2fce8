// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/context.h"

#include <algorithm>
#include <filesystem>

#include "millrace/api/task_output.h"
#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/exec/command.h"
#include "millrace/exec/environment.h"

namespace millrace {
namespace {

constexpr char kShell[] = "/bin/sh";

// Of a script, for messages.
std::string FirstLine(std::string_view script) {
  const std::size_t start = script.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return std::string(kShell);
  script.remove_prefix(start);
  const std::string_view line = script.substr(0, std::min<std::size_t>(script.find('\n'), 80));
  const bool is_all = script.find_first_not_of(" \t\r\n", line.size()) == std::string_view::npos;
  return std::string(line) + (is_all ? "" : " ...");
}

}  // namespace

std::string Context::idempotency_key() const { return RunName(run()) + "/" + task(); }

absl::StatusOr<std::string> Context::Secret(std::string_view variable) const {
  if (const auto at = attempt_.secrets.find(std::string(variable)); at != attempt_.secrets.end()) return at->second;
  std::vector<std::string> known;
  for (const auto& [name, value] : attempt_.secrets) known.push_back(name);
  return NotFound("the task names no secret '%s' in its policy%s", variable, DidYouMean(variable, known));
}

absl::StatusOr<CommandResult> Context::Execute(const CommandSpec& spec) { return RunShown(spec, spec.program); }

absl::StatusOr<CommandResult> Context::RunShown(const CommandSpec& spec, std::string_view shown) {
  if (spec.program.empty()) return InvalidArgument("a command needs a program");
  if (stop_.stop_requested()) {
    return Error(absl::StatusCode::kCancelled, "'%s' was not started: the task was asked to stop", shown);
  }
  exec::Environment extra = attempt_.env;
  for (const auto& [name, value] : spec.env) extra.insert_or_assign(name, value);
  for (const auto& [name, value] : attempt_.secrets) extra.insert_or_assign(name, value);
  extra.insert_or_assign("MILLRACE_TASK", task());
  extra.insert_or_assign("MILLRACE_RUN", RunName(run()));
  extra.insert_or_assign("MILLRACE_ATTEMPT", std::to_string(attempt().value));
  extra.insert_or_assign("MILLRACE_TRY", std::to_string(try_number()));
  extra.insert_or_assign("MILLRACE_IDEMPOTENCY_KEY", idempotency_key());

  exec::CommandLine line;
  line.program = spec.program;
  line.args = spec.args;
  line.env = exec::ChildEnvironment(std::move(extra));
  line.directory = std::filesystem::path(work_dir()) / spec.directory;
  line.input = spec.input;
  exec::RunOptions options;
  options.stop = stop_;
  options.grace = attempt_.kill_grace;
  options.capture_limit = spec.output_limit;
  options.masks = masks_;
  std::string tail;  // both streams as they were mixed, for the message of a failure
  options.output = [&](std::string_view chunk, bool is_stderr) {
    tail.append(chunk);
    if (tail.size() > (1 << 16)) tail.erase(0, tail.size() - (1 << 13));
    if (spec.print) output_.Write(chunk, is_stderr);
  };
  MILLRACE_ASSIGN_OR_RETURN(exec::CommandOutcome outcome, exec::RunCommand(line, options));
  if (outcome.stopped) {
    return Error(absl::StatusCode::kCancelled, "'%s' was stopped%s", shown,
                 outcome.killed ? " (it outlived the grace and was killed)" : "");
  }
  if (spec.check && outcome.exit_code != 0) {
    return CommandFailed(shown, outcome.exit_code, outcome.signal, tail);
  }
  return CommandResult{.exit_code = outcome.exit_code,
                       .output = std::move(outcome.out),
                       .errors = std::move(outcome.err),
                       .elapsed = outcome.elapsed()};
}

absl::StatusOr<CommandResult> Context::Shell(std::string_view script, const CommandSpec& spec) {
  CommandSpec shell = spec;
  shell.program = kShell;
  shell.args = {"-e", "-c", std::string(script)};
  return RunShown(shell, FirstLine(script));
}

void Context::Print(std::string_view text) {
  if (text.empty()) return;
  if (text.back() == '\n') return output_.Write(text, false);
  output_.Write(std::string(text) + "\n", false);
}

}  // namespace millrace
