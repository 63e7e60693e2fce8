// SPDX-License-Identifier: Apache-2.0
// Which workers can serve which class, and what happens to tasks that none can.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "millrace/base/status.h"
#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

constexpr int kStuckLooks = 1000;  // for stuck tasks, in the time that one waits

}  // namespace

// Binds the tasks of a run to their classes. Tasks that share module, requirements and idempotence share a class.
void Core::Activate(Run& run) {
  run.active = true;
  const std::vector<PackedTasks::Shape>& shapes = run.job->tasks.shapes();
  run.class_of.assign(shapes.size(), kNone);
  std::vector<bool> open(shapes.size(), run.open == run.tasks.size());
  for (std::uint32_t task = 0; run.open < run.tasks.size() && task < run.tasks.size(); ++task) {
    if (run.tasks.phase[task] != Phase::kEnded) open[run.job->tasks.ShapeIndexOf(task)] = true;
  }
  absl::flat_hash_map<std::uint64_t, std::uint32_t> bound;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (!open[i]) continue;
    const bool idempotent = run.job->policies[shapes[i].policy].idempotent;
    const std::uint64_t key =
        ((static_cast<std::uint64_t>(shapes[i].module) << 32) | shapes[i].requirements) * 2 + (idempotent ? 1 : 0);
    const auto [it, fresh] = bound.emplace(key, kNone);
    if (fresh) {
      const ModuleSpec& module = run.job->modules[shapes[i].module];
      it->second = InternClass({.module = module.name,
                                .fingerprint = module.fingerprint,
                                .requirements = run.job->requirements[shapes[i].requirements],
                                .idempotent = idempotent,
                                .solo = false});
      run.classes.push_back(it->second);
    }
    run.class_of[i] = it->second;
    classes_[it->second].queue.Reserve(shapes[i].tasks);
  }
}

void Core::Deactivate(Run& run) {
  run.active = false;
  for (const std::uint32_t index : run.classes) classes_.Release(index);
  run.classes.clear();
}

std::uint32_t Core::InternClass(const CapabilityKey& key) {
  bool fresh = false;
  const std::uint32_t index = classes_.Intern(key, now_, &fresh);
  if (!fresh) return index;
  Capability& capability = classes_[index];
  const ModuleSpec module = capability.Module();
  for (const auto& session : sessions_) {
    if (session == nullptr || session->link == Link::kLost) continue;
    if (session->serves.size() <= index) session->serves.resize(index + 1, false);
    session->serves[index] = CanServe(key.requirements, module, session->offer);
    if (session->serves[index] && session->Serving()) ++capability.servers;
  }
  return index;
}

// Counts the worker in (or out) as a server of every class it can serve.
void Core::SetServers(Session& session, bool serving) {
  for (std::uint32_t index = 0; index < classes_.size(); ++index) {
    Capability& capability = classes_[index];
    if (capability.users == 0 || !session.Serves(index)) continue;
    if (serving) {
      ++capability.servers;
      capability.stuck_at = kNever;
      continue;
    }
    if (--capability.servers > 0) continue;
    capability.unservable_since = now_;
    if (capability.queued > 0) ArmStuck(index, now_ + config_.capability_timeout);
  }
}

// Call after a change of link or draining; `before` is what Serving() was.
void Core::SessionServing(Session& session, bool before) {
  if (session.Serving() != before) SetServers(session, !before);
  Touch(session);
}

const ReadyEntry* Core::TopOf(std::uint32_t capability) {
  ReadyQueue& queue = classes_[capability].queue;
  while (!queue.Empty()) {
    if (IsQueuedIn(queue.Top().key, capability)) return &queue.Top();
    queue.Pop();
  }
  return nullptr;
}

// When a queued task gives up: a full timeout after it became ready, or after its last worker went away.
Instant Core::StuckAt(const Run& run, std::uint32_t task) const {
  if (run.tasks.phase[task] != Phase::kQueued) return kNever;
  const Capability& capability = classes_[QueueOf(run, task)];
  if (capability.servers > 0) return kNever;
  return std::max(run.submitted + Duration(run.tasks.ready[task]), capability.unservable_since) +
         config_.capability_timeout;
}

std::vector<std::string> Core::NearestWorkers(const CapabilityKey& key) const {
  struct Candidate {
    std::size_t missing;
    std::uint32_t session;
    std::string text;
  };
  const ModuleSpec module{.name = key.module, .fingerprint = key.fingerprint, .version = {}};
  std::vector<Candidate> candidates;
  for (const auto& session : sessions_) {
    if (session == nullptr || session->link == Link::kLost) continue;
    std::vector<std::string> missing = Missing(key.requirements, module, session->offer);
    std::string text;
    if (!missing.empty()) {
      text = absl::StrFormat("%s lacks %s", session->name, absl::StrJoin(missing, ", "));
    } else if (session->draining) {
      text = absl::StrFormat("%s could, but is draining", session->name);
    } else if (session->link == Link::kAway) {
      text = absl::StrFormat("%s could, but has lost its connection", session->name);
    } else {
      text = absl::StrFormat("%s can", session->name);
    }
    candidates.push_back({missing.size(), session->index, std::move(text)});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.missing < b.missing; });
  constexpr std::size_t kShown = 3;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < std::min(candidates.size(), kShown); ++i) lines.push_back(candidates[i].text);
  if (candidates.size() > kShown) lines.push_back(absl::StrFormat("and %d more", candidates.size() - kShown));
  return lines;
}

void Core::FailStuck(Run& run, std::uint32_t task) {
  const CapabilityKey& key = classes_[run.ClassOf(task)].key;
  const std::vector<std::string> nearest = NearestWorkers(key);
  Failure failure;
  failure.message =
      absl::StrFormat("no worker could run it within the capability timeout of %s; it needs %s; %s",
                      FormatDuration(config_.capability_timeout),
                      absl::StrJoin(Missing(key.requirements, run.ModuleOf(task), {}), ", "),
                      nearest.empty() ? "no worker is known" : "known workers: " + absl::StrJoin(nearest, "; "));
  Say(Severity::kError, absl::StrFormat("run %s: '%s' failed: %s", RunName(run.id), run.NameOf(task), failure.message));
  EndTask(run, task, Outcome::kFailed, std::move(failure), {});
}

// One timer for all of a class: the first that is due.
void Core::ArmStuck(std::uint32_t capability, Instant at) {
  if (classes_[capability].stuck_at <= at) return;
  classes_[capability].stuck_at = at;
  timers_.Push({.at = at, .kind = TimerKind::kClassStuck, .a = capability});
}

// Those whose time is over. The next look is not before a small part of the timeout has passed, so that many tasks,
// each ready at another instant, are not gone through for every one of them.
void Core::FailStuckClass(std::uint32_t capability) {
  classes_[capability].stuck_at = kNever;
  Instant next = kNever;
  std::vector<TaskKey> stuck;
  classes_[capability].queue.ForEach([&](const ReadyEntry& entry) {
    if (!IsQueuedIn(entry.key, capability)) return;
    const Instant at = StuckAt(*RunAt(entry.key.run), entry.key.task);
    if (at <= now_) {
      stuck.push_back(entry.key);
    } else {
      next = std::min(next, at);
    }
  });
  if (next != kNever) ArmStuck(capability, std::max(next, now_ + config_.capability_timeout / kStuckLooks));
  std::sort(stuck.begin(), stuck.end());
  for (const TaskKey key : stuck) {
    Run& run = *RunAt(key.run);
    if (run.tasks.phase[key.task] == Phase::kQueued) FailStuck(run, key.task);
  }
}

// One line per class that no known worker could ever serve: said at submission, and kept with the run.
void Core::WarnUnservable(Run& run, std::vector<std::string>& lines) {
  const bool anybody = std::any_of(sessions_.begin(), sessions_.end(), [](const auto& session) {
    return session != nullptr && session->link != Link::kLost;
  });
  if (!anybody) {
    lines.push_back(absl::StrFormat("no worker is known yet; %d tasks wait for one", run.tasks.size()));
    return;
  }
  absl::flat_hash_map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> tasks_of;  // first task, how many
  for (const PackedTasks::Shape& shape : run.job->tasks.shapes()) {
    auto& [first, count] = tasks_of.emplace(run.ClassOf(shape.first), std::pair(shape.first, 0u)).first->second;
    count += shape.tasks;
  }
  for (const std::uint32_t index : run.classes) {
    const auto it = tasks_of.find(index);
    if (it == tasks_of.end()) continue;
    const bool known = std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& session) {
      return session != nullptr && session->link != Link::kLost && session->Serves(index);
    });
    if (known) continue;
    const auto [first, count] = it->second;
    const CapabilityKey& key = classes_[index].key;
    const std::vector<std::string> nearest = NearestWorkers(key);
    lines.push_back(absl::StrFormat("no known worker could run '%s'%s: it needs %s; known workers: %s",
                                    run.NameOf(first), count > 1 ? absl::StrFormat(" and %d more", count - 1) : "",
                                    absl::StrJoin(Missing(key.requirements, run.ModuleOf(first), {}), ", "),
                                    absl::StrJoin(nearest, "; ")));
  }
}

}  // namespace millrace::sched
