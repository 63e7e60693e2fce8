// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_oracle.h"

#include <algorithm>
#include <filesystem>
#include <type_traits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "millrace/base/names.h"
#include "millrace/base/status.h"
#include "millrace/exec/lock_file.h"
#include "millrace/store/journal.h"

namespace millrace::zmqctl {
namespace {

constexpr std::size_t kMostTexts = 20;

// What the records so far say of a task.
struct TaskStory {
  AttemptId current;         // none while no worker has it
  bool lost_before = false;  // an attempt of it was lost
  bool left_behind = false;  // an attempt of it may have started
  std::uint32_t ends = 0;
  Outcome outcome = Outcome::kNone;
};

class Judge {
 public:
  explicit Judge(JournalVerdict& verdict) : verdict_(verdict) {}

  void Take(const JournalLine& line) {
    at_ = line.position;
    Unfold(line.record, [this](const Record& one) {
      std::visit(
          [this]<class R>(const R& record) {
            if constexpr (!std::is_same_v<R, TasksAssigned> && !std::is_same_v<R, TasksSucceeded>) On(record);
          },
          one);
    });
  }
  void Finish(const std::set<std::string>& may_fail);

 private:
  void On(const RunAccepted& record);
  void On(const TaskAssigned& record);
  void On(const AttemptEnded& record);
  void On(const TaskEnded& record);
  void On(const RunCancelled&) { verdict_.outcome.Add("the run was cancelled"); }
  void On(const RunEnded& record);
  void On(const CrashForgiven& record) { Find(record.task); }
  template <class Other>
  void On(const Other&) {}  // says nothing of what is judged here

  // The story of a task, or none and a finding.
  TaskStory* Find(TaskRef task);
  const Policy& PolicyOf(std::uint32_t task) const { return job_->PolicyOf(task); }
  std::string NameOf(std::uint32_t task) const { return absl::StrFormat("'%s'", job_->tasks.NameOf(task)); }
  void Order(const std::string& text) { verdict_.order.Add(absl::StrFormat("position %d: %s", at_, text)); }
  void CheckNeeds(std::uint32_t task);
  std::vector<bool> Spared(const std::set<std::string>& may_fail) const;

  JournalVerdict& verdict_;
  const PackedJob* job_ = nullptr;
  RunId run_;
  std::vector<TaskStory> tasks_;
  std::uint64_t highest_ = 0;  // attempt that was given out; a later one is higher, also by a later broker
  JournalPosition at_ = 0;
  bool ended_ = false;
};

void Judge::On(const RunAccepted& record) {
  if (job_ != nullptr) return Order("a run was accepted a second time");
  job_ = verdict_.job = &*record.job;
  run_ = record.run;
  tasks_.resize(job_->tasks.size());
}

TaskStory* Judge::Find(TaskRef task) {
  if (job_ == nullptr || task.run != run_ || task.index >= tasks_.size()) {
    Order("speaks of a task that nobody has submitted");
    return nullptr;
  }
  if (ended_) Order("something happened to task " + NameOf(task.index) + " after the end of the run");
  return &tasks_[task.index];
}

void Judge::On(const TaskAssigned& record) {
  TaskStory* const story = Find(record.task);
  if (story == nullptr) return;
  ++verdict_.attempts;
  if (story->lost_before) ++verdict_.after_loss;
  if (record.attempt.value <= highest_) {
    Order(
        absl::StrFormat("attempt %d of task %s was given out before", record.attempt.value, NameOf(record.task.index)));
  }
  highest_ = std::max(highest_, record.attempt.value);
  if (story->ends > 0) Order("task " + NameOf(record.task.index) + " was assigned after its end");
  if (story->left_behind && !PolicyOf(record.task.index).idempotent) {
    Order("task " + NameOf(record.task.index) + " was assigned again, which must not be done twice");
  }
  if (story->current.valid()) Order("task " + NameOf(record.task.index) + " was assigned while a worker had it");
  story->current = record.attempt;
  CheckNeeds(record.task.index);
}

void Judge::CheckNeeds(std::uint32_t task) {
  for (const Dependency need : job_->tasks.NeedsOf(task)) {
    const TaskStory& needed = tasks_[need.task];
    if (needed.ends == 0) {
      Order("task " + NameOf(task) + " was assigned before " + NameOf(need.task) + ", which it needs, had ended");
      continue;
    }
    const bool must_be_good = need.kind == DependencyKind::kRequired && !PolicyOf(task).always_run;
    if (must_be_good && !IsGood(needed.outcome) && !PolicyOf(need.task).ignore_failure) {
      Order("task " + NameOf(task) + " was assigned although " + NameOf(need.task) + ", which it needs, ended as " +
            std::string(EnumName(needed.outcome)));
    }
  }
}

void Judge::On(const AttemptEnded& record) {
  TaskStory* const story = Find(record.task);
  if (story == nullptr) return;
  if (record.attempt != story->current)
    Order("an attempt of task " + NameOf(record.task.index) + " ended that it has not");
  if (record.outcome == Outcome::kLost) story->lost_before = true;
  if (record.outcome != Outcome::kNone) story->left_behind = true;
  story->current = {};
}

void Judge::On(const TaskEnded& record) {
  TaskStory* const story = Find(record.task);
  if (story == nullptr) return;
  if (story->ends++ > 0) ++verdict_.committed_twice;
  if (record.outcome == Outcome::kSucceeded && record.attempt != story->current) {
    Order("task " + NameOf(record.task.index) + " succeeded by an attempt that is not its current one");
  }
  if (record.outcome == Outcome::kSucceeded) verdict_.committed[record.task.index] = record.attempt;
  if (absl::StartsWith(record.failure.message, "poison:")) ++verdict_.poisoned;
  story->outcome = record.outcome;
  story->current = {};
}

void Judge::On(const RunEnded& record) {
  if (ended_ || job_ == nullptr || record.run != run_) Order("a run ended that is not going on");
  ended_ = true;
  verdict_.state = record.state;
}

// Those that fail anyway, those that are lost because they must not run twice, and those that need one of them.
std::vector<bool> Judge::Spared(const std::set<std::string>& may_fail) const {
  std::vector<bool> spared(tasks_.size());
  bool changed = false;
  for (std::uint32_t task = 0; task < tasks_.size(); ++task) {
    const bool lost = tasks_[task].outcome == Outcome::kLost && !PolicyOf(task).idempotent;
    spared[task] = lost || may_fail.contains(std::string(job_->tasks.NameOf(task)));
    changed |= spared[task];
  }
  while (changed) {
    changed = false;
    for (std::uint32_t task = 0; task < tasks_.size(); ++task) {
      for (const Dependency need : job_->tasks.NeedsOf(task)) {
        if (spared[task] || need.kind != DependencyKind::kRequired || !spared[need.task]) continue;
        spared[task] = changed = true;
      }
    }
  }
  return spared;
}

void Judge::Finish(const std::set<std::string>& may_fail) {
  if (job_ == nullptr) return verdict_.outcome.Add("the submission is not in the journal");
  verdict_.tasks = tasks_.size();
  const std::vector<bool> spared = Spared(may_fail);
  bool fails = !may_fail.empty();
  for (std::uint32_t task = 0; task < tasks_.size(); ++task) {
    const TaskStory& story = tasks_[task];
    if (story.ends == 0) ++verdict_.lost;
    if (story.ends == 0 || IsGood(story.outcome) || story.outcome == Outcome::kSkipped) continue;
    if (PolicyOf(task).ignore_failure) continue;
    fails |= spared[task];
    if (spared[task]) continue;
    verdict_.outcome.Add("task " + NameOf(task) + " ended as " + std::string(EnumName(story.outcome)));
  }
  const RunState expected = fails ? RunState::kFailed : RunState::kSucceeded;
  if (!ended_) {
    verdict_.outcome.Add("the run has not ended");
  } else if (verdict_.state != expected) {
    verdict_.outcome.Add(absl::StrFormat("the run ended as %s, not %s", EnumName(verdict_.state), EnumName(expected)));
  }
}

}  // namespace

absl::StatusOr<std::vector<JournalLine>> ReadJournal(const std::string& data_dir) {
  const std::filesystem::path folder(data_dir);
  MILLRACE_ASSIGN_OR_RETURN(const exec::LockFile lock, exec::LockFile::Acquire(folder / "lock"));
  MILLRACE_ASSIGN_OR_RETURN(store::Journal journal,
                            store::Journal::Open(folder / store::kJournalName, store::Sync::kFull));
  std::vector<JournalLine> lines;
  MILLRACE_RETURN_IF_ERROR(journal.Replay([&lines](JournalPosition position, Record record) {
    lines.push_back({position, std::move(record)});
    return absl::OkStatus();
  }));
  return lines;
}

void Findings::Add(std::string text) {
  ++count_;
  if (texts_.size() < kMostTexts) texts_.push_back(std::move(text));
}

JournalVerdict JudgeJournal(std::span<const JournalLine> lines, const std::set<std::string>& may_fail) {
  JournalVerdict verdict;
  for (const JournalLine& line : lines) {
    const auto* accepted = std::get_if<RunAccepted>(&line.record);
    if (accepted != nullptr && verdict.committed.empty()) verdict.committed.resize(accepted->job->tasks.size());
  }
  Judge judge(verdict);
  for (const JournalLine& line : lines) judge.Take(line);
  judge.Finish(may_fail);
  return verdict;
}

}  // namespace millrace::zmqctl
