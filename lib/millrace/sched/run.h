// SPDX-License-Identifier: Apache-2.0
// One run: the submitted job, its graph, the columns of its tasks, and what becomes of it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "millrace/base/digest.h"
#include "millrace/base/ids.h"
#include "millrace/base/shared.h"
#include "millrace/base/time.h"
#include "millrace/model/packed_job.h"
#include "millrace/model/view.h"
#include "millrace/sched/job_graph.h"
#include "millrace/sched/task_table.h"

namespace millrace::sched {

// What only few tasks have.
struct Story {
  Failure failure;
  std::string reason;                        // why it waits, was skipped, was cancelled, is not tried again
  std::uint32_t blame = kNone;               // the dependency that doomed it
  std::vector<std::string> crashed_workers;  // that went down while it ran
};

// A question that is answered once the run has ended.
struct Waiter {
  PeerId peer;
  std::uint64_t request = 0;
  bool owed = false;  // it came with the submission, of whose being accepted the peer has not been told yet
};

// Who was given a task ahead, and as which attempt.
struct AheadAt {
  std::uint32_t session = kNone;
  AttemptId attempt;
};

struct Run {
  RunId id;
  std::uint32_t slot = kNone;
  Shared<PackedJob> job;
  std::shared_ptr<const JobGraph> graph;
  TaskTable tasks;
  std::uint64_t token = 0;
  std::int64_t submitted_unix_ms = 0;
  Instant submitted{};

  // ---- durable: changed by Apply only ----
  RunState state = RunState::kRunning;
  bool cancelled = false;
  std::string cancel_reason;
  bool cancelled_first = false;  // before anything failed: the run ends as cancelled
  bool failed = false;
  std::string root_cause;
  bool root_is_teardown = false;  // an always_run task failed first; a real failure takes its place
  std::uint32_t open = 0;         // tasks that have not ended
  Duration elapsed{};             // until it ended
  absl::flat_hash_map<std::uint32_t, Story> stories;
  absl::flat_hash_map<std::uint32_t, Payload> results;
  absl::flat_hash_map<std::uint32_t, ArtifactTree> artifacts;  // of tasks that have made some

  // ---- can be found out again ----
  std::array<std::uint32_t, kPhases> by_phase{};
  std::array<std::uint32_t, kOutcomes> by_outcome{};
  std::uint32_t ignored = 0;
  std::vector<std::uint32_t> pending;   // tasks to look at before the step ends
  bool unsettled = false;               // on the list of runs with something pending
  std::uint32_t next_root = 0;          // the first task that was not looked at for its having no dependencies
  bool swept = false;                   // what had not started when it failed or was cancelled has been ended
  bool active = false;                  // its classes are held
  std::vector<std::uint32_t> classes;   // those it holds
  std::vector<std::uint32_t> class_of;  // by shape of its tasks; kNone where none of these was open
  absl::flat_hash_map<std::uint32_t, Instant> wake;      // of tasks backing off or recalling
  absl::flat_hash_map<std::uint32_t, Digest> cache_key;  // to remember their results under
  absl::flat_hash_map<std::uint32_t, AheadAt> ahead;     // tasks that wait for what their worker has
  std::uint64_t changed = 0;
  Instant ended = kNever;
  Instant announced{};
  Instant announce_at = kNever;  // the timer that is set for it
  bool announce = false;
  bool announced_end = false;
  JournalPosition accepted_at = 0;
  JournalPosition last_at = 0;  // of its newest record
  std::vector<std::string> warnings;
  std::vector<Waiter> waiters;  // for its end
  Instant tell_at = kNever;     // when those to whom it is owed hear that it was accepted

  std::string_view NameOf(std::uint32_t task) const { return job->tasks.NameOf(task); }
  PackedTasks::Needs NeedsOf(std::uint32_t task) const { return job->tasks.NeedsOf(task); }
  const Policy& PolicyOf(std::uint32_t task) const { return job->PolicyOf(task); }
  const ModuleSpec& ModuleOf(std::uint32_t task) const { return job->ModuleOf(task); }
  const Requirements& RequirementsOf(std::uint32_t task) const { return job->RequirementsOf(task); }
  std::uint64_t BelowOf(std::uint32_t task) const { return graph->BelowOf(task, job->tasks.ShapeOf(task).policy); }
  std::span<const Edge> Dependants(std::uint32_t task) const { return graph->Dependants(task); }
  // Dependencies and dependants that have not ended.
  std::uint32_t Unmet(std::uint32_t task) const {
    return static_cast<std::uint32_t>(NeedsOf(task).size()) - tasks.met[task];
  }
  std::uint32_t OpenDependants(std::uint32_t task) const {
    return static_cast<std::uint32_t>(Dependants(task).size()) - tasks.ended_dependants[task];
  }
  // Its capability class, once the run is active.
  std::uint32_t ClassOf(std::uint32_t task) const { return class_of[job->tasks.ShapeIndexOf(task)]; }
  // Nothing but always_run tasks starts any more.
  bool Stopping() const { return cancelled || (failed && job->fail_mode == FailMode::kFailFast); }
  std::uint32_t Of(Phase phase) const { return by_phase[static_cast<std::size_t>(phase)]; }
  std::uint32_t Of(Outcome outcome) const { return by_outcome[static_cast<std::size_t>(outcome)]; }
  const Story* StoryOf(std::uint32_t task) const {
    const auto it = stories.find(task);
    return it == stories.end() ? nullptr : &it->second;
  }
};

}  // namespace millrace::sched
