// SPDX-License-Identifier: Apache-2.0
#include "absl/container/flat_hash_map.h"
#include "millrace/base/size.h"
#include "millrace/base/status.h"
#include "millrace/base/text.h"
#include "millrace/sched/bounds.h"
#include "millrace/sched/job_graph.h"
#include "millrace/sched/match.h"

namespace millrace::sched {
namespace {

absl::Status CheckSizes(const JobSpec& job) {
  if (job.tasks.empty()) return InvalidArgument("the pipeline '%s' has no tasks", job.name);
  JobCounts counts{.tasks = job.tasks.size(),
                   .modules = job.modules.size(),
                   .requirements = job.requirements.size(),
                   .policies = job.policies.size()};
  for (const TaskSpec& task : job.tasks) counts.dependencies += task.needs.size();
  MILLRACE_RETURN_IF_ERROR(CheckCounts(counts));
  if (job.name.size() > kMaxName) {
    return InvalidArgument("the pipeline's name has %d bytes; at most %d are allowed", job.name.size(), kMaxName);
  }
  return absl::OkStatus();
}

absl::Status CheckRequirements(const Requirements& requirements) {
  if (requirements.cpus < 0 || requirements.cpus > kMaxCpus) {
    return InvalidArgument("requires %d cpus; allowed are 0 to %d", requirements.cpus, kMaxCpus);
  }
  if (const std::size_t bytes = TextBytes(requirements); bytes > kMaxRequirementText) {
    return Error(absl::StatusCode::kResourceExhausted, "requirements of %d bytes; at most %d are allowed", bytes,
                 kMaxRequirementText);
  }
  if (requirements.memory < 0) return InvalidArgument("requires %d bytes of memory", requirements.memory);
  for (const auto& [name, amount] : requirements.resources) {
    if (name.empty() || amount < 0) return InvalidArgument("requires %d of the resource '%s'", amount, name);
  }
  for (const std::string& tool : requirements.tools) MILLRACE_RETURN_IF_ERROR(ParseToolDemand(tool).status());
  return absl::OkStatus();
}

// Workers take a name for that of a file, and would refuse it as well.
absl::Status CheckSecrets(const SecretNames& secrets) {
  if (secrets.size() > kMaxSecrets) {
    return Error(absl::StatusCode::kResourceExhausted, "a module asks for %d secrets; at most %d are allowed",
                 secrets.size(), kMaxSecrets);
  }
  for (const auto& [variable, name] : secrets) {
    if (!IsSecretName(name)) return InvalidArgument("'%s' is no name of a secret; use %s", name, kSecretNameRule);
    const bool bad = variable.find_first_of(std::string_view("=\0", 2)) != std::string::npos;
    if (bad || variable.empty() || variable.size() > kMaxName) {
      return InvalidArgument("the secret '%s' goes to the variable '%s', which no environment can hold", name,
                             Beginning(variable, kMaxName));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPolicy(const Policy& policy) {
  if (policy.retries && (*policy.retries < 0 || *policy.retries > kMaxRetries)) {
    return InvalidArgument("retries = %d; allowed are 0 to %d", *policy.retries, kMaxRetries);
  }
  if (policy.timeout < Duration::zero()) return InvalidArgument("the timeout is negative");
  if (policy.expected < Duration::zero() || policy.expected > kLongestExpected) {
    return InvalidArgument("expected = %s; allowed are 0 for not known, and up to %s", FormatDuration(policy.expected),
                           FormatDuration(kLongestExpected));
  }
  if (policy.backoff < Duration::zero() || policy.backoff_limit < Duration::zero()) {
    return InvalidArgument("the back-off is negative");
  }
  if (policy.retry_on > RetryOn::kNever || policy.isolation > Isolation::kInProcess) {
    return InvalidArgument("a policy has an unknown enumerator");
  }
  if (policy.memory_limit != 0 && policy.memory_limit < kLeastMemoryLimit) {
    return InvalidArgument("memory_limit = %d bytes; allowed are 0 for none, and %s or more", policy.memory_limit,
                           FormatSize(kLeastMemoryLimit));
  }
  if (policy.memory_limit != 0 && policy.isolation == Isolation::kInProcess) {
    return InvalidArgument("a memory_limit cannot hold with isolation in-process: there is no process to measure");
  }
  return CheckSecrets(policy.secrets);
}

absl::Status CheckTask(const JobSpec& job, std::uint32_t index, std::uint64_t max_payload) {
  const TaskSpec& task = job.tasks[index];
  if (task.name.empty()) return InvalidArgument("task %d has no name", index);
  if (task.name.size() > kMaxName) {
    return InvalidArgument("the name of task %d has %d bytes; at most %d are allowed", index, task.name.size(),
                           kMaxName);
  }
  if (task.module >= job.modules.size()) {
    return InvalidArgument("task '%s' names module %d of %d", task.name, task.module, job.modules.size());
  }
  if (task.requirements >= job.requirements.size()) {
    return InvalidArgument("task '%s' names requirements %d of %d", task.name, task.requirements,
                           job.requirements.size());
  }
  if (task.policy >= job.policies.size()) {
    return InvalidArgument("task '%s' names policy %d of %d", task.name, task.policy, job.policies.size());
  }
  if (task.inputs.size() > max_payload) {
    return Error(absl::StatusCode::kResourceExhausted, "the inputs of task '%s' have %d bytes; at most %d are allowed",
                 task.name, task.inputs.size(), max_payload);
  }
  if (task.needs.size() > kMaxNeeds) {
    return Error(absl::StatusCode::kResourceExhausted, "task '%s' needs %d others; at most %d are allowed", task.name,
                 task.needs.size(), kMaxNeeds);
  }
  std::size_t environment = 0;
  for (const auto& [name, value] : task.env) environment += name.size() + value.size();
  if (environment > kMaxEnvironment) {
    return Error(absl::StatusCode::kResourceExhausted,
                 "the environment of task '%s' has %d bytes; at most %d are allowed", task.name, environment,
                 kMaxEnvironment);
  }
  for (const Dependency& need : task.needs) {
    if (need.task >= job.tasks.size()) {
      return InvalidArgument("task '%s' needs task number %d, but there are only %d", task.name, need.task,
                             job.tasks.size());
    }
    if (need.task == index) return InvalidArgument("task '%s' needs itself", task.name);
    if (need.kind > DependencyKind::kOptional) {
      return InvalidArgument("task '%s' has an unknown kind of dependency", task.name);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckCounts(const JobCounts& counts) {
  const struct {
    const char* what;
    std::uint64_t count;
    std::uint64_t limit;
  } rows[] = {{"tasks", counts.tasks, kMaxTasks},
              {"modules", counts.modules, kMaxTable},
              {"sets of requirements", counts.requirements, kMaxTable},
              {"policies", counts.policies, kMaxTable},
              {"dependencies", counts.dependencies, kMaxEdges}};
  for (const auto& row : rows) {
    if (row.count <= row.limit) continue;
    return Error(absl::StatusCode::kResourceExhausted, "the pipeline has %d %s; at most %d are allowed", row.count,
                 row.what, row.limit);
  }
  return absl::OkStatus();
}

absl::Status CheckJob(const JobSpec& job, std::uint64_t max_payload) {
  MILLRACE_RETURN_IF_ERROR(CheckSizes(job));
  if (job.fail_mode > FailMode::kKeepGoing) return InvalidArgument("the pipeline has an unknown fail mode");
  for (const ModuleSpec& module : job.modules) {
    if (module.name.size() > kMaxName) {
      return InvalidArgument("a module's name has %d bytes; at most %d are allowed", module.name.size(), kMaxName);
    }
  }
  for (const Requirements& requirements : job.requirements) MILLRACE_RETURN_IF_ERROR(CheckRequirements(requirements));
  for (const Policy& policy : job.policies) MILLRACE_RETURN_IF_ERROR(CheckPolicy(policy));
  absl::flat_hash_map<std::string_view, std::uint32_t> names;
  names.reserve(job.tasks.size());
  for (std::uint32_t i = 0; i < job.tasks.size(); ++i) {
    MILLRACE_RETURN_IF_ERROR(CheckTask(job, i, max_payload));
    const auto [it, fresh] = names.emplace(job.tasks[i].name, i);
    if (!fresh) return InvalidArgument("tasks %d and %d are both named '%s'", it->second, i, job.tasks[i].name);
  }
  return absl::OkStatus();
}

}  // namespace millrace::sched
