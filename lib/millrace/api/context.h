// SPDX-License-Identifier: Apache-2.0
// What a running module sees of the world: commands, its output, its environment, the request to stop, and who it is.
// Lives as long as the call of Run. Execute, Shell and Print may be called from several threads of the module.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/api/command.h"
#include "millrace/api/failure_status.h"
#include "millrace/base/bytes.h"
#include "millrace/base/ids.h"
#include "millrace/model/outcome.h"
#include "millrace/model/slot.h"

namespace millrace {

class TaskOutput;
namespace exec {
class Masks;
}

// What became of one dependency, as bytes: for modules that take whatever they are given. C++ modules rather take
// From<M>.
struct DependencyView {
  std::string name;             // of the task: "build[configuration=Debug]"
  std::string module;           // "build"
  std::int32_t parameter = -1;  // of Run; -1 = bound by the module's name
  Outcome outcome = Outcome::kNone;
  Bytes result;  // msgpack, expanded; empty = no value
  Failure failure;
  Bytes inputs;  // of that module
};

class Context {
 public:
  // All arguments outlive the context.
  Context(const SlotExecute& attempt, std::span<const DependencyView> dependencies, std::stop_token stop,
          TaskOutput& output, const exec::Masks* masks = nullptr)
      : attempt_(attempt), dependencies_(dependencies), stop_(std::move(stop)), output_(output), masks_(masks) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Runs a program to its end. Its environment is an allow-listed part of ours (PATH, HOME, LANG, LC_ALL, TZ, TMPDIR,
  // USER, SHELL), then the task's env(), the spec's, the task's secrets, and MILLRACE_TASK, _RUN, _ATTEMPT, _TRY,
  // _IDEMPOTENCY_KEY. Errors: NotFound when there is no such program, Cancelled when the task was asked to stop, and
  // with `check` a bad end: FailedPrecondition with exit code and last lines, or Unavailable (worth another try) for
  // exit 75 and signals.
  absl::StatusOr<CommandResult> Execute(const CommandSpec& spec);
  // `script` as /bin/sh -e reads it. Values belong into the environment, never into the text.
  absl::StatusOr<CommandResult> Shell(std::string_view script) { return Shell(script, {}); }
  // The same with everything else taken from `spec`; its program and args are not looked at.
  absl::StatusOr<CommandResult> Shell(std::string_view script, const CommandSpec& spec);

  // Appends to the task's output; a missing newline is added.
  void Print(std::string_view text);

  // Set on a cancel, a timeout, or the end of the worker. A module that returns soon after ends as cancelled; one that
  // does not is killed when the grace is over.
  const std::stop_token& stop_token() const { return stop_; }

  const std::string& task() const { return attempt_.name; }
  RunId run() const { return attempt_.task.run; }
  std::uint32_t try_number() const { return attempt_.try_number; }  // 1 is the first
  AttemptId attempt() const { return attempt_.attempt; }
  const std::string& work_dir() const { return attempt_.work_dir; }
  const std::map<std::string, std::string>& env() const { return attempt_.env; }
  // The value of a secret, by the variable that Policy::secrets gives it. NotFound for one that is not named there.
  // Whatever is printed or returned is masked (***), also in other forms: see docs/security.md.
  absl::StatusOr<std::string> Secret(std::string_view variable) const;
  // The same for every try of this task: for talking to others who must not do a thing twice.
  std::string idempotency_key() const;

  std::span<const DependencyView> dependencies() const { return dependencies_; }

 private:
  // `shown` is what people read in messages: the program, or the first line of a script.
  absl::StatusOr<CommandResult> RunShown(const CommandSpec& spec, std::string_view shown);

  const SlotExecute& attempt_;
  std::span<const DependencyView> dependencies_;
  std::stop_token stop_;
  TaskOutput& output_;
  const exec::Masks* masks_;  // nullptr: the task has no secrets
};

}  // namespace millrace
