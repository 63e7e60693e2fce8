// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "absl/hash/hash.h"
#include "millrace/base/column.h"
#include "millrace/base/size.h"
#include "millrace/base/status.h"
#include "millrace/base/text.h"
#include "millrace/sched/artifact_check.h"
#include "millrace/sched/bounds.h"
#include "millrace/sched/job_graph.h"
#include "millrace/sched/match.h"

namespace millrace::sched {
namespace {

absl::Status CheckSizes(const PackedJob& job) {
  if (job.tasks.empty()) return InvalidArgument("the pipeline '%s' has no tasks", job.name);
  JobCounts counts{.tasks = job.tasks.size(),
                   .modules = job.modules.size(),
                   .requirements = job.requirements.size(),
                   .policies = job.policies.size(),
                   .dependencies = job.tasks.needs()};
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
  MILLRACE_RETURN_IF_ERROR(CheckArtifacts(policy));
  return CheckSecrets(policy.secrets);
}

// What tasks of one shape have in common.
absl::Status CheckShape(const PackedJob& job, const PackedTasks::Shape& shape) {
  const struct {
    const char* what;
    std::uint32_t index;
    std::size_t size;
  } rows[] = {{"module", shape.module, job.modules.size()},
              {"requirements", shape.requirements, job.requirements.size()},
              {"policy", shape.policy, job.policies.size()}};
  for (const auto& row : rows) {
    if (row.index < row.size) continue;
    return InvalidArgument("task '%s' names %s %d of %d", Beginning(job.tasks.NameOf(shape.first), kMaxName), row.what,
                           row.index, row.size);
  }
  return absl::OkStatus();
}

absl::Status CheckNeeds(const PackedJob& job, std::uint32_t index) {
  const PackedTasks::Needs needs = job.tasks.NeedsOf(index);
  if (needs.size() > kMaxNeeds) {
    return Error(absl::StatusCode::kResourceExhausted, "task '%s' needs %d others; at most %d are allowed",
                 job.tasks.NameOf(index), needs.size(), kMaxNeeds);
  }
  for (const Dependency need : needs) {
    if (need.task >= job.tasks.size()) {
      return InvalidArgument("task '%s' needs task number %d, but there are only %d", job.tasks.NameOf(index),
                             need.task, job.tasks.size());
    }
    if (need.task == index) return InvalidArgument("task '%s' needs itself", job.tasks.NameOf(index));
    if (need.kind > DependencyKind::kOptional) {
      return InvalidArgument("task '%s' has an unknown kind of dependency", job.tasks.NameOf(index));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTask(const PackedJob& job, std::uint32_t index, std::uint64_t max_payload) {
  const std::string_view name = job.tasks.NameOf(index);
  if (name.empty()) return InvalidArgument("task %d has no name", index);
  if (name.size() > kMaxName) {
    return InvalidArgument("the name of task %d has %d bytes; at most %d are allowed", index, name.size(), kMaxName);
  }
  if (const std::size_t bytes = job.tasks.InputsOf(index).size(); bytes > max_payload) {
    return Error(absl::StatusCode::kResourceExhausted, "the inputs of task '%s' have %d bytes; at most %d are allowed",
                 name, bytes, max_payload);
  }
  std::size_t environment = 0;
  for (const auto& [variable, value] : job.tasks.EnvOf(index)) environment += variable.size() + value.size();
  if (environment > kMaxEnvironment) {
    return Error(absl::StatusCode::kResourceExhausted,
                 "the environment of task '%s' has %d bytes; at most %d are allowed", name, environment,
                 kMaxEnvironment);
  }
  return CheckNeeds(job, index);
}

// A table of the names' hashes by open addressing: one look into memory for each of millions of names, most of the
// time.
absl::Status CheckNames(const PackedTasks& tasks) {
  struct Entry {
    std::uint32_t hash;
    std::uint32_t task_and_one;  // 0 = free
  };
  const std::size_t mask = std::bit_ceil(2 * tasks.size() + 1) - 1;
  ZeroColumn<Entry> table(mask + 1);
  for (std::uint32_t i = 0; i < tasks.size(); ++i) {
    const std::size_t hash = absl::HashOf(Av(tasks.NameOf(i)));
    const auto low = static_cast<std::uint32_t>(hash);
    std::size_t at = (hash >> 20) & mask;
    for (; table[at].task_and_one != 0; at = (at + 1) & mask) {
      const std::uint32_t other = table[at].task_and_one - 1;
      if (table[at].hash != low || tasks.NameOf(other) != tasks.NameOf(i)) continue;
      return InvalidArgument("tasks %d and %d are both named '%s'", other, i, tasks.NameOf(i));
    }
    table[at] = {low, i + 1};
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

absl::Status CheckJob(const PackedJob& job, std::uint64_t max_payload) {
  MILLRACE_RETURN_IF_ERROR(CheckSizes(job));
  if (job.fail_mode > FailMode::kKeepGoing) return InvalidArgument("the pipeline has an unknown fail mode");
  for (const ModuleSpec& module : job.modules) {
    if (module.name.size() > kMaxName) {
      return InvalidArgument("a module's name has %d bytes; at most %d are allowed", module.name.size(), kMaxName);
    }
  }
  for (const Requirements& requirements : job.requirements) MILLRACE_RETURN_IF_ERROR(CheckRequirements(requirements));
  for (const Policy& policy : job.policies) MILLRACE_RETURN_IF_ERROR(CheckPolicy(policy));
  for (std::uint32_t i = 0; i < job.tasks.size(); ++i) MILLRACE_RETURN_IF_ERROR(CheckTask(job, i, max_payload));
  for (const PackedTasks::Shape& shape : job.tasks.shapes()) MILLRACE_RETURN_IF_ERROR(CheckShape(job, shape));
  MILLRACE_RETURN_IF_ERROR(CheckConsumed(job));
  return CheckNames(job.tasks);
}

}  // namespace millrace::sched
