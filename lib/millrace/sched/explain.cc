// SPDX-License-Identifier: Apache-2.0
// Why a task is where it is: a pure function over the same tables that decide it.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "millrace/base/size.h"
#include "millrace/base/status.h"
#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

constexpr std::size_t kNeedsNamed = 10;

std::string_view NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kNone: return "not ended";
    case Outcome::kSucceeded: return "succeeded";
    case Outcome::kFailed: return "failed";
    case Outcome::kTimedOut: return "timed out";
    case Outcome::kCancelled: return "was cancelled";
    case Outcome::kSkipped: return "was skipped";
    case Outcome::kLost: return "was lost with its worker";
    case Outcome::kCached: return "came from the cache";
    case Outcome::kDependencyFailed: return "did not run: something it needs did not succeed";
  }
  return "?";
}

std::string_view NameOf(Phase phase) {
  switch (phase) {
    case Phase::kWaiting: return "waits itself";
    case Phase::kPending:
    case Phase::kQueued: return "is ready";
    case Phase::kRecalling: return "waits for the cache";
    case Phase::kBackingOff: return "backs off before its next try";
    case Phase::kAssigned: return "is assigned";
    case Phase::kRunning: return "is running";
    case Phase::kEnded: return "has ended";
  }
  return "?";
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Core::Explain(RunId id, std::string_view name, Instant now) const {
  absl::StatusOr<const Run*> wanted = WantedRun(id);
  if (!wanted.ok()) return std::move(wanted).status();
  const Run& run = **wanted;
  absl::StatusOr<std::uint32_t> found = WantedTask(run, name);
  if (!found.ok()) return std::move(found).status();
  std::vector<std::string> lines;
  const auto add = [&lines](std::string line) { lines.push_back(std::move(line)); };
  switch (run.tasks.phase[*found]) {
    case Phase::kWaiting: ExplainWaiting(run, *found, lines); break;
    case Phase::kQueued: ExplainQueued(run, *found, now, lines); break;
    case Phase::kRecalling: add("waits for the cache to answer"); break;
    case Phase::kBackingOff: {
      const auto it = run.wake.find(*found);
      if (it != run.wake.end()) add(absl::StrFormat("backs off for another %s", FormatDuration(it->second - now)));
      break;
    }
    case Phase::kAssigned:
    case Phase::kRunning: ExplainAssigned(run, *found, now, lines); break;
    case Phase::kPending:
    case Phase::kEnded: break;
  }
  const Story* story = run.StoryOf(*found);
  if (run.tasks.phase[*found] == Phase::kEnded) {
    std::string line(NameOf(run.tasks.outcome[*found]));
    if (run.tasks.Has(*found, TaskFlag::kIgnored)) line += " (ignored)";
    if (run.tasks.worker[*found] != kNone) {
      line +=
          absl::StrFormat(" at try %d on worker %s", run.tasks.tries[*found], names_[run.tasks.worker[*found]].name);
    }
    if (story != nullptr && !story->failure.message.empty()) line += ": " + story->failure.message;
    add(std::move(line));
  }
  if (story != nullptr && !story->reason.empty()) add(story->reason);
  if (run.Stopping() && run.tasks.phase[*found] != Phase::kEnded) {
    add(absl::StrFormat("the run is winding down: %s", StopReason(run)));
  }
  if (const auto it = run.artifacts.find(*found); it != run.artifacts.end()) {
    add(absl::StrFormat("its artifacts are %d files of %s together, tree %s", it->second.files,
                        FormatSize(static_cast<std::int64_t>(it->second.bytes)), it->second.digest.Hex()));
  }
  if (lines.empty()) add("nothing holds it back");
  return lines;
}

void Core::ExplainWaiting(const Run& run, std::uint32_t task, std::vector<std::string>& lines) const {
  std::size_t more = 0;
  for (const Dependency need : run.NeedsOf(task)) {
    if (run.tasks.phase[need.task] == Phase::kEnded) continue;
    if (lines.size() >= kNeedsNamed) {
      ++more;
      continue;
    }
    std::string where;
    if (run.tasks.attempt[need.task] != kNone) {
      where = absl::StrFormat(" on worker %s", names_[run.tasks.worker[need.task]].name);
    }
    lines.push_back(absl::StrFormat("waits for '%s', which %s%s", run.NameOf(need.task),
                                    NameOf(run.tasks.phase[need.task]), where));
  }
  if (more > 0) lines.push_back(absl::StrFormat("and for %d more", more));
}

void Core::ExplainQueued(const Run& run, std::uint32_t task, Instant now, std::vector<std::string>& lines) const {
  const std::uint32_t index = QueueOf(run, task);
  const Capability& capability = classes_[index];
  if (capability.servers == 0) {
    lines.push_back(absl::StrFormat("no worker can run it; it needs %s; it fails in %s unless one joins",
                                    absl::StrJoin(Missing(capability.key.requirements, run.ModuleOf(task), {}), ", "),
                                    FormatDuration(std::max(StuckAt(run, task) - now, Duration::zero()))));
    for (std::string& line : NearestWorkers(capability.key)) lines.push_back("worker " + std::move(line));
    return;
  }
  const ReadyEntry own{
      .priority = run.PolicyOf(task).priority, .below = run.BelowOf(task), .key = {.run = run.slot, .task = task}};
  std::uint32_t ahead = 0;
  capability.queue.ForEach([&](const ReadyEntry& entry) {
    if (GoesBefore(entry, own) && IsQueuedIn(entry.key, index)) ++ahead;
  });
  std::uint32_t free = 0;
  for (const auto& session : sessions_) {
    const bool fits = session != nullptr && session->Serving() && session->Serves(index) && session->prefetched == 0 &&
                      session->room.Fits(capability.need);
    if (fits) ++free;
  }
  lines.push_back(absl::StrFormat("is ready: %d tasks are ahead of it, %d workers can run it, %d of them have room now",
                                  ahead, capability.servers, free));
  if (!run.tasks.Has(task, TaskFlag::kSuspect)) return;
  lines.push_back(absl::StrFormat("waits for a worker of its own, since these went down while it ran: %s",
                                  absl::StrJoin(run.StoryOf(task)->crashed_workers, ", ")));
}

void Core::ExplainAssigned(const Run& run, std::uint32_t task, Instant now, std::vector<std::string>& lines) const {
  const Attempt& attempt = attempts_[run.tasks.attempt[task]];
  const std::string& worker = names_[attempt.worker].name;
  const bool running = run.tasks.phase[task] == Phase::kRunning;
  if (attempt.session == kNone) {
    lines.push_back(absl::StrFormat("worker %s had it before the broker restarted; it has %s to come back", worker,
                                    FormatDuration(std::max(orphans_until_ - now, Duration::zero()))));
    return;
  }
  const Session& session = *sessions_[attempt.session];
  lines.push_back(absl::StrFormat("%s worker %s since %s, at try %d", running ? "is running on" : "is assigned to",
                                  worker, FormatDuration(std::max(now - attempt.assigned, Duration::zero())),
                                  run.tasks.tries[task]));
  if (!running && attempt.prefetched) {
    lines.push_back(absl::StrFormat("waits there behind %d running tasks", session.held - session.prefetched));
  }
  if (session.link == Link::kAway) {
    const Instant until = session.away_since + config_.lease;
    lines.push_back(absl::StrFormat("that worker has lost its connection; it has %s to come back",
                                    FormatDuration(std::max(until - now, Duration::zero()))));
  }
  if (attempt.cancel_asked) lines.push_back("it was asked to stop");
}

}  // namespace millrace::sched
