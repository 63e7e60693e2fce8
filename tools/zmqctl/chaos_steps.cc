// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_steps.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "millrace/base/status.h"

namespace millrace::zmqctl {
namespace {

// "NAMESPACE-PID-START-N": all but the number is the worker.
std::string WorkerOf(const std::string& slot) { return slot.substr(0, slot.rfind('-')); }

class Judge {
 public:
  Judge(const JournalVerdict& journal, std::int64_t slots, StepsVerdict& verdict)
      : journal_(journal), slots_(slots), verdict_(verdict) {
    const PackedTasks& tasks = journal.job->tasks;
    for (std::uint32_t task = 0; task < tasks.size(); ++task) index_[std::string(tasks.NameOf(task))] = task;
  }

  void Take(const TaskStep& step) {
    const auto known = index_.find(step.task);
    if (known == index_.end()) return verdict_.broken.Add("'" + step.task + "' was run, which nobody has submitted");
    step.begins ? Begin(step, known->second) : End(step);
  }
  void Finish();

 private:
  void Begin(const TaskStep& step, std::uint32_t task);
  void End(const TaskStep& step);
  void CheckNeeds(std::uint32_t task);

  const JournalVerdict& journal_;
  std::int64_t slots_;
  StepsVerdict& verdict_;
  std::map<std::string, std::uint32_t> index_;
  std::map<std::uint32_t, std::uint64_t> begun_;  // executions by task
  std::set<AttemptId> begun_attempts_;
  std::set<AttemptId> ended_attempts_;
  struct Execution {
    AttemptId attempt;
    std::int64_t cpus = 1;
  };
  std::map<std::string, std::map<std::string, Execution>> open_;  // worker -> slot -> what runs there
};

void Judge::Begin(const TaskStep& step, std::uint32_t task) {
  ++verdict_.executions;
  if (begun_[task]++ > 0) {
    ++verdict_.reexecutions;
    if (!journal_.job->PolicyOf(task).idempotent) {
      verdict_.broken.Add("'" + step.task + "' was begun again, which must not be done twice");
    }
  }
  if (!begun_attempts_.insert(step.attempt).second) {
    verdict_.broken.Add(absl::StrFormat("attempt %d of '%s' was begun twice", step.attempt.value, step.task));
  }
  CheckNeeds(task);
  auto& slots = open_[WorkerOf(step.slot)];
  const std::int64_t cpus = journal_.job->RequirementsOf(task).cpus;
  slots[step.slot] = {step.attempt, cpus};
  std::int64_t in_use = 0;
  for (const auto& [slot, execution] : slots) in_use += execution.cpus;
  verdict_.most_at_once = std::max(verdict_.most_at_once, in_use);
  if (in_use > slots_) {
    verdict_.broken.Add(
        absl::StrFormat("limit: %d of %d slots of a worker were in use when '%s' began", in_use, slots_, step.task));
  }
}

// What it needs has ended in the world too, and by the very attempt that counts.
void Judge::CheckNeeds(std::uint32_t task) {
  for (const Dependency need : journal_.job->tasks.NeedsOf(task)) {
    const std::optional<AttemptId> committed = journal_.committed[need.task];
    if (!committed || !begun_.contains(need.task) || ended_attempts_.contains(*committed)) continue;
    verdict_.broken.Add(absl::StrFormat("order: '%s' began before the attempt of '%s' that counts had ended",
                                        journal_.job->tasks.NameOf(task), journal_.job->tasks.NameOf(need.task)));
  }
}

void Judge::End(const TaskStep& step) {
  ended_attempts_.insert(step.attempt);
  auto& slots = open_[WorkerOf(step.slot)];
  const auto it = slots.find(step.slot);
  if (it == slots.end() || it->second.attempt != step.attempt) {
    verdict_.broken.Add(absl::StrFormat("limit: '%s' ended when something else ran in its slot", step.task));
  } else {
    slots.erase(it);
  }
}

// A success that never came to its end is none. Tasks that write nothing are not judged.
void Judge::Finish() {
  for (const auto& [task, count] : begun_) {
    const std::optional<AttemptId> committed = journal_.committed[task];
    if (committed && !ended_attempts_.contains(*committed)) {
      verdict_.broken.Add(absl::StrFormat("'%s' succeeded by an attempt that has not come to its end",
                                          journal_.job->tasks.NameOf(task)));
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<TaskStep>> ParseSteps(std::string_view text) {
  std::vector<TaskStep> steps;
  std::size_t number = 0;
  for (const absl::string_view line : absl::StrSplit(Av(text), '\n')) {
    ++number;
    if (line.empty()) continue;
    // The name in the middle may have blanks.
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    const std::size_t third = last == absl::string_view::npos || last == 0 ? last : line.rfind(' ', last - 1);
    TaskStep step;
    step.begins = absl::StartsWith(line, "begin ");
    if ((!step.begins && !absl::StartsWith(line, "end ")) || third == absl::string_view::npos || third <= first ||
        !absl::SimpleAtoi(line.substr(third + 1, last - third - 1), &step.attempt.value)) {
      return InvalidArgument("line %d: '%s' is not 'begin|end TASK ATTEMPT SLOT'", number, std::string(line));
    }
    step.task = std::string(line.substr(first + 1, third - first - 1));
    step.slot = std::string(line.substr(last + 1));
    steps.push_back(std::move(step));
  }
  return steps;
}

StepsVerdict JudgeSteps(std::span<const TaskStep> steps, const JournalVerdict& journal, std::int64_t slots) {
  StepsVerdict verdict;
  Judge judge(journal, slots, verdict);
  for (const TaskStep& step : steps) judge.Take(step);
  judge.Finish();
  return verdict;
}

}  // namespace millrace::zmqctl
