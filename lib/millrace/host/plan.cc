// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/plan.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "millrace/host/summary.h"
#include "millrace/store/cache.h"
#include "millrace/wire/lz4.h"

namespace millrace::host {
namespace {

// Indexes in an order in which every task comes after those it needs.
std::vector<std::uint32_t> TopologicalOrder(const JobSpec& job) {
  std::vector<std::uint32_t> missing(job.tasks.size());
  std::vector<std::vector<std::uint32_t>> dependants(job.tasks.size());
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < job.tasks.size(); ++i) {
    missing[i] = static_cast<std::uint32_t>(job.tasks[i].needs.size());
    for (const Dependency& need : job.tasks[i].needs) dependants[need.task].push_back(i);
    if (missing[i] == 0) order.push_back(i);
  }
  for (std::size_t next = 0; next < order.size(); ++next) {
    for (const std::uint32_t dependant : dependants[order[next]]) {
      if (--missing[dependant] == 0) order.push_back(dependant);
    }
  }
  return order;
}

// The results that the cache would give: of a task whose dependencies would all come from it, too, for its key is made
// of their results.
std::vector<std::optional<Payload>> LookAhead(const JobSpec& job, const Options& options) {
  std::vector<std::optional<Payload>> found(job.tasks.size());
  const std::filesystem::path file = std::filesystem::path(options.data_dir) / "cache.sqlite";
  std::error_code ignored;
  if (!job.use_cache || !std::filesystem::exists(file, ignored)) return found;
  auto cache = store::ResultCache::Open(file);
  if (!cache.ok()) return found;
  // As they would be submitted.
  const auto inputs_of = [&](std::uint32_t task) {
    return wire::PackInputs(job.tasks[task].inputs,
                            options.enable_compression ? wire::Compression::kOn : wire::Compression::kOff);
  };
  for (const std::uint32_t index : TopologicalOrder(job)) {
    const TaskSpec& task = job.tasks[index];
    const Policy& policy = job.policies[task.policy];
    // With artifacts, the key is made of theirs as well, which nobody knows yet.
    if (!policy.cached || !policy.produces.empty() || !policy.consumes.empty()) continue;
    std::vector<Datum> data;
    for (const Dependency& need : task.needs) {
      if (!found[need.task]) break;
      Datum& datum = data.emplace_back();
      datum.name = job.tasks[need.task].name;
      datum.module = job.modules[job.tasks[need.task].module].name;
      datum.inputs.bytes = inputs_of(need.task);
      datum.outcome = Outcome::kCached;
      datum.result = *found[need.task];
    }
    if (data.size() != task.needs.size()) continue;
    const auto env = CacheEnvironment(task.env, policy.secrets);
    auto hit = cache->Look(store::CacheKey(job.modules[task.module], inputs_of(index).view(), env, data));
    if (hit.ok()) found[index] = *std::move(hit);
  }
  return found;
}

}  // namespace

std::string RequirementsText(const Requirements& requirements) {
  std::vector<std::string> parts;
  const auto list = [&parts](const char* what, const std::vector<std::string>& items, const char* between) {
    if (!items.empty()) parts.push_back(absl::StrFormat("%s %s", what, absl::StrJoin(items, between)));
  };
  list("os", requirements.os, " or ");
  list("arch", requirements.arch, " or ");
  list("tools", requirements.tools, ", ");
  list("tags", requirements.tags, ", ");
  if (requirements.cpus != 1) parts.push_back(absl::StrFormat("%d cpus", requirements.cpus));
  if (requirements.memory != 0) parts.push_back(absl::StrFormat("%d MiB", requirements.memory >> 20));
  for (const auto& [name, amount] : requirements.resources) parts.push_back(absl::StrFormat("%d %s", amount, name));
  return absl::StrJoin(parts, "; ");
}

std::string PlanText(const JobSpec& job, const Options& options, const Console& console) {
  std::vector<std::uint32_t> waves(job.tasks.size(), 1);
  std::uint32_t last_wave = 0;
  for (const std::uint32_t index : TopologicalOrder(job)) {
    for (const Dependency& need : job.tasks[index].needs) waves[index] = std::max(waves[index], waves[need.task] + 1);
    last_wave = std::max(last_wave, waves[index]);
  }
  const auto cached = LookAhead(job, options);
  std::vector<std::vector<std::string>> rows = {{"wave", "module", "needs", "requires", "cache"}};
  const bool any_expected = std::any_of(job.tasks.begin(), job.tasks.end(), [&job](const TaskSpec& task) {
    return job.policies[task.policy].expected > Duration::zero();
  });
  if (any_expected) rows[0].push_back("expected");
  for (std::uint32_t wave = 1; wave <= last_wave; ++wave) {
    for (std::uint32_t i = 0; i < job.tasks.size(); ++i) {
      if (waves[i] != wave) continue;
      const TaskSpec& task = job.tasks[i];
      std::vector<std::string> needs;
      for (const Dependency& need : task.needs) needs.push_back(Printable(job.tasks[need.task].name));
      const Policy& policy = job.policies[task.policy];
      std::string requires_text = RequirementsText(job.requirements[task.requirements]);
      for (const auto& [variable, secret] : policy.secrets) {
        requires_text += absl::StrFormat("%ssecret %s", requires_text.empty() ? "" : "; ", secret);
      }
      const char* cache = !policy.cached ? "-" : (cached[i] ? "hit" : "would run");
      rows.push_back({std::to_string(wave), Printable(task.name), needs.empty() ? "-" : absl::StrJoin(needs, ", "),
                      requires_text.empty() ? "-" : Printable(requires_text), cache});
      if (!any_expected) continue;
      rows.back().push_back(policy.expected > Duration::zero() ? FormatDuration(policy.expected) : "-");
    }
  }
  return FormatTable(rows, console) +
         absl::StrFormat("%s: %d modules in %u waves (waves are shown, never waited for)\n", Printable(job.name),
                         job.tasks.size(), last_wave);
}

}  // namespace millrace::host
