// SPDX-License-Identifier: Apache-2.0
#include <ctime>
#include <string>

#include "absl/strings/str_format.h"
#include "millrace/base/fields.h"
#include "millrace/base/ids.h"
#include "millrace/report/formats.h"
#include "millrace/report/text.h"

namespace millrace::report {
namespace {

struct Counts {
  std::size_t failures = 0;
  std::size_t errors = 0;
  std::size_t skipped = 0;
};

enum class Verdict { kGood, kFailure, kError, kSkipped };

Verdict VerdictOf(const TaskView& task) {
  if (task.ignored) return Verdict::kSkipped;
  switch (task.outcome) {
    case Outcome::kSucceeded:
    case Outcome::kCached: return Verdict::kGood;
    case Outcome::kFailed:
    case Outcome::kTimedOut: return Verdict::kFailure;
    case Outcome::kLost:
    case Outcome::kNone: return Verdict::kError;
    case Outcome::kCancelled:
    case Outcome::kSkipped:
    case Outcome::kDependencyFailed: break;
  }
  return Verdict::kSkipped;
}

Counts Count(const RunReport& report) {
  Counts counts;
  for (const ReportTask& task : report.tasks) {
    const Verdict verdict = VerdictOf(task.past.view);
    counts.failures += verdict == Verdict::kFailure ? 1 : 0;
    counts.errors += verdict == Verdict::kError ? 1 : 0;
    counts.skipped += verdict == Verdict::kSkipped ? 1 : 0;
  }
  return counts;
}

std::string TimestampOf(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  char text[32] = "";
  if (gmtime_r(&seconds, &utc) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  return text;
}

std::string Seconds(Duration duration) {
  return absl::StrFormat("%.3f", std::chrono::duration<double>(std::max(duration, Duration::zero())).count());
}

std::string Attribute(const char* name, std::string_view value) {
  return absl::StrFormat(" %s=\"%s\"", name, EscapeXml(value));
}

// Tries before the one that counted: not every reader knows an element for them.
std::string TriesOf(const ReportTask& task) {
  std::string text;
  const std::vector<PastAttempt>& attempts = task.past.attempts;
  for (std::size_t a = 0; a + 1 < attempts.size(); ++a) {
    text += absl::StrFormat("try %d on %s: %s %s\n", attempts[a].try_number, attempts[a].worker,
                            EnumName(attempts[a].outcome), attempts[a].message);
  }
  return text;
}

std::string CaseOf(const RunReport& report, const ReportTask& task) {
  const TaskView& view = task.past.view;
  std::string text = "  <testcase" + Attribute("classname", report.run.view.name + "." + task.group) +
                     Attribute("name", view.name) + Attribute("time", Seconds(task.split.execution)) + ">\n";
  const std::string reason = ReasonText(task);
  const std::string about = Attribute("message", reason) + Attribute("type", OutcomeText(view));
  switch (VerdictOf(view)) {
    case Verdict::kGood: break;
    case Verdict::kFailure:
      text += "   <failure" + about + ">" + EscapeXmlText(view.failure.output) + "</failure>\n";
      break;
    case Verdict::kError: text += "   <error" + about + ">" + EscapeXmlText(view.failure.output) + "</error>\n"; break;
    case Verdict::kSkipped:
      text += "   <skipped" + Attribute("message", OutcomeText(view) + ": " + reason) + "/>\n";
      break;
  }
  const std::string tries = TriesOf(task);
  if (!tries.empty()) text += "   <system-out>" + EscapeXmlText(tries) + "</system-out>\n";
  return text + "  </testcase>\n";
}

}  // namespace

std::string JunitReport(const RunReport& report) {
  const Counts counts = Count(report);
  const RunView& run = report.run.view;
  const std::string numbers =
      absl::StrFormat(" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" time=\"%s\"", report.tasks.size(),
                      counts.failures, counts.errors, counts.skipped, Seconds(run.elapsed));
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" + Attribute("name", run.name) + numbers +
                     ">\n <testsuite" + Attribute("name", run.name) + Attribute("id", RunName(run.run)) +
                     Attribute("timestamp", TimestampOf(run.submitted_unix_ms)) + numbers + ">\n";
  text += "  <properties>\n   <property name=\"run\"" + Attribute("value", RunName(run.run)) +
          "/>\n   <property name=\"state\"" + Attribute("value", EnumName(run.state)) + "/>\n  </properties>\n";
  for (const ReportTask& task : report.tasks) text += CaseOf(report, task);
  return text + " </testsuite>\n</testsuites>\n";
}

}  // namespace millrace::report
