// SPDX-License-Identifier: Apache-2.0
#include "millrace/report/crash_card.h"

#include <csignal>
#include <utility>

#include "absl/strings/str_format.h"

namespace millrace::report {
namespace {

// The ones that Linux knows by these numbers on every machine that we run on; sigabbrev_np is not everywhere.
constexpr std::pair<int, const char*> kSignals[] = {
    {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},   {SIGTRAP, "SIGTRAP"},
    {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"},
    {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"}, {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},
    {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}, {SIGSYS, "SIGSYS"}};

}  // namespace

std::string SignalName(int signal) {
  for (const auto& [number, name] : kSignals) {
    if (number == signal) return name;
  }
  return absl::StrFormat("signal %d", signal);
}

bool HasFailed(const TaskView& task) {
  return task.outcome == Outcome::kFailed || task.outcome == Outcome::kTimedOut || task.outcome == Outcome::kLost;
}

std::string HowItEnded(const TaskView& task) {
  const Failure& failure = task.failure;
  std::string how;
  const auto add = [&how](const std::string& part) { how += (how.empty() ? "" : ", ") + part; };
  if (failure.out_of_memory) add("out of memory");
  if (task.outcome == Outcome::kTimedOut) add("over its timeout");
  if (task.outcome == Outcome::kLost) add("its worker was lost");
  if (failure.signal != 0) add(absl::StrFormat("signal %d (%s)", failure.signal, SignalName(failure.signal)));
  if (failure.exit_code != 0) add(absl::StrFormat("exit code %d", failure.exit_code));
  if (!failure.exception.empty()) add(failure.exception + " thrown");
  return how;
}

const std::string& HostOf(const TaskView& task) { return task.failure.host.empty() ? task.host : task.failure.host; }

std::string ShellWord(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,=";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) return std::string(text);
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string RerunCommand(std::string_view program, RunId run, const std::string& task, std::string_view source) {
  return absl::StrFormat("%s rerun %s --run %s --local%s%s", ShellWord(program), ShellWord(task), RunName(run),
                         source.empty() ? "" : " ", source);
}

}  // namespace millrace::report
