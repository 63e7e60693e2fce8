// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/pipeline.h"

#include <algorithm>
#include <unordered_map>

#include "millrace/api/build_id.h"
#include "millrace/api/instance_graph.h"
#include "millrace/base/digest.h"
#include "millrace/base/status.h"

namespace millrace {
namespace detail {
namespace {

constexpr std::size_t kLongestShownValue = 64;

bool IsPlain(std::string_view text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '\x7f' || c == ',' || c == '[' || c == ']' || c == '=' ||
           c == '"';
  });
}

// Strings stand without quotes where that leaves no doubt; all else as JSON.
std::string ShownValue(const Bytes& encoded) {
  std::string shown = ToJson(encoded).value_or("?");
  if (shown.size() > 2 && shown.front() == '"' && shown.find('\\') == std::string::npos) {
    const std::string_view inner = std::string_view(shown).substr(1, shown.size() - 2);
    if (IsPlain(inner)) shown = std::string(inner);
  }
  if (shown.size() <= kLongestShownValue && shown != "?") return shown;
  std::size_t cut = std::min<std::size_t>(shown.size(), 24);
  while (cut > 0 && (static_cast<unsigned char>(shown[cut]) & 0xc0) == 0x80) --cut;  // not inside a UTF-8 character
  return shown.substr(0, cut) + "~" + Sha256(encoded.view()).Hex().substr(0, 8);
}

}  // namespace

std::string InstanceName(std::string_view module, const std::vector<ChosenField>& chosen) {
  std::string name(module);
  if (chosen.empty()) return name;
  char separator = '[';
  for (const ChosenField& field : chosen) {
    name += separator;
    name.append(field.name).append("=").append(ShownValue(field.encoded));
    separator = ',';
  }
  return name + "]";
}

}  // namespace detail

namespace {

// A table in which equal values stand once.
template <class T>
class Table {
 public:
  explicit Table(std::vector<T>& values) : values_(values) {}
  std::uint32_t IndexOf(T value) {
    const auto [at, is_new] = index_.try_emplace(EncodeValue(value).str(), static_cast<std::uint32_t>(values_.size()));
    if (is_new) values_.push_back(std::move(value));
    return at->second;
  }

 private:
  std::vector<T>& values_;
  std::unordered_map<std::string, std::uint32_t> index_;
};

absl::Status CheckNames(std::string_view pipeline, const std::vector<detail::Instance>& instances) {
  std::unordered_map<std::string_view, const detail::Instance*> seen;
  for (const detail::Instance& instance : instances) {
    const auto [at, is_new] = seen.try_emplace(instance.name, &instance);
    if (is_new) continue;
    return InvalidArgument(
        "the pipeline '%s' has two equal instances '%s'; give one of them a field that differs, or leave it out",
        pipeline, instance.name);
  }
  return absl::OkStatus();
}

absl::Status CheckLimits(const detail::Instance& instance) {
  const Policy& policy = instance.policy;
  const auto refuse = [&](std::string_view what, std::string_view value, std::string_view range) {
    return InvalidArgument("'%s': %s is %s; it must be %s", instance.name, what, value, range);
  };
  if (policy.retries && *policy.retries < 0) {
    return refuse("policy().retries", std::to_string(*policy.retries), "0 or more");
  }
  if (policy.timeout < Duration::zero()) {
    return refuse("policy().timeout", std::to_string(policy.timeout.count()) + "ns", "positive, or 0 for the default");
  }
  if (policy.backoff < Duration::zero() || policy.backoff_limit < policy.backoff) {
    return refuse("policy().backoff", FormatDuration(policy.backoff),
                  "0 or more, and at most backoff_limit (" + FormatDuration(policy.backoff_limit) + ")");
  }
  if (policy.expected < Duration::zero() || policy.expected > kLongestExpected) {
    return refuse("policy().expected", FormatDuration(policy.expected),
                  "0 for not known, or at most " + FormatDuration(kLongestExpected));
  }
  const Requirements& requirements = instance.requirements;
  if (requirements.cpus < 0) return refuse("requirements().cpus", std::to_string(requirements.cpus), "0 or more");
  if (requirements.memory < 0) return refuse("requirements().memory", std::to_string(requirements.memory), "0 or more");
  for (const auto& [resource, amount] : requirements.resources) {
    if (amount < 0) return refuse("requirements().resources." + resource, std::to_string(amount), "0 or more");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JobSpec> Pipeline::ToJob() const {
  if (instances_.empty()) return InvalidArgument("the pipeline '%s' has no modules", name_);
  if (name_.empty()) return InvalidArgument("the pipeline needs a name; the default is 'pipeline'");
  MILLRACE_RETURN_IF_ERROR(registry_.Check());
  MILLRACE_RETURN_IF_ERROR(CheckNames(name_, instances_));
  for (const detail::Instance& instance : instances_) MILLRACE_RETURN_IF_ERROR(CheckLimits(instance));
  MILLRACE_ASSIGN_OR_RETURN(detail::Needs needs, detail::ResolveNeeds(name_, instances_));
  MILLRACE_RETURN_IF_ERROR(detail::CheckAcyclic(instances_, needs));

  JobSpec job;
  job.name = name_;
  job.fail_mode = fail_mode_;
  Table modules(job.modules);
  Table requirements(job.requirements);
  Table policies(job.policies);
  job.tasks.reserve(instances_.size());
  for (std::size_t i = 0; i < instances_.size(); ++i) {
    const detail::Instance& instance = instances_[i];
    const ModuleEntry& entry = *instance.entry;
    TaskSpec task;
    task.name = instance.name;
    task.module = modules.IndexOf(
        {std::string(entry.name), entry.fingerprint, entry.version.empty() ? BuildId() : std::string(entry.version)});
    task.requirements = requirements.IndexOf(instance.requirements);
    task.policy = policies.IndexOf(instance.policy);
    task.inputs = instance.inputs;
    task.env = env_;
    task.needs = std::move(needs[i]);
    job.tasks.push_back(std::move(task));
  }
  return job;
}

}  // namespace millrace
