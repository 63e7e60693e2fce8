// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/confinement.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "millrace/base/size.h"
#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/base/time.h"

namespace millrace::exec {
namespace {

enum class Unit { kSeconds, kCount, kBytes };

struct Kind {
  const char* name;
  decltype(RLIMIT_CPU) resource;  // an enumeration or an int, as the C library has it
  Unit unit;
  std::int64_t low;
  std::int64_t high;
};

constexpr std::int64_t kMostBytes = std::int64_t{1} << 60;
// The lower bounds are what a module host itself needs to come up, and to say what is wrong.
constexpr std::array<Kind, 7> kKinds = {{
    {"cpu", RLIMIT_CPU, Unit::kSeconds, 1, 365 * 24 * 3600},
    {"files", RLIMIT_NOFILE, Unit::kCount, 32, 1 << 20},
    {"file-size", RLIMIT_FSIZE, Unit::kBytes, 0, kMostBytes},
    {"processes", RLIMIT_NPROC, Unit::kCount, 1, 1 << 22},
    {"memory", RLIMIT_AS, Unit::kBytes, 64 << 20, kMostBytes},
    {"stack", RLIMIT_STACK, Unit::kBytes, 256 << 10, kMostBytes},
    {"core", RLIMIT_CORE, Unit::kBytes, 0, kMostBytes},
}};
constexpr char kNewPrivileges[] = "new-privileges";
// Between SIGXCPU, at which a program may still clean up, and SIGKILL.
constexpr rlim_t kSecondsToEnd = 5;

// Of this process, which is confined once, before it has threads; 0: none.
std::atomic<std::int64_t> cpu_limit{0};

const Kind* Find(std::string_view name) {
  const auto found = std::find_if(kKinds.begin(), kKinds.end(), [name](const Kind& kind) { return kind.name == name; });
  return found == kKinds.end() ? nullptr : &*found;
}

std::string ValueText(Unit unit, std::int64_t value) {
  if (unit == Unit::kSeconds) return absl::StrFormat("%ds", value);
  if (unit == Unit::kCount) return std::to_string(value);
  std::string text = FormatSize(value);
  const absl::StatusOr<std::int64_t> read = ParseSize(text);
  return read.ok() && *read == value ? text : std::to_string(value);
}

absl::StatusOr<std::int64_t> ReadValue(Unit unit, std::string_view text) {
  std::int64_t count = 0;
  if (unit == Unit::kBytes) return ParseSize(text);
  if (absl::SimpleAtoi(Av(text), &count)) return count;
  if (unit == Unit::kCount) return InvalidArgument("'%s' is no number", text);
  MILLRACE_ASSIGN_OR_RETURN(const Duration duration, ParseDuration(text));
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

}  // namespace

const std::vector<std::string>& TaskLimitNames() {
  static const std::vector<std::string>* const kNames = [] {
    auto* names = new std::vector<std::string>;
    for (const Kind& kind : kKinds) names->emplace_back(kind.name);
    return names;
  }();
  return *kNames;
}

absl::StatusOr<std::pair<std::string, std::int64_t>> ParseTaskLimit(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string name(text.substr(0, equals));
  const Kind* const kind = Find(name);
  if (kind == nullptr) {
    std::string known;
    for (const std::string& one : TaskLimitNames()) known += (known.empty() ? "" : ", ") + one;
    return InvalidArgument("'%s': there is no such limit; there are %s%s", text, known,
                           DidYouMean(name, TaskLimitNames()));
  }
  const std::string range =
      absl::StrFormat("%s=%s to %s", name, ValueText(kind->unit, kind->low), ValueText(kind->unit, kind->high));
  if (equals == std::string_view::npos) return InvalidArgument("'%s' lacks its value; allowed are %s", text, range);
  const absl::StatusOr<std::int64_t> value = ReadValue(kind->unit, text.substr(equals + 1));
  if (!value.ok()) return Annotate(value.status(), "allowed are " + range);
  if (*value < kind->low || *value > kind->high) return InvalidArgument("'%s'; allowed are %s", text, range);
  return std::pair(name, *value);
}

std::string TaskLimitText(const std::string& name, std::int64_t value) {
  const Kind* const kind = Find(name);
  return name + "=" + ValueText(kind == nullptr ? Unit::kCount : kind->unit, value);
}

absl::Status CheckTaskLimits(const TaskLimits& limits) {
  for (const auto& [name, value] : limits) {
    const Kind* const kind = Find(name);
    if (kind == nullptr) return ParseTaskLimit(name).status();
    rlimit now{};
    getrlimit(kind->resource, &now);
    if (now.rlim_max == RLIM_INFINITY || static_cast<rlim_t>(value) <= now.rlim_max) continue;
    return FailedPrecondition(
        "--task-limit %s is more than this process has itself: %s; set at most that, or raise its hard limit (ulimit "
        "-H, "
        "or Limit... of a systemd unit)",
        TaskLimitText(name, value), TaskLimitText(name, static_cast<std::int64_t>(now.rlim_max)));
  }
  return absl::OkStatus();
}

std::string ConfinementText(const Confinement& confinement) {
  std::string text = confinement.new_privileges ? kNewPrivileges : "";
  for (const auto& [name, value] : confinement.limits) {
    text += (text.empty() ? "" : ",") + TaskLimitText(name, value);
  }
  return text;
}

absl::StatusOr<Confinement> ParseConfinement(std::string_view text) {
  Confinement confinement;
  for (const absl::string_view word : absl::StrSplit(Av(text), ',', absl::SkipEmpty())) {
    if (word == kNewPrivileges) {
      confinement.new_privileges = true;
      continue;
    }
    MILLRACE_ASSIGN_OR_RETURN(auto limit, ParseTaskLimit({word.data(), word.size()}));
    confinement.limits.insert(std::move(limit));
  }
  return confinement;
}

absl::Status Confine(const Confinement& confinement) {
  if (!confinement.new_privileges) MILLRACE_RETURN_IF_ERROR(DropNewPrivileges());
  if (!confinement.limits.contains("core")) {
    rlimit core{};
    getrlimit(RLIMIT_CORE, &core);
    core.rlim_cur = 0;  // a program that wants to be examined may raise it for itself
    if (setrlimit(RLIMIT_CORE, &core) != 0) return ErrnoStatus(errno, "switch off core files");
  }
  for (const auto& [name, value] : confinement.limits) {
    const Kind* const kind = Find(name);
    if (kind == nullptr) return ParseTaskLimit(name).status();
    if (kind->resource == RLIMIT_CPU) {
      cpu_limit = value;
      continue;
    }
    const rlimit limit{static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
    if (setrlimit(kind->resource, &limit) != 0) return ErrnoStatus(errno, "limit " + TaskLimitText(name, value));
  }
  RenewCpuLimit();
  return absl::OkStatus();
}

absl::Status DropNewPrivileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "give up new privileges");
  return absl::OkStatus();
}

void RenewCpuLimit() {
  const std::int64_t seconds = cpu_limit;
  if (seconds == 0) return;
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  rlimit limit{};
  getrlimit(RLIMIT_CPU, &limit);
  limit.rlim_cur = std::min(limit.rlim_max, static_cast<rlim_t>(used.tv_sec + 1 + seconds));
  setrlimit(RLIMIT_CPU, &limit);
}

void HoldToCpuLimit(int pid) {
  const std::int64_t seconds = cpu_limit;
  if (seconds == 0) return;
  rlimit limit{};
  getrlimit(RLIMIT_CPU, &limit);
  limit.rlim_cur = static_cast<rlim_t>(seconds);
  limit.rlim_max = std::min(limit.rlim_max, limit.rlim_cur + kSecondsToEnd);
  prlimit(pid, RLIMIT_CPU, &limit, nullptr);  // one that has ended meanwhile needs none
}

}  // namespace millrace::exec
