// SPDX-License-Identifier: Apache-2.0
#include "millrace/report/run_report.h"

#include <algorithm>
#include <map>
#include <utility>

#include "millrace/base/fields.h"
#include "millrace/report/crash_card.h"
#include "millrace/report/lanes.h"
#include "millrace/report/why.h"

namespace millrace::report {
namespace {

CacheUse CacheUseOf(const ReportTask& task) {
  if (task.past.view.outcome == Outcome::kCached) return CacheUse::kHit;
  return task.links.cacheable && task.past.view.try_number > 0 ? CacheUse::kMiss : CacheUse::kNone;
}

void CountNeighbours(RunReport& report) {
  std::map<std::string, std::uint32_t> by_host;
  for (const ReportTask& task : report.tasks) {
    if (HasFailed(task.past.view)) ++by_host[HostOf(task.past.view)];
  }
  by_host.erase("");  // it is not known
  for (ReportTask& task : report.tasks) {
    const auto host = by_host.find(HostOf(task.past.view));
    if (HasFailed(task.past.view) && host != by_host.end()) task.others_on_host = host->second - 1;
  }
}

}  // namespace

std::string GroupOf(const std::string& task) { return task.substr(0, task.find('[')); }

std::string OutcomeText(const TaskView& task) {
  std::string text(EnumName(task.outcome));
  std::replace(text.begin(), text.end(), '_', ' ');
  return task.ignored ? text + " (ignored)" : text;
}

std::string ReasonText(const ReportTask& task) {
  const TaskView& view = task.past.view;
  if (!view.failure.message.empty()) return view.failure.message;
  if (!view.reason.empty()) return view.reason;
  switch (task.cache) {
    case CacheUse::kHit: return "its result was in the cache: same module, inputs and results of dependencies";
    case CacheUse::kMiss: return "the cache had no result for this module, these inputs and results of dependencies";
    case CacheUse::kNone: break;
  }
  return "";
}

RunReport MakeReport(PastRun run, std::vector<PastTask> tasks, std::vector<std::optional<PastLinks>> links,
                     std::string generator) {
  RunReport report;
  report.generator = std::move(generator);
  report.run = std::move(run);
  report.tasks.reserve(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    ReportTask task;
    task.past = std::move(tasks[i]);
    task.links_known = i < links.size() && links[i].has_value();
    if (task.links_known) task.links = *std::move(links[i]);
    const auto strange = [&tasks](const Dependency& need) { return need.task >= tasks.size(); };
    std::erase_if(task.links.needs, strange);
    task.split = SplitOf(task.past);
    task.group = GroupOf(task.past.view.name);
    task.cache = CacheUseOf(task);
    report.tasks.push_back(std::move(task));
  }
  CountNeighbours(report);
  LayOut(report);
  FindPath(report);
  FindStragglers(report);
  Explain(report);
  return report;
}

void AddJob(RunReport& report, const JobSpec& job) {
  for (std::size_t t = 0; t < std::min(report.tasks.size(), job.tasks.size()); ++t) {
    const std::uint32_t module = job.tasks[t].module;
    if (module < job.modules.size()) report.tasks[t].version = job.modules[module].version;
  }
}

}  // namespace millrace::report
