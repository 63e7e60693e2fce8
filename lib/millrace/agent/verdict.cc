// SPDX-License-Identifier: Apache-2.0
#include "millrace/agent/verdict.h"

#include <array>
#include <csignal>
#include <string_view>
#include <utility>

#include "millrace/base/size.h"
#include "millrace/base/status.h"
#include "millrace/base/text.h"

namespace millrace::agent {
namespace {

constexpr std::int32_t kExitTempFail = 75;
// A module may kill what watches over it. Up to this try of its task that is taken for an accident.
constexpr std::uint32_t kTriesBeforeSuspicion = 3;

struct SignalName {
  int number;
  std::string_view name;
};
constexpr std::array<SignalName, 13> kSignals = {{{SIGHUP, "SIGHUP"},
                                                  {SIGINT, "SIGINT"},
                                                  {SIGQUIT, "SIGQUIT"},
                                                  {SIGILL, "SIGILL"},
                                                  {SIGTRAP, "SIGTRAP"},
                                                  {SIGABRT, "SIGABRT"},
                                                  {SIGBUS, "SIGBUS"},
                                                  {SIGFPE, "SIGFPE"},
                                                  {SIGKILL, "SIGKILL"},
                                                  {SIGSEGV, "SIGSEGV"},
                                                  {SIGPIPE, "SIGPIPE"},
                                                  {SIGTERM, "SIGTERM"},
                                                  {SIGXCPU, "SIGXCPU"}}};

bool IsGoodEnd(Outcome outcome) { return outcome == Outcome::kSucceeded || outcome == Outcome::kSkipped; }

// The words of a module that made it to its end, as far as they are words.
void TakeDone(SlotDone& done, AttemptReport& report) {
  report.execution = done.execution;
  report.failure = std::move(done.failure);
  report.outcome = done.outcome;
  switch (done.outcome) {
    case Outcome::kSucceeded: report.artifacts = std::move(done.artifacts); [[fallthrough]];
    case Outcome::kSkipped: report.result = std::move(done.result); break;
    case Outcome::kFailed:
    case Outcome::kCancelled: break;
    default:
      report.outcome = Outcome::kFailed;
      report.failure.message = absl::StrFormat("the module's process ended with outcome %d, which is none of its own",
                                               static_cast<int>(done.outcome));
  }
}

void Crash(const Death& death, AttemptReport& report) {
  report.outcome = Outcome::kFailed;
  report.failure.crashed = true;
  report.failure.exit_code = death.exit_code;
  report.failure.signal = death.signal;
  report.failure.transient = death.signal != 0 || death.exit_code == kExitTempFail;
  report.failure.message = "module process died: " + Describe(death);
  if (death.oom_killed) {
    report.failure.message += "; the kernel killed it because its machine or container was out of memory";
  } else if (death.signal == SIGKILL) {
    report.failure.message += "; not killed by Millrace: out of memory?";
  }
}

// Another try would need as much: plain, and so tried again only where the module says `retries`. Nobody else is to
// blame either, so that it is no crash.
void OutOfMemory(std::int64_t used, std::int64_t limit, AttemptReport& report) {
  report.outcome = Outcome::kFailed;
  report.failure.out_of_memory = true;
  report.failure.message =
      absl::StrFormat("out of memory: used %s, limit %s (memory_limit)", FormatSize(used), FormatSize(limit));
}

void Limit(Failure& failure) {
  for (std::string* text : {&failure.message, &failure.exception}) {
    if (text->size() > kMaxFailureText) *text = Beginning(*text, kMaxFailureText);
  }
  if (failure.output.size() > kMaxFailureText) failure.output = Ending(failure.output, kMaxFailureText);
}

}  // namespace

std::string Describe(const Death& death) {
  if (death.signal == 0) return absl::StrFormat("exit code %d", death.exit_code);
  for (const SignalName& known : kSignals) {
    if (known.number == death.signal) return absl::StrFormat("signal %d (%s)", death.signal, known.name);
  }
  return absl::StrFormat("signal %d", death.signal);
}

std::optional<AttemptReport> Verdict(const Slot& slot, std::optional<SlotDone>&& done,
                                     const std::optional<Death>& death, Instant now) {
  std::optional<AttemptReport> verdict(std::in_place);  // made where the caller wants it
  AttemptReport& report = *verdict;
  report.attempt = slot.attempt;
  report.execution = now - slot.started;
  const Duration ran = done.has_value() ? done->execution : report.execution;
  // Who finished in time has finished, whatever was asked for while the news was on its way.
  const bool in_time = done.has_value() && IsGoodEnd(done->outcome) &&
                       (slot.cause != StopCause::kTimeout || slot.timeout <= Duration::zero() || ran < slot.timeout);
  if (slot.cause == StopCause::kUnwanted || (slot.cause == StopCause::kLeaving && !in_time)) {
    verdict.reset();
    return verdict;
  }

  // A module that was killed with its commands may still have seen one of them die first: that is not the reason.
  const bool over_limit = slot.cause == StopCause::kNone && death.has_value() && death->memory_used > 0;
  if (in_time || (slot.cause == StopCause::kNone && done.has_value() && !over_limit)) {
    TakeDone(*done, report);
  } else if (over_limit) {
    OutOfMemory(death->memory_used, slot.memory_limit, report);
  } else if (slot.cause == StopCause::kTimeout) {
    report.outcome = Outcome::kTimedOut;
    report.failure.transient = true;
    report.failure.message = absl::StrFormat(
        "timed out after %s (limit %s)", FormatDuration(slot.stopped_at - slot.started), FormatDuration(slot.timeout));
  } else if (slot.cause == StopCause::kCancel) {
    report.outcome = Outcome::kCancelled;
    report.failure.message = "cancelled while it ran";
  } else if (death.has_value() && death->supervisor_lost && slot.try_number <= kTriesBeforeSuspicion) {
    report.outcome = Outcome::kLost;  // goes back to the queue, and no retry is consumed
    report.failure.message = "the supervisor of its slot was killed: " + Describe(*death);
  } else {
    Crash(death.value_or(Death{}), report);
  }
  if (!death.has_value() && !done.has_value()) report.failure.message += "; it did not stop and still runs";
  if (done.has_value() && report.failure.output.empty()) report.failure.output = std::move(done->failure.output);
  if (!IsGoodEnd(report.outcome) && report.failure.output.empty()) report.failure.output = slot.tail.Text();
  Limit(report.failure);
  return verdict;
}

}  // namespace millrace::agent
