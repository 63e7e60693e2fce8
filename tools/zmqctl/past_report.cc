// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/past_report.h"

#include <iterator>
#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/host/assemble.h"
#include "millrace/report/crash_card.h"
#include "modules/builtins.h"

namespace millrace::zmqctl {

namespace fs = std::filesystem;

namespace {

// Only what we have the modules of, we can run; for others the program that has them has to be named by who knows it.
void SayAgain(report::RunReport& report, const fs::path& data_dir) {
  const Registry registry = modules::Builtins();
  const std::string source = "--data-dir " + report::ShellWord(data_dir.string());
  for (report::ReportTask& task : report.tasks) {
    const TaskView& view = task.past.view;
    if (!report::HasFailed(view)) continue;
    const char* program = registry.Find(view.module).ok() ? "zmqctl" : "PROGRAM";
    task.again = report::RerunCommand(program, report.run.view.run, view.name, source);
  }
}

}  // namespace

absl::StatusOr<store::History> OpenHistory(const fs::path& data_dir) {
  const fs::path file = data_dir / store::kHistoryName;
  if (!fs::exists(file)) {
    return NotFound("there is no history %s; --data-dir names the directory of the broker that ran it", file.string());
  }
  return store::History::OpenToRead(file);
}

absl::StatusOr<PastReport> ReadReport(const fs::path& data_dir, const std::string& name, bool with_job) {
  RunId run;
  if (!name.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(run, ParseRunName(name));
  }
  MILLRACE_ASSIGN_OR_RETURN(store::History history, OpenHistory(data_dir));
  absl::StatusOr<PastRun> past = history.Find(run);
  if (past.status().code() == absl::StatusCode::kNotFound) {
    return NotFound("%s (%s); a run has a report once it has ended", TextOf(past.status()),
                    (data_dir / store::kHistoryName).string());
  }
  if (!past.ok()) return past.status();
  run = past->view.run;
  PastReport read;
  MILLRACE_ASSIGN_OR_RETURN(std::vector<std::optional<PastLinks>> links, history.Links(run));
  if (with_job) {
    MILLRACE_ASSIGN_OR_RETURN(read.job, history.Job(run));
  }
  std::vector<PastTask> tasks;
  for (bool more = true; more;) {
    MILLRACE_ASSIGN_OR_RETURN(store::Page<PastTask> page, history.Tasks(run, tasks.size(), 0));
    more = page.more && !page.rows.empty();
    std::move(page.rows.begin(), page.rows.end(), std::back_inserter(tasks));
  }
  read.report = report::MakeReport(*std::move(past), std::move(tasks), std::move(links), "millrace " + host::Version());
  if (read.job) report::AddJob(read.report, *read.job);
  SayAgain(read.report, data_dir);
  return read;
}

}  // namespace millrace::zmqctl
