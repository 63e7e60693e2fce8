// SPDX-License-Identifier: Apache-2.0
// Which workers can serve which class, and what happens to tasks that none can.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "millrace/base/status.h"
#include "millrace/sched/core.h"

namespace millrace::sched {

// Binds the tasks of a run to their classes. Tasks that share module, requirements and idempotence share a class.
void Core::Activate(Run& run) {
  run.active = true;
  absl::flat_hash_map<std::uint64_t, std::uint32_t> bound;
  for (std::uint32_t task = 0; task < run.tasks.size(); ++task) {
    if (run.tasks.phase[task] == Phase::kEnded) continue;
    const TaskSpec& spec = run.Spec(task);
    const bool idempotent = run.PolicyOf(task).idempotent;
    const std::uint64_t shape =
        ((static_cast<std::uint64_t>(spec.module) << 32) | spec.requirements) * 2 + (idempotent ? 1 : 0);
    const auto [it, fresh] = bound.emplace(shape, kNone);
    if (fresh) {
      const ModuleSpec& module = run.ModuleOf(task);
      it->second = InternClass({.module = module.name,
                                .fingerprint = module.fingerprint,
                                .requirements = run.RequirementsOf(task),
                                .idempotent = idempotent,
                                .solo = false});
      run.classes.push_back(it->second);
    }
    run.tasks.capability[task] = it->second;
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
      continue;
    }
    if (--capability.servers > 0) continue;
    capability.unservable_since = now_;
    if (capability.queued == 0) continue;
    timers_.Push({.at = now_ + config_.capability_timeout, .kind = TimerKind::kClassStuck, .a = index});
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
  return std::max(run.submitted + run.tasks.ready[task], capability.unservable_since) + config_.capability_timeout;
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
  const CapabilityKey& key = classes_[run.tasks.capability[task]].key;
  const std::vector<std::string> nearest = NearestWorkers(key);
  Failure failure;
  failure.message =
      absl::StrFormat("no worker could run it within the capability timeout of %s; it needs %s; %s",
                      FormatDuration(config_.capability_timeout),
                      absl::StrJoin(Missing(key.requirements, run.ModuleOf(task), {}), ", "),
                      nearest.empty() ? "no worker is known" : "known workers: " + absl::StrJoin(nearest, "; "));
  Say(Severity::kError,
      absl::StrFormat("run %s: '%s' failed: %s", RunName(run.id), run.Spec(task).name, failure.message));
  EndTask(run, task, Outcome::kFailed, std::move(failure), {});
}

// Those that were queued when the last worker of the class left; later ones have timers of their own.
void Core::FailStuckClass(std::uint32_t capability) {
  std::vector<TaskKey> stuck;
  for (const ReadyEntry& entry : classes_[capability].queue.entries()) {
    if (!IsQueuedIn(entry.key, capability)) continue;
    if (StuckAt(*RunAt(entry.key.run), entry.key.task) <= now_) stuck.push_back(entry.key);
  }
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
  for (std::uint32_t task = 0; task < run.tasks.size(); ++task) {
    auto& [first, count] = tasks_of.emplace(run.tasks.capability[task], std::pair(task, 0u)).first->second;
    ++count;
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
                                    run.Spec(first).name, count > 1 ? absl::StrFormat(" and %d more", count - 1) : "",
                                    absl::StrJoin(Missing(key.requirements, run.ModuleOf(first), {}), ", "),
                                    absl::StrJoin(nearest, "; ")));
  }
}

}  // namespace millrace::sched
