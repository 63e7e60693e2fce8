// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_settings.h"

#include <algorithm>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"

namespace millrace::zmqctl {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr double kMostFaults = 600;  // a minute, of a kind
constexpr const char* kRateFlags[kFaultKinds] = {"--kill-workers", "--kill-broker", "--pause", "--cut",
                                                 "--freeze",       "--delay",       "--garble"};
// Without a word about any of them: a bit of all that may not break a promise.
constexpr FaultRates kRates = {10, 3, 6, 6, 6, 6, 0};

absl::Status ReadSpan(const char* flag, const std::string& text, Duration fallback, Duration low, Duration high,
                      Duration& out) {
  out = fallback;
  if (text.empty()) return absl::OkStatus();
  const absl::StatusOr<Duration> read = ParseDuration(text);
  if (!read.ok()) return Annotate(read.status(), flag);
  out = *read;
  if (out >= low && out <= high) return absl::OkStatus();
  return InvalidArgument("%s %s: allowed are %s to %s", flag, text, FormatDuration(low), FormatDuration(high));
}

absl::Status ReadRates(const ChaosArguments& arguments, FaultRates& rates) {
  const bool none = std::all_of(std::begin(arguments.rates), std::end(arguments.rates),
                                [](const std::string& text) { return text.empty(); });
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind) {
    rates[kind] = none ? kRates[kind] : 0;
    const std::string& text = arguments.rates[kind];
    if (text.empty()) continue;
    if (!absl::SimpleAtod(text, &rates[kind]) || !(rates[kind] >= 0) || rates[kind] > kMostFaults) {
      return InvalidArgument("%s %s: allowed are 0 to %g a minute", kRateFlags[kind], text, kMostFaults);
    }
  }
  return absl::OkStatus();
}

absl::Status ReadCount(const char* flag, std::int64_t value, std::int64_t high) {
  if (value >= 1 && value <= high) return absl::OkStatus();
  return InvalidArgument("%s %d: allowed are 1 to %d", flag, value, high);
}

std::string CommandOf(const ChaosArguments& arguments, const ChaosSettings& settings) {
  const auto ms = [](Duration span) {
    return absl::StrFormat("%dms", std::chrono::duration_cast<milliseconds>(span).count());
  };
  std::string command = absl::StrFormat(
      "zmqctl chaos '%s' --seed %u --workers %d --slots %d --duration %s --lease %s --heartbeat %s --crash-limit %d",
      settings.pipeline.string(), settings.seed, settings.workers, settings.slots, ms(settings.duration),
      ms(settings.lease), ms(settings.heartbeat), settings.crash_limit);
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind) {
    command += absl::StrFormat(" %s %g", kRateFlags[kind], settings.rates[kind]);
  }
  for (const std::string& task : arguments.expect_failure) command += " --expect-failure '" + task + "'";
  if (!arguments.steps.empty()) command += " --steps '" + arguments.steps + "'";
  return command + " --work-dir '" + settings.work_dir.string() + "' --keep";
}

}  // namespace

host::Command& DeclareChaos(host::FlagParser& parser, ChaosArguments& a) {
  host::Command& command =
      parser.root().Add("chaos", "Run a pipeline while its broker and workers are killed and cut off; judge it");
  command.Argument("PIPELINE", &a.file, "The pipeline, run on a fleet of its own on this machine")
      .Option("--workers", "N", &a.workers, "Workers (default 3)")
      .Option("--slots", "N", &a.slots, "Slots of each (default 2)")
      .Option("--duration", "DURATION", &a.duration,
              "How long there are faults, if the run lasts so long (default 60s)")
      .Option("--patience", "DURATION", &a.patience, "Afterwards, the run must end within this (default 2m)")
      .Option("--seed", "N", &a.seed, "Draw these faults; by default others each time, the seed is printed")
      .Option("--kill-workers", "R", &a.rates[0], "kill -9 of a worker, R times a minute; all R are mean rates")
      .Option("--kill-broker", "R", &a.rates[1], "kill -9 of the broker")
      .Option("--pause", "R", &a.rates[2], "SIGSTOP of a worker, up to twice its lease")
      .Option("--cut", "R", &a.rates[3], "Reset a worker's connections, and all new ones for a while")
      .Option("--freeze", "R", &a.rates[4], "Let nothing through to or from a worker, one way or both")
      .Option("--delay", "R", &a.rates[5], "Let everything through later")
      .Option("--garble", "R", &a.rates[6], "Put rubbish into a worker's streams")
      .Option("--lease", "DURATION", &a.lease, "The fleet's worker_heartbeat_timeout (default 3s)")
      .Option("--heartbeat", "DURATION", &a.heartbeat, "Its worker_heartbeat_interval (default a tenth of the lease)")
      .Option("--crash-limit", "N", &a.crash_limit, "Its crash_limit (default 100: the killing is ours)")
      .Option("--steps", "FILE", &a.steps, "What tasks write here of themselves is judged too; see docs/operations.md")
      .Option("--expect-failure", "TASK", &a.expect_failure, "It fails without faults, too; several are allowed")
      .Flag("--keep", &a.keep, "Keep the folder with journal and logs, also of a clean run")
      .Flag("-q,--quiet", &a.quiet, "Only the score card")
      .Flag("--json", &a.json, "Print the score card as JSON")
      .Setting("work_dir")
      .Setting("color")
      .Setting("log_level");
  command.Example("zmqctl chaos pipeline.yaml", "a minute of a bit of everything")
      .Example("zmqctl chaos pipeline.yaml --kill-workers 20 --kill-broker 6 --seed 7", "these two, and the same again")
      .Example("zmqctl chaos pipeline.yaml --json | jq .clean", "for a script; exit 1 when a promise was broken");
  return command;
}

absl::StatusOr<ChaosSettings> CheckChaos(const ChaosArguments& arguments, const Options& options) {
  ChaosSettings settings;
  std::error_code error;
  settings.pipeline = fs::absolute(arguments.file);
  settings.work_dir = fs::canonical(options.work_dir, error);
  if (error) return ErrnoStatus(error.value(), "--work-dir " + options.work_dir);
  if (!arguments.steps.empty()) settings.steps = settings.work_dir / arguments.steps;
  constexpr std::int64_t kMostWorkers = 50;
  constexpr std::int64_t kMostSlots = 256;
  MILLRACE_RETURN_IF_ERROR(ReadCount("--workers", arguments.workers, kMostWorkers));
  MILLRACE_RETURN_IF_ERROR(ReadCount("--slots", arguments.slots, kMostSlots));
  MILLRACE_RETURN_IF_ERROR(ReadCount("--crash-limit", arguments.crash_limit, 1000));
  settings.workers = static_cast<std::size_t>(arguments.workers);
  settings.slots = arguments.slots;
  settings.crash_limit = arguments.crash_limit;
  const Duration day = std::chrono::hours(24);
  MILLRACE_RETURN_IF_ERROR(
      ReadSpan("--duration", arguments.duration, seconds(60), milliseconds(100), day, settings.duration));
  MILLRACE_RETURN_IF_ERROR(
      ReadSpan("--patience", arguments.patience, seconds(120), seconds(1), day, settings.patience));
  MILLRACE_RETURN_IF_ERROR(ReadSpan("--lease", arguments.lease, seconds(3), milliseconds(500), day, settings.lease));
  MILLRACE_RETURN_IF_ERROR(ReadSpan("--heartbeat", arguments.heartbeat, settings.lease / 10, milliseconds(10),
                                    settings.lease / 2, settings.heartbeat));
  settings.seed = EntropyFromSystem() >> 32;  // short enough to be read out
  if (!arguments.seed.empty() && !absl::SimpleAtoi(arguments.seed, &settings.seed)) {
    return InvalidArgument("--seed %s: it is a whole number", arguments.seed);
  }
  MILLRACE_RETURN_IF_ERROR(ReadRates(arguments, settings.rates));
  settings.expect_failure = {arguments.expect_failure.begin(), arguments.expect_failure.end()};
  settings.command = CommandOf(arguments, settings);
  return settings;
}

}  // namespace millrace::zmqctl
