// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace millrace::host {
namespace {

constexpr std::string_view kEraseLine = "\r\x1b[2K";
constexpr int kBarCells = 20;

std::string_view MarkOf(const TaskView& task) {
  if (task.outcome == Outcome::kCached) return "cached   ";
  if (IsGood(task.outcome)) return "done     ";
  switch (task.outcome) {
    case Outcome::kSkipped:
    case Outcome::kDependencyFailed: return "skipped  ";
    case Outcome::kCancelled: return "cancelled";
    default: return task.ignored ? "ignored  " : "FAILED   ";
  }
}

}  // namespace

void Progress::ShowTask(const TaskView& task) {
  std::string line = console_.Paint(ColourOf(task), MarkOf(task)) + " " + Printable(task.name);
  if (task.try_number > 0) {
    line += console_.Paint(Colour::kDim,
                           absl::StrFormat("  %s on %s", FormatDuration(task.execution), Printable(task.worker)));
    if (task.try_number > 1) line += console_.Paint(Colour::kYellow, absl::StrFormat("  try %u", task.try_number));
  }
  if (!IsGood(task.outcome)) {
    const std::string& why = task.failure.message.empty() ? task.reason : task.failure.message;
    if (!why.empty()) line += ": " + Printable(why);
  }
  console_.Write(line + "\n");
}

void Progress::Update(const RunView& run, std::span<const TaskView> changed) {
  if (live_shown_) console_.Write(kEraseLine);
  live_shown_ = false;
  run_ = run;
  for (; warnings_shown_ < run.warnings.size(); ++warnings_shown_) {
    console_.Write(console_.Paint(Colour::kYellow, "warning: ") + Printable(run.warnings[warnings_shown_]) + "\n");
  }
  std::vector<const TaskView*> ended;
  for (const TaskView& task : changed) {
    const bool had_ended = tasks_[task.index].state == TaskState::kEnded;
    tasks_[task.index] = task;
    if (task.state == TaskState::kEnded && !had_ended) ended.push_back(&task);
  }
  if (outlook_ != nullptr && !outlook_shown_) {
    outlook_shown_ = true;
    if (const std::optional<TimesLeft> left = Left(run)) {
      console_.Write(
          console_.Paint(Colour::kDim, absl::StrFormat("%s, or %s (earlier runs: %d)", TimeLeftText(*left),
                                                       FormatDuration(left->p90), outlook_->estimates().runs())) +
          "\n");
    }
  }
  std::sort(ended.begin(), ended.end(), [](const auto* a, const auto* b) { return a->ended < b->ended; });
  for (const TaskView* task : ended) {
    // A wave is told with the first of its tasks that ends; it is never waited for.
    if (task->wave > wave_shown_) {
      wave_shown_ = task->wave;
      console_.Write(console_.Paint(Colour::kDim, absl::StrFormat("wave %u of %u", task->wave, run.waves)) + "\n");
    }
    ShowTask(*task);
  }
  if (console_.live && !HasEnded(run.state)) {
    console_.Write(Clip(LiveLine(run), static_cast<std::size_t>(std::max(console_.columns - 1, 20))));
    live_shown_ = true;
  }
}

std::optional<TimesLeft> Progress::Left(const RunView& run) const {
  return outlook_ == nullptr ? std::nullopt : outlook_->For(run, tasks_);
}

std::string Progress::LiveLine(const RunView& run) const {
  const std::uint64_t ended =
      std::uint64_t{run.succeeded} + run.cached + run.failed + run.ignored + run.skipped + run.cancelled;
  const std::uint64_t share = run.tasks == 0 ? kBarCells : kBarCells * ended / run.tasks;
  const int filled = static_cast<int>(std::min<std::uint64_t>(share, kBarCells));  // a broker may say anything
  std::string line = absl::StrFormat("[%s%s] %d/%d  %s ", std::string(static_cast<std::size_t>(filled), '='),
                                     std::string(static_cast<std::size_t>(kBarCells - filled), ' '), ended, run.tasks,
                                     FormatDuration(run.elapsed));
  if (const std::optional<TimesLeft> left = Left(run)) line += " " + TimeLeftText(*left) + " ";
  if (run.failed > 0) line += absl::StrFormat(" %u failed ", run.failed);
  for (const auto& [index, task] : tasks_) {
    if (task.state == TaskState::kRunning) line += " " + Printable(task.name);
  }
  return line;
}

void Progress::Finish() {
  if (live_shown_) console_.Write(kEraseLine);
  live_shown_ = false;
}

Summary Progress::TakeSummary() {
  Summary summary;
  summary.run = run_;
  for (auto& [index, task] : tasks_) summary.tasks.push_back(std::move(task));
  return summary;
}

}  // namespace millrace::host
