// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "millrace/base/fields.h"
#include "millrace/base/ids.h"
#include "millrace/report/formats.h"
#include "millrace/report/text.h"

namespace millrace::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint32_t kRunProcess = 1;  // the run and its critical path; workers follow

double Microseconds(Duration duration) {
  return std::chrono::duration<double, std::micro>(std::max(duration, Duration::zero())).count();
}

Json Meta(const char* what, std::uint32_t process, std::uint32_t thread, Json arguments) {
  return {{"name", what}, {"ph", "M"}, {"pid", process}, {"tid", thread}, {"args", std::move(arguments)}};
}

Json Span(std::string name, std::string_view category, std::uint32_t process, std::uint32_t thread, Duration from,
          Duration to) {
  return {{"name", std::move(name)},
          {"cat", category},
          {"ph", "X"},
          {"pid", process},
          {"tid", thread},
          {"ts", Microseconds(from)},
          {"dur", Microseconds(to - from)}};
}

void AppendRun(const RunReport& report, Json& events) {
  const RunView& run = report.run.view;
  const std::string name = "run " + RunName(run.run) + " of " + OneLine(run.name);
  events.push_back(Meta("process_name", kRunProcess, 0, {{"name", name}}));
  events.push_back(Meta("thread_name", kRunProcess, 0, {{"name", "run"}}));
  events.push_back(Meta("thread_name", kRunProcess, 1, {{"name", "critical path"}}));
  events.push_back(Span(name, EnumName(run.state), kRunProcess, 0, Duration::zero(), run.elapsed));
  for (const PathStep& step : report.path) {
    const std::string task = OneLine(report.tasks[step.task].past.view.name);
    events.push_back(Span(task, "critical path", kRunProcess, 1, step.from, step.to));
    // Where its time went lies below it, one part behind the other.
    Duration at = step.from;
    const std::pair<const char*, Duration> parts[] = {{"queue", step.split.queue},
                                                      {"earlier tries", step.split.earlier_tries},
                                                      {"handover", step.split.handover},
                                                      {"execution", step.split.execution}};
    for (const auto& [part, duration] : parts) {
      if (duration > Duration::zero()) events.push_back(Span(part, part, kRunProcess, 1, at, at + duration));
      at += duration;
    }
  }
}

}  // namespace

std::string TraceEvents(const RunReport& report) {
  Json events = Json::array();
  AppendRun(report, events);
  std::vector<std::uint32_t> processes;  // of each lane
  for (std::size_t i = 0; i < report.lanes.size(); ++i) {
    const Lane& lane = report.lanes[i];
    const bool next = i == 0 || report.lanes[i - 1].worker != lane.worker;
    processes.push_back((processes.empty() ? kRunProcess : processes.back()) + (next ? 1U : 0U));
    if (next) events.push_back(Meta("process_name", processes.back(), 0, {{"name", "worker " + OneLine(lane.worker)}}));
    const std::string name = "slot " + std::to_string(lane.slot);
    events.push_back(Meta("thread_name", processes.back(), lane.slot, {{"name", name}}));
  }
  for (const Bar& bar : report.bars) {
    const ReportTask& task = report.tasks[bar.task];
    const PastAttempt& attempt = task.past.attempts[bar.attempt];
    Json span = Span(OneLine(task.past.view.name), EnumName(attempt.outcome), processes[bar.lane],
                     report.lanes[bar.lane].slot, bar.from, bar.to);
    span["args"] = {{"try", attempt.try_number},
                    {"outcome", EnumName(attempt.outcome)},
                    {"module", task.past.view.module},
                    {"message", attempt.message},
                    {"on_critical_path", task.on_path}};
    events.push_back(std::move(span));
  }
  const Json trace = {{"displayTimeUnit", "ms"},
                      {"otherData",
                       {{"generator", report.generator},
                        {"run", RunName(report.run.view.run)},
                        {"submitted_unix_ms", report.run.view.submitted_unix_ms}}},
                      {"traceEvents", std::move(events)}};
  return trace.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace millrace::report
