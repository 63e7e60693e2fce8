// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/report.h"

#include "absl/strings/str_format.h"
#include "millrace/base/status.h"
#include "millrace/host/exit_code.h"
#include "millrace/serve/view_json.h"
#include "millrace/wire/json.h"

namespace millrace::host {

Console ConsoleFor(std::FILE* file, const Options& options) {
  Console console = Console::Of(file);
  if (options.color != Color::kAuto) console.colour = options.color == Color::kAlways;
  return console;
}

std::string SummaryJson(const Summary& summary) {
  std::string medians;
  for (const auto& [task, median] : summary.medians) {
    medians += absl::StrFormat("%s%s: %.6f", medians.empty() ? "" : ", ", wire::JsonQuote(task),
                               std::chrono::duration<double>(median).count());
  }
  return "{\"run\": " + serve::RunJson(summary.run) + ",\n\"tasks\": " + serve::TasksJson(summary.tasks) +
         (medians.empty() ? "" : ",\n\"medians_s\": {" + medians + "}") + "}\n";
}

int ReportEnd(const absl::StatusOr<Summary>& summary, const Options& options, bool json) {
  if (!summary.ok()) {
    std::fprintf(stderr, "%s\n", TextOf(summary.status()).c_str());
    return summary.status().code() == absl::StatusCode::kCancelled ? kInterrupted : ExitCodeOf(summary.status());
  }
  if (json) {
    std::fputs(SummaryJson(*summary).c_str(), stdout);
  } else {
    const Console console = ConsoleFor(stderr, options);
    console.Write("\n" + SummaryTable(*summary, console));
  }
  if (summary->ok()) return kSucceeded;
  return summary->run.state == RunState::kCancelled ? kInterrupted : kRunFailed;
}

}  // namespace millrace::host
