// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <string>

#include "absl/strings/str_format.h"
#include "millrace/base/fields.h"
#include "millrace/base/ids.h"
#include "millrace/report/formats.h"
#include "millrace/report/text.h"

namespace millrace::report {
namespace {

struct Paint {
  const char* fill;
  const char* line;
};
Paint PaintOf(const TaskView& task) {
  if (task.ignored) return {"#fff3cd", "#997404"};
  switch (task.outcome) {
    case Outcome::kSucceeded: return {"#d1e7dd", "#146c43"};
    case Outcome::kCached: return {"#cfe2ff", "#084298"};
    case Outcome::kFailed:
    case Outcome::kTimedOut:
    case Outcome::kLost: return {"#f8d7da", "#b02a37"};
    case Outcome::kCancelled: return {"#fff3cd", "#997404"};
    default: return {"#e9ecef", "#6c757d"};
  }
}
std::string ClassOf(const TaskView& task) { return task.ignored ? "ignored" : std::string(EnumName(task.outcome)); }

std::string TimeOf(const ReportTask& task) {
  return task.past.attempts.empty() ? "" : ", " + FormatDuration(task.split.execution);
}

}  // namespace

std::string MermaidGraph(const RunReport& report) {
  std::string text = "%% run " + RunName(report.run.view.run) + ": " + std::string(EnumName(report.run.view.state)) +
                     "\nflowchart LR\n";
  std::map<std::string, Paint> classes;
  for (std::size_t t = 0; t < report.tasks.size(); ++t) {
    const ReportTask& task = report.tasks[t];
    const std::string name = ClassOf(task.past.view);
    classes.emplace(name, PaintOf(task.past.view));
    text += absl::StrFormat("  t%d[\"%s<br/>%s%s\"]:::%s\n", t, EscapeMermaid(task.past.view.name),
                            EscapeMermaid(OutcomeText(task.past.view)), TimeOf(task), name);
  }
  std::string thick;
  for (std::size_t t = 0, edge = 0; t < report.tasks.size(); ++t) {
    for (const Dependency& need : report.tasks[t].links.needs) {
      text += absl::StrFormat("  t%d %s t%d\n", need.task, need.kind == DependencyKind::kOptional ? "-.->" : "-->", t);
      if (report.tasks[t].on_path && report.tasks[need.task].on_path) {
        thick += (thick.empty() ? "" : ",") + std::to_string(edge);
      }
      ++edge;
    }
  }
  for (const auto& [name, paint] : classes) {
    text += absl::StrFormat("  classDef %s fill:%s,stroke:%s,color:#212529\n", name, paint.fill, paint.line);
  }
  if (!thick.empty()) text += "  linkStyle " + thick + " stroke-width:4px\n";
  return text;
}

std::string DotGraph(const RunReport& report) {
  std::string text = absl::StrFormat(
      "digraph run {\n  rankdir=LR;\n  label=\"%s: run %s %s\";\n  node [shape=box, style=\"rounded,filled\"];\n",
      EscapeDot(report.run.view.name), RunName(report.run.view.run), EnumName(report.run.view.state));
  for (std::size_t t = 0; t < report.tasks.size(); ++t) {
    const ReportTask& task = report.tasks[t];
    const Paint paint = PaintOf(task.past.view);
    text += absl::StrFormat("  t%d [label=\"%s\\n%s%s\", fillcolor=\"%s\", color=\"%s\"%s];\n", t,
                            EscapeDot(task.past.view.name), EscapeDot(OutcomeText(task.past.view)), TimeOf(task),
                            paint.fill, paint.line, task.on_path ? ", penwidth=3" : "");
  }
  for (std::size_t t = 0; t < report.tasks.size(); ++t) {
    for (const Dependency& need : report.tasks[t].links.needs) {
      std::string style = need.kind == DependencyKind::kOptional ? "style=dashed" : "";
      const bool thick = report.tasks[t].on_path && report.tasks[need.task].on_path;
      if (thick) style += style.empty() ? "penwidth=3" : ", penwidth=3";
      text += absl::StrFormat("  t%d -> t%d [%s];\n", need.task, t, style);
    }
  }
  return text + "}\n";
}

}  // namespace millrace::report
