// SPDX-License-Identifier: Apache-2.0
#include "job_maker.h"

#include <string>

namespace millrace::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

Policy DrawPolicy(Dice& dice) {
  Policy policy;
  policy.idempotent = !dice.Chance(0.1);
  policy.always_run = dice.Chance(0.1);
  policy.ignore_failure = dice.Chance(0.1);
  policy.cached = dice.Chance(0.15);
  policy.priority = static_cast<std::int32_t>(dice.Below(3));
  policy.timeout = dice.Within(seconds(2), seconds(8));
  policy.backoff = milliseconds(100);
  policy.backoff_limit = seconds(2);
  if (dice.Chance(0.3)) policy.retries = static_cast<std::int32_t>(dice.Below(3));
  if (dice.Chance(0.1)) policy.retry_on = static_cast<RetryOn>(dice.Below(4));
  if (dice.Chance(0.12)) policy.isolation = Isolation::kInProcess;
  return policy;
}

// How long its attempts take comes from `pace`: from microseconds, which are prefetched by the hundred, to seconds.
Script DrawScript(const Plan& plan, std::uint32_t pace, Dice& dice, Dice& failures, Dice& poison) {
  const Duration paces[] = {microseconds(200), milliseconds(20), milliseconds(1500)};
  Script script;
  script.least = paces[pace] / 4;
  script.most = paces[pace];
  script.deaf = dice.Chance(0.1);
  // The dice fall whether their class is on or off, so that the rest stays the same.
  const bool fails = failures.Chance(0.3);
  const auto kind = static_cast<Doing>(1 + failures.Below(5));
  const std::uint32_t times = failures.Chance(0.5) ? 1 + failures.Below(3) : 1000;
  if (fails && plan.faults.Has(Fault::kTaskFailure)) {
    script.doing = kind;
    script.times = times;
  }
  const bool kills = poison.Chance(0.08);
  const std::uint32_t deaths = poison.Chance(0.5) ? 1 + poison.Below(2) : 1000;
  if (kills && plan.faults.Has(Fault::kPoison)) {
    script.doing = Doing::kKillWorker;
    script.times = deaths;
  }
  return script;
}

// In some runs some tasks make artifacts, and some of those that need them want them.
void AddArtifacts(JobSpec& job, Dice& dice) {
  if (!dice.Chance(0.25)) return;
  for (TaskSpec& task : job.tasks) {
    Policy policy = job.policies[task.policy];
    if (dice.Chance(0.5)) policy.produces.push_back({.name = "out", .paths = {"out"}});
    for (const Dependency& need : task.needs) {
      const TaskSpec& other = job.tasks[need.task];
      if (job.policies[other.policy].produces.empty() || !dice.Chance(0.7)) continue;
      policy.consumes.push_back({.from = other.name});
    }
    if (policy == job.policies[task.policy]) continue;
    task.policy = static_cast<std::uint32_t>(job.policies.size());
    job.policies.push_back(std::move(policy));
  }
}

}  // namespace

PlannedRun MakeRun(const Plan& plan, std::uint32_t number) {
  Dice dice(plan.seed * 31 + number * 0x632be59bd9b4e019U + 5);
  Dice failures(plan.For(Fault::kTaskFailure).Number() + number);
  Dice poison(plan.For(Fault::kPoison).Number() + number);
  PlannedRun run;
  run.token = plan.seed * 8 + number + 1;
  JobSpec& job = run.job;
  job.name = "run" + std::to_string(number);
  job.fail_mode = dice.Chance(0.4) ? FailMode::kFailFast : FailMode::kKeepGoing;
  job.use_cache = !dice.Chance(0.2);
  job.modules = {{.name = "work", .fingerprint = 0, .version = "1"}, {.name = "rare", .fingerprint = 7, .version = ""}};
  job.requirements = {{}, {.cpus = 2}, {.tags = {"special"}}, {.cpus = 0}};
  const std::uint32_t policies = 1 + dice.Below(4);
  for (std::uint32_t i = 0; i < policies; ++i) job.policies.push_back(DrawPolicy(dice));
  const std::uint32_t tasks = 1 + dice.Below(dice.Chance(0.5) ? 5 : 16);
  const std::uint32_t pace = dice.Below(3);
  const double density = dice.Unit() * 2;
  for (std::uint32_t i = 0; i < tasks; ++i) {
    TaskSpec task;
    task.name = "t" + std::to_string(i);
    task.module = dice.Chance(0.2) ? 1 : 0;
    task.requirements = dice.Chance(0.5) ? 0 : dice.Below(4);
    task.policy = dice.Below(policies);
    task.inputs = Bytes("i" + std::to_string(dice.Below(4)));
    for (std::uint32_t need = 0; need < i; ++need) {
      if (!dice.Chance(density / (i + 1))) continue;
      const DependencyKind kind = dice.Chance(0.2) ? DependencyKind::kOptional : DependencyKind::kRequired;
      task.needs.push_back({.task = need, .kind = kind, .parameter = -1});
    }
    job.tasks.push_back(std::move(task));
    run.scripts.push_back(DrawScript(plan, pace, dice, failures, poison));
  }
  Dice artifacts(plan.seed * 67 + number + 11);
  AddArtifacts(job, artifacts);
  return run;
}

}  // namespace millrace::sim
