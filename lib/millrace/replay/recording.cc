// SPDX-License-Identifier: Apache-2.0
#include "millrace/replay/recording.h"

#include <algorithm>
#include <map>
#include <utility>

#include "millrace/base/ids.h"
#include "millrace/base/status.h"
#include "millrace/report/lanes.h"

namespace millrace::replay {
namespace {

using report::ReportTask;
using report::RunReport;

// The module that the workers of a VirtualFleet have.
constexpr char kWork[] = "work";

bool RanToItsEnd(const ReportTask& task) {
  const std::vector<PastAttempt>& attempts = task.past.attempts;
  const Outcome outcome = task.past.view.outcome;
  return !attempts.empty() && attempts.back().outcome == outcome && outcome != Outcome::kCancelled &&
         outcome != Outcome::kLost;
}

Duration MedianOf(std::vector<Duration>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// What tasks that have not run would have taken: the median of their template, else of the run.
class Guess {
 public:
  explicit Guess(const RunReport& report) {
    std::map<std::string, std::vector<Duration>> groups;
    std::vector<Duration> all;
    for (const ReportTask& task : report.tasks) {
      if (!RanToItsEnd(task) || task.past.view.outcome != Outcome::kSucceeded) continue;
      groups[task.group].push_back(task.past.view.execution);
      all.push_back(task.past.view.execution);
    }
    if (!all.empty()) all_ = MedianOf(all);
    for (auto& [group, values] : groups) medians_[group] = MedianOf(values);
  }
  Duration For(const ReportTask& task) const {
    const auto it = medians_.find(task.group);
    return it == medians_.end() ? all_ : it->second;
  }

 private:
  std::map<std::string, Duration> medians_;
  Duration all_{};
};

RecordedTask TaskOf(const ReportTask& task, const Guess& guess) {
  RecordedTask recorded;
  const TaskView& view = task.past.view;
  recorded.cached = view.outcome == Outcome::kCached;
  const bool whole = RanToItsEnd(task);
  Duration cut_off{};  // the longest that was stopped before its end
  for (std::size_t a = 0; a < task.past.attempts.size(); ++a) {
    const PastAttempt& attempt = task.past.attempts[a];
    const bool last = whole && a + 1 == task.past.attempts.size();
    const bool known = attempt.started >= Duration::zero() && attempt.ended >= attempt.started;
    const Duration took = last ? view.execution : known ? attempt.ended - attempt.started : Duration::zero();
    if (last) {
      recorded.tries.push_back({.takes = std::max(took, Duration::zero()), .outcome = view.outcome});
    } else if (attempt.outcome == Outcome::kFailed || attempt.outcome == Outcome::kTimedOut) {
      recorded.tries.push_back({.takes = took, .outcome = attempt.outcome, .transient = true});
    } else {
      cut_off = std::max(cut_off, took);
    }
  }
  if (whole || recorded.cached) {
    if (recorded.tries.empty()) recorded.tries.push_back({});
    return recorded;
  }
  recorded.guessed = true;
  recorded.tries.push_back({.takes = std::max(guess.For(task), cut_off)});
  return recorded;
}

JobSpec SingleSlots(const RunReport& report) {
  JobSpec job;
  job.fail_mode = FailMode::kKeepGoing;
  job.requirements.emplace_back();
  job.policies.emplace_back();
  job.policies.emplace_back().cached = true;
  for (const ReportTask& task : report.tasks) {
    TaskSpec& spec = job.tasks.emplace_back();
    spec.name = task.past.view.name;
    spec.policy = task.links.cacheable ? 1 : 0;
    spec.needs = task.links.needs;
  }
  return job;
}

// What only workers that are there could have: any worker of a simulation can run anything.
void MakeRunnable(JobSpec& job) {
  job.modules = {ModuleSpec{.name = kWork, .fingerprint = 0, .version = ""}};
  for (Requirements& one : job.requirements) one = Requirements{.cpus = one.cpus};
  for (Policy& policy : job.policies) {
    policy.secrets.clear();
    policy.memory_limit = 0;
    policy.produces.clear();
    policy.consumes.clear();
  }
  for (TaskSpec& task : job.tasks) task.module = 0;
}

// What each worker had at work at a time, at most: bars of a lane follow each other, those of a worker overlap.
std::vector<std::int64_t> SlotsOf(const RunReport& report, const JobSpec& job) {
  std::map<std::string, std::map<Duration, std::int64_t>> changes;
  for (const report::Bar& bar : report.bars) {
    const std::int64_t cpus = job.requirements[job.tasks[bar.task].requirements].cpus;
    std::map<Duration, std::int64_t>& worker = changes[report.lanes[bar.lane].worker];
    worker[bar.from] += cpus;
    worker[bar.to] -= cpus;
  }
  std::vector<std::int64_t> slots;
  for (const auto& [worker, steps] : changes) {
    std::int64_t busy = 0;
    std::int64_t most = 0;
    for (const auto& [at, change] : steps) most = std::max(most, busy += change);
    slots.push_back(std::max<std::int64_t>(most, 1));
  }
  return slots;
}

void Note(const RunReport& report, bool knows_job, Recording& recording) {
  const auto guessed = static_cast<std::size_t>(std::count_if(recording.tasks.begin(), recording.tasks.end(),
                                                              [](const RecordedTask& task) { return task.guessed; }));
  if (guessed > 0) {
    recording.notes.push_back(
        absl::StrFormat("%d of %d tasks did not run to their end; they are taken to succeed in the median of their "
                        "template",
                        guessed, recording.tasks.size()));
  }
  if (!knows_job) {
    recording.notes.emplace_back(
        "an older Millrace has kept this run: each task is taken to need one slot, and failures to stop nothing else");
  }
  bool links = true;
  std::uint64_t left_out = 0;
  for (const ReportTask& task : report.tasks) {
    links = links && task.links_known;
    left_out += task.links.needs_left_out + task.past.attempts_left_out;
  }
  if (!links) recording.notes.emplace_back("what tasks needed is not known: they are taken to need nothing");
  if (left_out > 0) recording.notes.push_back(absl::StrFormat("%d needs and tries were not kept", left_out));
}

}  // namespace

absl::StatusOr<Recording> MakeRecording(const RunReport& report, std::optional<JobSpec> job) {
  if (report.tasks.empty()) {
    return FailedPrecondition("run %s cannot be played again: %s", RunName(report.run.view.run),
                              report.run.without_tasks ? "it had too many tasks to keep each" : "it has no tasks");
  }
  Recording recording;
  recording.elapsed = report.run.view.elapsed;
  recording.state = report.run.view.state;
  const bool knows_job = job && job->tasks.size() == report.tasks.size();
  recording.job = knows_job ? *std::move(job) : SingleSlots(report);
  if (recording.job.name.empty()) recording.job.name = report.run.view.name;
  const Guess guess(report);
  for (std::size_t t = 0; t < report.tasks.size(); ++t) {
    recording.tasks.push_back(TaskOf(report.tasks[t], guess));
    const TaskSpec& spec = recording.job.tasks[t];
    recording.widest = std::max(recording.widest, recording.job.requirements[spec.requirements].cpus);
  }
  for (TaskSpec& task : recording.job.tasks) {  // a damaged file may hold a strange one
    std::erase_if(task.needs, [&report](const Dependency& need) { return need.task >= report.tasks.size(); });
  }
  MakeRunnable(recording.job);
  recording.slots = SlotsOf(report, recording.job);
  recording.handover = report::HandoverOf(report);
  Note(report, knows_job, recording);
  return recording;
}

}  // namespace millrace::replay
