// SPDX-License-Identifier: Apache-2.0
// What clients ask to be told. Answers about a run wait for its newest record, so that nothing seen is ever unseen.
#include <algorithm>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/model/watch.h"
#include "millrace/sched/bounds.h"
#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

constexpr std::uint32_t kDefaultRows = 1000;
constexpr std::uint32_t kMaxRows = 10'000;
constexpr Duration kTellWithin = std::chrono::milliseconds(1);
constexpr std::size_t kSmallResult = 4096;  // bytes, of one that comes unasked

std::uint32_t RowsOf(const Query& query) { return query.limit == 0 ? kDefaultRows : std::min(query.limit, kMaxRows); }

}  // namespace

// Of each run one question a peer waits, the latest one.
bool Core::AwaitsEnd(PeerId peer, const Query& query) {
  if (query.kind != QueryKind::kRun || query.since != kUntilEnded) return false;
  const absl::StatusOr<const Run*> wanted = WantedRun(query.run);
  return wanted.ok() && AddWaiter(peer, *RunAt((*wanted)->slot), query.request, false);
}

// False: the run has ended, or the peer has not said who it is.
bool Core::AddWaiter(PeerId peer, Run& run, std::uint64_t request, bool owed) {
  const auto asker = peers_.find(peer);
  if (asker == peers_.end() || HasEnded(run.state)) return false;
  if (owed && run.tell_at == kNever) {
    run.tell_at = now_ + kTellWithin;
    timers_.Push({.at = run.tell_at, .kind = TimerKind::kTell, .a = run.slot});
  }
  for (Waiter& waiter : run.waiters) {
    if (waiter.peer != peer) continue;
    if (waiter.owed && waiter.request != request) TellAccepted(run);
    waiter.request = request;
    waiter.owed = owed;
    return true;
  }
  run.waiters.push_back({.peer = peer, .request = request, .owed = owed});
  std::vector<std::uint32_t>& awaits = asker->second.awaits;
  std::erase_if(awaits, [this](std::uint32_t slot) { return RunAt(slot) == nullptr || HasEnded(RunAt(slot)->state); });
  awaits.push_back(run.slot);
  return true;
}

void Core::AnswerWaiters(Run& run) {
  for (const Waiter& waiter : std::exchange(run.waiters, {})) {
    Answer answer;
    answer.request = waiter.request;
    answer.run = run.id;
    answer.runs.push_back(ViewRun(run, now_));
    answer.result = OnlyResult(run);
    if (waiter.owed) answer.lines = run.warnings;
    SendTo(waiter.peer, std::move(answer), run.last_at);
  }
}

// Of a run of one task: whoever waits for its end most likely wants it next. Only the size of one that is not small.
Payload Core::OnlyResult(const Run& run) const {
  const auto only = run.tasks.size() == 1 ? run.results.find(0) : run.results.end();
  if (only == run.results.end()) return {};
  Payload result = only->second;
  if (result.bytes.size() > kSmallResult) result.bytes = {};
  return result;
}

void Core::OnQuery(PeerId peer, const Query& query) {
  if (AwaitsEnd(peer, query)) return;
  Answer answer;
  answer.request = query.request;
  JournalPosition after = 0;
  const absl::Status status = Answer_(query, answer, after);
  answer.code = static_cast<std::int32_t>(status.code());
  if (!status.ok()) answer.message = TextOf(status);
  SendTo(peer, std::move(answer), after);
}

absl::Status Core::Answer_(const Query& query, Answer& answer, JournalPosition& after) const {
  switch (query.kind) {
    case QueryKind::kBroker: answer.broker.push_back(ViewBroker(now_)); return absl::OkStatus();
    case QueryKind::kWorkers: AnswerWorkers(query, answer); return absl::OkStatus();
    case QueryKind::kRuns:
      AnswerRuns(query, answer);
      after = position_;
      return absl::OkStatus();
    case QueryKind::kRun:
    case QueryKind::kTasks:
    case QueryKind::kResult:
    case QueryKind::kWhy: break;
    default: return InvalidArgument("query %d is not for the scheduler", static_cast<int>(query.kind));
  }
  absl::StatusOr<const Run*> wanted = WantedRun(query.run);
  if (!wanted.ok()) return std::move(wanted).status();
  const Run& run = **wanted;
  answer.run = run.id;
  after = run.last_at;
  if (query.kind == QueryKind::kWhy) {
    absl::StatusOr<std::vector<std::string>> lines = Explain(run.id, query.task, now_);
    if (!lines.ok()) return std::move(lines).status();
    answer.lines = *std::move(lines);
    return absl::OkStatus();
  }
  if (query.kind == QueryKind::kResult) return AnswerResult(run, query, answer);
  answer.runs.push_back(ViewRun(run, now_));
  if (query.kind == QueryKind::kRun) {
    if (query.since == kUntilEnded) answer.result = OnlyResult(run);
    return absl::OkStatus();
  }
  if (query.task.empty()) {
    AnswerTasks(run, query, answer);
    return absl::OkStatus();
  }
  absl::StatusOr<std::uint32_t> task = WantedTask(run, query.task);
  if (!task.ok()) return std::move(task).status();
  answer.tasks.push_back(ViewTask(run, *task));
  answer.next = run.changed;
  return absl::OkStatus();
}

// By name, a page of them.
void Core::AnswerWorkers(const Query& query, Answer& answer) const {
  std::vector<WorkerView> all = ViewWorkers(now_);
  std::size_t bytes = 0;
  answer.next = query.since;
  while (answer.next < all.size()) {
    if (answer.workers.size() >= RowsOf(query) || bytes > kMessageBytes) {
      answer.more = true;
      return;
    }
    bytes += SizeOf(all[answer.next]);
    answer.workers.push_back(std::move(all[answer.next++]));
  }
}

// Oldest first; when there are too many for one answer, the newest stay.
void Core::AnswerRuns(const Query& query, Answer& answer) const {
  answer.runs = ViewRuns(now_);
  std::size_t kept = 0;
  for (std::size_t bytes = 0; kept < answer.runs.size() && kept < RowsOf(query) && bytes <= kMessageBytes; ++kept) {
    bytes += SizeOf(answer.runs[answer.runs.size() - 1 - kept]);
  }
  answer.more = kept < answer.runs.size();
  answer.runs.erase(answer.runs.begin(), answer.runs.end() - static_cast<std::ptrdiff_t>(kept));
}

// The rows with the oldest changes after `since`, so that asking from `next` again and again brings all of them.
void Core::AnswerTasks(const Run& run, const Query& query, Answer& answer) const {
  const std::uint32_t rows = RowsOf(query);
  const auto older = [&run](std::uint32_t a, std::uint32_t b) {
    return run.tasks.ChangedOf(a) < run.tasks.ChangedOf(b);
  };
  std::vector<std::uint32_t> chosen;  // a heap with the newest of the chosen on top
  for (std::uint32_t task = 0; task < run.tasks.size(); ++task) {
    if (run.tasks.ChangedOf(task) <= query.since) continue;
    if (chosen.size() == rows) {
      answer.more = true;
      if (!older(task, chosen.front())) continue;
      std::pop_heap(chosen.begin(), chosen.end(), older);
      chosen.pop_back();
    }
    chosen.push_back(task);
    std::push_heap(chosen.begin(), chosen.end(), older);
  }
  std::sort_heap(chosen.begin(), chosen.end(), older);
  std::size_t bytes = 0;
  for (const std::uint32_t task : chosen) {
    if (bytes > kMessageBytes) {
      answer.more = true;
      break;
    }
    answer.tasks.push_back(ViewTask(run, task));
    bytes += SizeOf(answer.tasks.back());
  }
  answer.next = answer.more ? answer.tasks.back().changed : run.changed;
}

absl::Status Core::AnswerResult(const Run& run, const Query& query, Answer& answer) const {
  absl::StatusOr<std::uint32_t> wanted = WantedTask(run, query.task);
  if (!wanted.ok()) return std::move(wanted).status();
  const std::uint32_t task = *wanted;
  const TaskView view = ViewTask(run, task);
  answer.tasks.push_back(view);
  if (view.state != TaskState::kEnded) {
    return FailedPrecondition("'%s' has no result yet: %s", query.task,
                              view.reason.empty() ? "it has not ended" : view.reason);
  }
  if (!IsGood(view.outcome)) {
    const std::string& why = view.failure.message.empty() ? view.reason : view.failure.message;
    return FailedPrecondition("'%s' has no result: it did not succeed%s", query.task,
                              why.empty() ? "" : absl::StrFormat(" (%s)", why));
  }
  if (const auto it = run.results.find(task); it != run.results.end()) answer.result = it->second;
  return absl::OkStatus();
}

}  // namespace millrace::sched
