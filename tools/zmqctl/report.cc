// SPDX-License-Identifier: Apache-2.0
// The report of a run that has ended, read from the history in a data directory.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "millrace/base/fields.h"
#include "millrace/base/status.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/report.h"
#include "millrace/host/summary.h"
#include "millrace/report/formats.h"
#include "tools/zmqctl/commands.h"
#include "tools/zmqctl/past_report.h"

namespace millrace::zmqctl {
namespace {

namespace fs = std::filesystem;
using host::Console;
using host::Printable;
using report::RunReport;

constexpr std::size_t kRowsOfText = 40;  // of a table for people; the other forms have all

std::string PathText(const RunReport& report, const Console& console) {
  if (report.path.empty()) return "";
  std::vector<std::vector<std::string>> rows = {
      {"critical path", "from", "took", "queue", "earlier tries", "handover", "execution", "worker"}};
  for (const report::PathStep& step : report.path) {
    const TaskView& view = report.tasks[step.task].past.view;
    rows.push_back({Printable(view.name), FormatDuration(step.from), FormatDuration(step.to - step.from),
                    FormatDuration(step.split.queue), FormatDuration(step.split.earlier_tries),
                    FormatDuration(step.split.handover), FormatDuration(step.split.execution),
                    view.worker.empty() ? "-" : Printable(view.worker)});
  }
  return "\n" + host::FormatTable(rows, console);
}

std::string StragglersText(const RunReport& report, const Console& console) {
  if (report.stragglers.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"straggler", "executed", "median", "siblings", "worker"}};
  for (const report::Straggler& straggler : report.stragglers) {
    const TaskView& view = report.tasks[straggler.task].past.view;
    rows.push_back({Printable(view.name), FormatDuration(straggler.execution), FormatDuration(straggler.median),
                    std::to_string(straggler.siblings), Printable(view.worker)});
  }
  return "\n" + host::FormatTable(rows, console);
}

std::string FailuresText(const RunReport& report, const Console& console) {
  std::string text;
  std::size_t failed = 0;
  for (const report::ReportTask& task : report.tasks) {
    if (task.past.view.failure == Failure()) continue;
    if (++failed > kRowsOfText) continue;
    TaskView view = task.past.view;
    view.host = view.failure.host;  // the history has no other
    text += "\n" + host::FailureText(view, console, {.others_on_host = task.others_on_host, .again = task.again});
  }
  if (failed > kRowsOfText) text += absl::StrFormat("\n%d more have failed\n", failed - kRowsOfText);
  return text;
}

std::string Text(const RunReport& report, const Console& console) {
  const RunView& view = report.run.view;
  std::string text = absl::StrFormat("run %s of %s %s: %s\n", RunName(view.run), Printable(view.name),
                                     EnumName(view.state), host::Totals(view));
  if (!view.root_cause.empty()) text += "root cause: " + Printable(view.root_cause) + "\n";
  for (const std::string& sentence : report.why) text += Printable(sentence) + "\n";
  return text + PathText(report, console) + StragglersText(report, console) + FailuresText(report, console);
}

struct Form {
  const char* flag;
  bool wanted;
  std::string (*make)(const RunReport&);
};

// Nothing when none was asked for.
absl::StatusOr<std::optional<Form>> FormOf(const Arguments& arguments) {
  const Form forms[] = {
      {"--html", arguments.html, report::HtmlPage},           {"--json", arguments.json, report::JsonReport},
      {"--junit", arguments.junit, report::JunitReport},      {"--trace", arguments.trace, report::TraceEvents},
      {"--mermaid", arguments.mermaid, report::MermaidGraph}, {"--dot", arguments.dot, report::DotGraph}};
  std::optional<Form> wanted;
  for (const Form& form : forms) {
    if (!form.wanted) continue;
    if (wanted) return InvalidArgument("%s and %s: a report has one form; ask twice", wanted->flag, form.flag);
    wanted = form;
  }
  return wanted;
}

absl::Status WriteAll(int descriptor, std::string_view text, const std::string& name) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, name);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

// A reader sees the old file or the new one. What is no file (a pipe, /dev/stdout) is written as it is.
absl::Status WriteWhole(fs::path file, std::string_view text) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (fs::is_directory(status)) return InvalidArgument("--output %s: is a directory", file.string());
  const bool special = fs::exists(status) && !fs::is_regular_file(status);
  if (!special && fs::exists(status)) file = fs::canonical(file, error);
  const std::string name = special ? file.string() : absl::StrFormat("%s.%d.tmp", file.string(), getpid());
  const int descriptor = open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (special ? 0 : O_TRUNC), 0666);
  if (descriptor < 0) return ErrnoStatus(errno, "--output " + name);
  absl::Status written = WriteAll(descriptor, text, name);
  if (written.ok() && !special && fsync(descriptor) != 0) written = ErrnoStatus(errno, name);
  close(descriptor);
  if (special) return written;
  if (written.ok() && rename(name.c_str(), file.c_str()) != 0) written = ErrnoStatus(errno, file.string());
  if (!written.ok()) unlink(name.c_str());
  return written;
}

}  // namespace

absl::StatusOr<int> Report(const Arguments& arguments, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(const std::optional<Form> form, FormOf(arguments));
  MILLRACE_ASSIGN_OR_RETURN(const PastReport past, ReadReport(options.data_dir, arguments.run, /*with_job=*/false));
  const RunReport& report = past.report;
  Console console = host::ConsoleFor(stdout, options);
  if (!arguments.output.empty() && options.color != host::Color::kAlways) console.colour = false;
  const std::string text = form ? form->make(report) : Text(report, console);
  if (arguments.output.empty()) {
    console.Write(text);
  } else {
    MILLRACE_RETURN_IF_ERROR(WriteWhole(arguments.output, text));
  }
  return host::kSucceeded;
}

}  // namespace millrace::zmqctl
