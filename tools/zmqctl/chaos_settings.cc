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
