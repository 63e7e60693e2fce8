// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/outlook.h"

#include <algorithm>
#include <map>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::host {
namespace {

constexpr std::uint64_t kBytesOfAJob = 64u << 20;  // as it is unpacked

}  // namespace

std::string TimeLeftText(const TimesLeft& left) { return "about " + FormatDuration(left.p50) + " left"; }

std::vector<Foreseeable> ForeseeableOf(const JobSpec& job) {
  std::vector<Foreseeable> tasks;
  if (job.tasks.size() > kTasksLookedAt) return tasks;
  for (const TaskSpec& spec : job.tasks) {
    Foreseeable& task = tasks.emplace_back();
    task.name = spec.name;
    if (spec.module < job.modules.size()) task.version = job.modules[spec.module].version;
    for (const Dependency& need : spec.needs) task.needs.push_back(need.task);
  }
  return tasks;
}

std::vector<Foreseeable> ForeseeableOf(const std::vector<TaskView>& rows) {
  std::vector<Foreseeable> tasks;
  if (rows.size() > kTasksLookedAt) return tasks;
  std::map<std::uint32_t, std::vector<std::uint32_t>> waves;
  for (const TaskView& row : rows) {
    tasks.emplace_back().name = row.name;
    waves[row.wave].push_back(static_cast<std::uint32_t>(tasks.size() - 1));
  }
  // Between two waves a barrier, so that not each of the one has to need each of the other.
  std::uint32_t barrier = 0;
  for (auto& [wave, members] : waves) {
    if (barrier > 0) {
      for (const std::uint32_t member : members) tasks[member].needs = {barrier};
    }
    barrier = static_cast<std::uint32_t>(tasks.size());
    tasks.push_back({.name = "", .needs = std::move(members)});
  }
  return tasks;
}

std::optional<TimesLeft> Outlook::For(const RunView& run, const std::map<std::uint32_t, TaskView>& seen) const {
  if (tasks_.empty() || HasEnded(run.state)) return std::nullopt;
  std::vector<report::Pending> p50(tasks_.size());
  std::vector<report::Pending> p90(tasks_.size());
  std::int64_t running = 0;
  for (std::uint32_t t = 0; t < tasks_.size(); ++t) {
    const auto row = seen.find(t);
    const TaskState state = row == seen.end() ? TaskState::kWaiting : row->second.state;
    if (state == TaskState::kEnded) continue;  // takes no time any more
    std::optional<report::Estimate> one = estimates_.Of(tasks_[t].name, tasks_[t].version);
    if (tasks_[t].name.empty()) one = report::Estimate{.p50 = -estimates_.handover(), .p90 = -estimates_.handover()};
    if (!one) return std::nullopt;
    const bool runs = state == TaskState::kRunning && row->second.started >= Duration::zero();
    const Duration spent = runs ? run.elapsed - row->second.started : -estimates_.handover();
    running += runs ? 1 : 0;
    p50[t] = {.takes = std::max(one->p50 - spent, Duration::zero()), .running = runs};
    p90[t] = {.takes = std::max(one->p90 - spent, Duration::zero()), .running = runs};
    for (const std::uint32_t need : tasks_[t].needs) {
      if (need >= tasks_.size()) return std::nullopt;
      p50[t].needs.push_back(need);
      p90[t].needs.push_back(need);
    }
  }
  const std::int64_t slots = std::max(slots_, running);
  if (slots == 0) return std::nullopt;
  return TimesLeft{report::TimeLeft(p50, slots), report::TimeLeft(p90, slots)};
}

absl::StatusOr<std::vector<TaskView>> RowsOf(client::Client& client, RunId run) {
  Query query;
  query.kind = QueryKind::kTasks;
  query.run = run;
  std::map<std::uint32_t, TaskView> tasks;  // one that changed between two pages is in both
  for (bool more = true; more;) {
    MILLRACE_ASSIGN_OR_RETURN(Answer answer, client.Ask(query));
    more = answer.more && answer.next != query.since;
    query.since = answer.next;
    for (TaskView& task : answer.tasks) tasks[task.index] = std::move(task);
  }
  std::vector<TaskView> rows;
  for (auto& [index, task] : tasks) rows.push_back(std::move(task));
  return rows;
}

report::Estimates EstimatesOf(const std::vector<report::RunReport>& runs) {
  report::Estimates estimates;
  for (const report::RunReport& run : runs) estimates.Add(run);
  return estimates;
}

absl::StatusOr<std::optional<Outlook>> LookAhead(client::Client& client, const std::string& pipeline) {
  Query query;
  query.kind = QueryKind::kBroker;
  const absl::StatusOr<Answer> broker = client.Ask(query);
  if (broker.status().code() == absl::StatusCode::kCancelled) return broker.status();
  if (!broker.ok() || broker->broker.empty()) return std::nullopt;
  const BrokerView& view = broker->broker.front();
  // One that is in trouble with its history answers late.
  const auto about_history = [](const std::string& warning) { return warning.find("history") != std::string::npos; };
  if (std::any_of(view.warnings.begin(), view.warnings.end(), about_history)) return std::nullopt;
  const absl::StatusOr<std::vector<report::RunReport>> runs =
      ReadGoodRuns(AskBroker(client, kBytesOfAJob), pipeline, kRunsLookedAt);
  if (runs.status().code() == absl::StatusCode::kCancelled) return runs.status();
  if (!runs.ok() || runs->empty()) return std::nullopt;
  return Outlook(EstimatesOf(*runs), view.cpus);
}

}  // namespace millrace::host
