// SPDX-License-Identifier: Apache-2.0
// What the journal must give back: compares two brains in all that is durable, and says where they differ.
#include "millrace/base/status.h"
#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

constexpr std::uint8_t kDurableFlags =
    TaskFlag::kDoomed | TaskFlag::kSuspect | TaskFlag::kSuspicion | TaskFlag::kIgnored;

// The journal has milliseconds.
bool SameTime(Duration a, Duration b) { return std::chrono::abs(a - b) < std::chrono::milliseconds(2); }

}  // namespace

AttemptId Core::CurrentAttempt(const Run& run, std::uint32_t task) const {
  const std::uint32_t index = run.tasks.attempt[task];
  return index == kNone ? AttemptId{} : attempts_[index].id;
}

std::string Core::WorkerOf(const Run& run, std::uint32_t task) const {
  const std::uint32_t index = run.tasks.worker[task];
  return index == kNone ? std::string() : names_[index].name;
}

absl::Status Core::CheckSameAs(const Core& other) const {
  if (run_index_.size() != other.run_index_.size()) {
    return Internal("%d runs, replayed %d", run_index_.size(), other.run_index_.size());
  }
  for (const auto& [id, slot] : run_index_) {
    const Run* twin = other.FindRun(id);
    if (twin == nullptr) return Internal("run %s is not known", RunName(id));
    const absl::Status status = CheckSameRun(*RunAt(slot), other, *twin);
    if (!status.ok()) return Annotate(status, "run " + RunName(id));
  }
  return tokens_ == other.tokens_ ? absl::OkStatus() : Internal("the tokens differ");
}

absl::Status Core::CheckSameRun(const Run& run, const Core& other, const Run& twin) const {
  if (!(run.job == twin.job) || run.token != twin.token || run.submitted_unix_ms != twin.submitted_unix_ms) {
    return Internal("it was submitted as something else");
  }
  const bool same = run.state == twin.state && run.cancelled == twin.cancelled &&
                    run.cancelled_first == twin.cancelled_first && run.failed == twin.failed &&
                    run.root_is_teardown == twin.root_is_teardown && run.open == twin.open &&
                    run.ignored == twin.ignored && run.by_outcome == twin.by_outcome;
  if (!same) return Internal("its state differs");
  if (run.root_cause != twin.root_cause) return Internal("'%s', replayed '%s'", run.root_cause, twin.root_cause);
  if (run.cancel_reason != twin.cancel_reason) return Internal("it was cancelled for another reason");
  if (HasEnded(run.state) && !SameTime(run.elapsed, twin.elapsed)) return Internal("it took another time");
  if (run.results != twin.results) return Internal("its results differ");
  if (run.artifacts != twin.artifacts) return Internal("its artifacts differ");
  for (std::uint32_t task = 0; task < run.tasks.size(); ++task) {
    const absl::Status status = CheckSameTask(run, other, twin, task);
    if (!status.ok()) return Annotate(status, run.NameOf(task));
  }
  return absl::OkStatus();
}

absl::Status Core::CheckSameTask(const Run& run, const Core& other, const Run& twin, std::uint32_t task) const {
  const TaskTable& a = run.tasks;
  const TaskTable& b = twin.tasks;
  if (a.outcome[task] != b.outcome[task]) return Internal("its outcome differs");
  if (CurrentAttempt(run, task) != other.CurrentAttempt(twin, task)) return Internal("its attempt differs");
  if (WorkerOf(run, task) != other.WorkerOf(twin, task)) return Internal("its worker differs");
  if ((a.flags[task] & kDurableFlags) != (b.flags[task] & kDurableFlags)) return Internal("its flags differ");
  if (a.crashes[task] != b.crashes[task]) return Internal("%d crashes, replayed %d", a.crashes[task], b.crashes[task]);
  if (a.met[task] != b.met[task] || a.ended_dependants[task] != b.ended_dependants[task]) {
    return Internal("what it waits for, or what waits for it, differs");
  }
  if (a.tries[task] != b.tries[task]) return Internal("try %d, replayed %d", a.tries[task], b.tries[task]);
  if (a.charged[task] != b.charged[task]) return Internal("%d retries, replayed %d", a.charged[task], b.charged[task]);
  const Story* story = run.StoryOf(task);
  const Story* other_story = twin.StoryOf(task);
  static const Story kNothing;
  if (story == nullptr) story = &kNothing;
  if (other_story == nullptr) other_story = &kNothing;
  if (story->crashed_workers != other_story->crashed_workers) return Internal("it took down other workers");
  if (a.outcome[task] == Outcome::kNone) return absl::OkStatus();
  // Of a good end nothing is told; what stands there of earlier tries is known to this life only.
  const bool told = !IsGood(a.outcome[task]);
  if (told && (!(story->failure == other_story->failure) || story->reason != other_story->reason)) {
    return Internal("it ended for another reason: '%s', replayed '%s'", story->reason, other_story->reason);
  }
  if (a.execution[task] != b.execution[task]) return Internal("its execution took another time");
  const bool same_times = SameTime(a.ended[task], b.ended[task]) && SameTime(a.started[task], b.started[task]);
  return same_times ? absl::OkStatus() : Internal("it began or ended at another time");
}

}  // namespace millrace::sched
