// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "millrace/base/fields.h"
#include "millrace/base/ids.h"
#include "millrace/report/crash_card.h"
#include "millrace/report/formats.h"

namespace millrace::report {
namespace {

using Json = nlohmann::ordered_json;

// Seconds, to the microsecond; what has not happened is null.
Json Seconds(Duration duration) {
  if (duration < Duration::zero()) return nullptr;
  return std::round(std::chrono::duration<double>(duration).count() * 1e6) / 1e6;
}

Json ToJson(const TimeSplit& split) {
  return {{"dependencies_s", Seconds(split.dependencies)},
          {"queue_s", Seconds(split.queue)},
          {"earlier_tries_s", Seconds(split.earlier_tries)},
          {"handover_s", Seconds(split.handover)},
          {"execution_s", Seconds(split.execution)}};
}

Json ToJson(const PastRun& past) {
  const RunView& run = past.view;
  return {{"run", RunName(run.run)},
          {"name", run.name},
          {"state", EnumName(run.state)},
          {"submitted_unix_ms", run.submitted_unix_ms},
          {"ended_unix_ms", past.ended_unix_ms},
          {"elapsed_s", Seconds(run.elapsed)},
          {"tasks", run.tasks},
          {"succeeded", run.succeeded},
          {"cached", run.cached},
          {"failed", run.failed},
          {"ignored", run.ignored},
          {"skipped", run.skipped},
          {"cancelled", run.cancelled},
          {"root_cause", run.root_cause},
          {"without_tasks", past.without_tasks}};
}

Json FailureJson(const ReportTask& task) {
  const Failure& failure = task.past.view.failure;
  return {{"message", failure.message},
          {"exception", failure.exception},
          {"exit_code", failure.exit_code},
          {"signal", failure.signal},
          {"output", failure.output},
          {"worker", failure.worker},
          {"host", failure.host},
          {"try", failure.try_number},
          {"crashed", failure.crashed},
          {"out_of_memory", failure.out_of_memory},
          {"how", HowItEnded(task.past.view)},
          {"signal_name", failure.signal == 0 ? Json(nullptr) : Json(SignalName(failure.signal))},
          {"other_failures_on_host", task.others_on_host},
          {"again", task.again.empty() ? Json(nullptr) : Json(task.again)}};
}

Json AttemptJson(const PastAttempt& attempt, const Bar* bar, const RunReport& report) {
  return {{"try", attempt.try_number},
          {"worker", attempt.worker},
          {"slot", bar == nullptr ? Json(nullptr) : Json(report.lanes[bar->lane].slot)},
          {"assigned_s", Seconds(attempt.assigned)},
          {"started_s", Seconds(attempt.started)},
          {"ended_s", Seconds(attempt.ended)},
          {"outcome", EnumName(attempt.outcome)},
          {"message", attempt.message}};
}

Json CacheJson(CacheUse use) { return use == CacheUse::kNone ? Json(nullptr) : Json(EnumName(use)); }

Json NeedsJson(const PastLinks& links) {
  Json needs = Json::array();
  for (const Dependency& need : links.needs) {
    needs.push_back({{"task", need.task}, {"optional", need.kind == DependencyKind::kOptional}});
  }
  return needs;
}

using BarOf = std::map<std::pair<std::uint32_t, std::uint32_t>, const Bar*>;

Json TaskJson(std::uint32_t index, const RunReport& report, const BarOf& bars) {
  const ReportTask& task = report.tasks[index];
  const TaskView& view = task.past.view;
  Json attempts = Json::array();
  for (std::uint32_t a = 0; a < task.past.attempts.size(); ++a) {
    const auto bar = bars.find({index, a});
    attempts.push_back(AttemptJson(task.past.attempts[a], bar == bars.end() ? nullptr : bar->second, report));
  }
  return {{"name", view.name},
          {"module", view.module},
          {"template", task.group},
          {"outcome", EnumName(view.outcome)},
          {"ignored", view.ignored},
          {"reason", ReasonText(task)},
          {"cache", CacheJson(task.cache)},
          {"worker", view.worker},
          {"try", view.try_number},
          {"ready_s", Seconds(view.ready)},
          {"started_s", Seconds(view.started)},
          {"ended_s", Seconds(view.ended)},
          {"execution_s", Seconds(view.execution)},
          {"split", ToJson(task.split)},
          {"on_critical_path", task.on_path},
          {"needs_known", task.links_known},
          {"needs", NeedsJson(task.links)},
          {"needs_left_out", task.links.needs_left_out},
          {"failure", view.failure == Failure() ? Json(nullptr) : FailureJson(task)},
          {"attempts", std::move(attempts)},
          {"attempts_left_out", task.past.attempts_left_out}};
}

Json WhyJson(const RunReport& report) {
  Json path = Json::array();
  for (const PathStep& step : report.path) {
    path.push_back({{"task", step.task},
                    {"name", report.tasks[step.task].past.view.name},
                    {"from_s", Seconds(step.from)},
                    {"to_s", Seconds(step.to)},
                    {"split", ToJson(step.split)}});
  }
  Json stragglers = Json::array();
  for (const Straggler& straggler : report.stragglers) {
    stragglers.push_back({{"task", straggler.task},
                          {"name", report.tasks[straggler.task].past.view.name},
                          {"execution_s", Seconds(straggler.execution)},
                          {"median_s", Seconds(straggler.median)},
                          {"siblings", straggler.siblings}});
  }
  return {{"text", report.why},
          {"critical_path", std::move(path)},
          {"critical_path_split", ToJson(report.path_split)},
          {"stragglers", std::move(stragglers)}};
}

}  // namespace

std::string JsonReport(const RunReport& report) {
  BarOf bars;
  for (const Bar& bar : report.bars) bars[{bar.task, bar.attempt}] = &bar;
  Json tasks = Json::array();
  for (std::uint32_t t = 0; t < report.tasks.size(); ++t) tasks.push_back(TaskJson(t, report, bars));
  Json lanes = Json::array();
  for (const Lane& lane : report.lanes) lanes.push_back({{"worker", lane.worker}, {"slot", lane.slot}});
  const Json json = {{"schema", kJsonSchema},  {"generator", report.generator}, {"run", ToJson(report.run)},
                     {"why", WhyJson(report)}, {"lanes", std::move(lanes)},     {"tasks", std::move(tasks)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace millrace::report
