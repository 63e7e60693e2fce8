// SPDX-License-Identifier: Apache-2.0
// What clients ask to be done: submit, cancel, drain. An answer leaves when what it promises is durable.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/model/watch.h"
#include "millrace/sched/bounds.h"
#include "millrace/sched/core.h"

namespace millrace::sched {

void Core::OnSubmit(PeerId peer, Submit submit, const PreparedJob* prepared) {
  Answer answer;
  answer.request = submit.request;
  JournalPosition after = 0;
  Accept(submit, prepared, answer, after);
  const Query end{
      .request = submit.request, .kind = QueryKind::kRun, .run = answer.run, .task = {}, .since = kUntilEnded};
  const bool watch = submit.watch && answer.code == 0;
  if (watch && AddWaiter(peer, *FindRun(answer.run), submit.request, true)) return;
  SendTo(peer, std::move(answer), after);
  if (watch) OnQuery(peer, end);
}

// One who waits for the end of a run that takes no time hears of both at once, and is not woken in between.
void Core::TellAccepted(Run& run) {
  run.tell_at = kNever;
  for (Waiter& waiter : run.waiters) {
    if (!std::exchange(waiter.owed, false)) continue;
    Answer answer;
    answer.request = waiter.request;
    answer.run = run.id;
    answer.lines = run.warnings;
    SendTo(waiter.peer, std::move(answer), run.accepted_at);
  }
}

void Core::Accept(Submit& submit, const PreparedJob* prepared, Answer& answer, JournalPosition& after) {
  const auto refuse = [&answer](const absl::Status& status) {
    answer.code = static_cast<std::int32_t>(status.code());
    answer.message = TextOf(status);
  };
  if (submit.token != 0) {
    if (const auto it = tokens_.find(submit.token); it != tokens_.end()) {
      const Run* run = FindRun(it->second);
      answer.run = run->id;
      answer.lines = run->warnings;
      after = run->accepted_at;
      return;
    }
  }
  if (prepared == nullptr && submit.job_digest && submit.job.tasks.empty()) {
    return refuse(InvalidArgument("the job with digest %s is not on the bulk plane", submit.job_digest->Hex()));
  }
  absl::StatusOr<PreparedJob> made;
  if (prepared == nullptr) {
    made = PrepareJob(Pack(std::move(submit.job)), config_.max_payload);
    if (!made.ok()) return refuse(made.status());
    prepared = &*made;
  }
  graph_ = prepared->graph;
  const RunId id{EpochQualified(config_.epoch, next_run_ + 1)};
  after =
      Commit(RunAccepted{.run = id, .token = submit.token, .submitted_unix_ms = UnixMs(now_), .job = prepared->job});
  Run& run = *FindRun(id);
  Activate(run);
  std::size_t workers = session_index_.size();
  if (workers < config_.expect_workers) {
    run.warnings.push_back(absl::StrFormat("%d of %d expected workers were here when the run was submitted", workers,
                                           config_.expect_workers));
  }
  WarnUnservable(run, run.warnings);
  Bound(run.warnings);
  for (const std::string& warning : run.warnings) {
    Say(Severity::kWarning, absl::StrFormat("run %s: %s", RunName(id), warning));
  }
  answer.run = id;
  answer.lines = run.warnings;
}

void Core::OnCommand(PeerId peer, const Command& command) {
  Answer answer;
  answer.request = command.request;
  JournalPosition after = 0;
  absl::Status status;
  switch (command.kind) {
    case CommandKind::kCancelRun: status = Cancel_(command, answer, after); break;
    case CommandKind::kDrainWorker: status = DrainWorker(command.target, command.reason); break;
    case CommandKind::kReleaseWorkers:
      for (const auto& session : sessions_) {
        if (session != nullptr && session->link != Link::kLost) DrainSession(*session, command.reason);
      }
      break;
    case CommandKind::kJoin:
      status = FailedPrecondition("this broker works without keys (--keys): there is nothing to join");
      break;
    default: ++protocol_errors_; status = InvalidArgument("unknown command %d", static_cast<int>(command.kind));
  }
  answer.code = static_cast<std::int32_t>(status.code());
  if (!status.ok()) answer.message = TextOf(status);
  SendTo(peer, std::move(answer), after);
}

absl::Status Core::Cancel_(const Command& command, Answer& answer, JournalPosition& after) {
  absl::StatusOr<const Run*> wanted = WantedRun(command.run);
  if (!wanted.ok()) return std::move(wanted).status();
  Run& run = *RunAt((*wanted)->slot);
  answer.run = run.id;
  if (HasEnded(run.state)) {
    answer.message = absl::StrFormat("run %s has already ended", RunName(run.id));
  } else if (!run.cancelled) {
    const std::string reason = command.reason.empty() ? "cancelled" : "cancelled: " + command.reason;
    Commit(RunCancelled{.run = run.id, .reason = reason});
    Say(Severity::kInfo, absl::StrFormat("run %s is %s", RunName(run.id), reason));
  }
  after = run.last_at;
  return absl::OkStatus();
}

absl::Status Core::DrainWorker(const std::string& name, const std::string& reason) {
  const auto it = holders_.find(name);
  if (it != holders_.end()) {
    DrainSession(*sessions_[it->second], reason);
    return absl::OkStatus();
  }
  std::vector<std::string> names;
  for (const auto& [known, index] : holders_) names.push_back(known);
  return NotFound("no worker is named '%s'%s", name, DidYouMean(name, names));
}

void Core::DrainSession(Session& session, const std::string& reason) {
  if (session.draining) return;
  const bool before = session.Serving();
  session.draining = true;
  SessionServing(session, before);
  Say(Severity::kInfo, absl::StrFormat("draining worker %s", session.Title()));
  RecantAll(session);
  // What this step has assigned must come before it.
  FlushAssigns(session);
  Order_(session, Drain{.session = session.id, .number = 0, .reason = reason}, 0);
}

absl::StatusOr<const Run*> Core::WantedRun(RunId id) const {
  if (id.valid()) {
    if (const Run* run = FindRun(id)) return run;
    std::vector<std::string> known;
    for (const auto& [run, slot] : run_index_) known.push_back(RunName(run));
    return NotFound("there is no run %s%s", RunName(id), DidYouMean(RunName(id), known));
  }
  if (run_index_.empty()) return NotFound("there are no runs");
  return RunAt(run_index_.rbegin()->second);
}

absl::StatusOr<std::uint32_t> Core::WantedTask(const Run& run, std::string_view name) const {
  for (std::uint32_t task = 0; task < run.tasks.size(); ++task) {
    if (run.NameOf(task) == name) return task;
  }
  constexpr std::uint32_t kCompared = 10'000;
  std::vector<std::string> names;
  for (std::uint32_t task = 0; task < std::min(run.tasks.size(), kCompared); ++task) {
    names.emplace_back(run.NameOf(task));
  }
  return NotFound("run %s has no task '%s'%s", RunName(run.id), name, DidYouMean(name, names));
}

}  // namespace millrace::sched
