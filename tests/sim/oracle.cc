// SPDX-License-Identifier: Apache-2.0
#include "oracle.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace millrace::sim {
namespace {

// Faults by which a broker may lose sight of a worker that is alive.
constexpr FaultSet kSilence{Fault::kLoss,  Fault::kCut,     Fault::kPartition, Fault::kPause,      Fault::kClock,
                            Fault::kDelay, Fault::kReorder, Fault::kTwin,      Fault::kDisconnect, Fault::kDuplicate};

}  // namespace

std::string Oracle::NameOf(TaskRef task) const { return absl::StrFormat("%s/%d", RunName(task.run), task.index); }

const Script* Oracle::ScriptOf(TaskRef task) const {
  const FoldedRun* run = tip_.Find(task.run);
  if (run == nullptr) return nullptr;
  for (const PlannedRun& planned : plan_.runs) {
    if (planned.token == run->token) return &planned.scripts[task.index];
  }
  return nullptr;
}

void Oracle::Appended(const Record& record, Epoch epoch, Instant now) {
  if (const auto* cancelled = std::get_if<RunCancelled>(&record)) cancelled_[cancelled->run] = now;
  if (const auto* ended = std::get_if<TaskEnded>(&record); ended != nullptr && prompt_) CheckStopped(*ended, now);
  if (const auto* assigned = std::get_if<TaskAssigned>(&record)) CheckAssigned(*assigned, epoch);
  if (const auto* ended = std::get_if<TaskEnded>(&record)) CheckEnded(*ended);
  // Given to a process that was dead already: the broker could not know that it never ran.
  const auto* lost = std::get_if<AttemptEnded>(&record);
  if (lost != nullptr && lost->suspect && !executed_.contains(lost->attempt)) {
    ++deaths_[lost->task];
    ++lonely_deaths_[lost->task];
  }
  const auto* last = std::get_if<TaskEnded>(&record);  // the loss that made it poison is no AttemptEnded
  if (last != nullptr && last->failure.message.starts_with("poison") && !executed_.contains(last->attempt)) {
    ++deaths_[last->task];
    ++lonely_deaths_[last->task];
  }
  journal_.push_back(record);
  if (const std::string wrong = tip_.Take(record); !wrong.empty()) Wrong(wrong);
}

void Oracle::CheckAssigned(const TaskAssigned& record, Epoch epoch) {
  const auto ahead = ahead_.find(record.attempt);
  if (EpochOf(record.attempt.value) != epoch && ahead == ahead_.end()) {
    Wrong("I5: an attempt of another epoch is given out");
  }
  if (ahead != ahead_.end() && ahead->second != record.task) Wrong("I5: an attempt was given ahead for another task");
  // A broker that was started again may find out a second time what it had given ahead in its earlier life.
  const auto [given, fresh] = attempts_.emplace(record.attempt, record.task);
  const bool found_out = ahead != ahead_.end() && EpochOf(record.attempt.value) != epoch;
  if (!fresh && !(found_out && given->second == record.task)) Wrong("I5: an attempt id is given out twice");
  AttemptId& newest = newest_[record.task];
  if (record.attempt <= newest && !found_out) Wrong("I5: the attempts of " + NameOf(record.task) + " do not rise");
  newest = std::max(newest, record.attempt);
  const FoldedRun* run = tip_.Find(record.task.run);
  if (record.worker.size() != 2 || record.worker[0] != 'w') return Wrong("I6: work goes to an impostor");
  if (run == nullptr) return;
  const Offer& offer = plan_.offers[static_cast<std::size_t>(record.worker[1] - '0')];
  const Requirements& wanted = run->job->RequirementsOf(record.task.index);
  const bool fits = wanted.cpus <= offer.cpus && (wanted.tags.empty() || !offer.tags.empty()) &&
                    (run->job->tasks.ShapeOf(record.task.index).module == 0 || offer.modules.size() > 1);
  if (!fits) Wrong("I6: " + NameOf(record.task) + " goes to a worker that cannot run it");
}

// A20: what is cancelled ends within two seconds, but for what always runs.
void Oracle::CheckStopped(const TaskEnded& record, Instant now) {
  const auto cancelled = cancelled_.find(record.task.run);
  const FoldedRun* run = tip_.Find(record.task.run);
  if (cancelled == cancelled_.end() || run == nullptr || run->PolicyOf(record.task.index).always_run) return;
  if (now > cancelled->second + std::chrono::seconds(2)) Wrong("A20: " + NameOf(record.task) + " outlives a cancel");
}

void Oracle::CheckEnded(const TaskEnded& record) {
  const auto done = done_.find(record.attempt);
  if (record.outcome == Outcome::kSucceeded) {
    if (done == done_.end() || done->second.outcome != Outcome::kSucceeded) {
      Wrong("I5: " + NameOf(record.task) + " succeeds without a success");
    } else if (!(done->second.result == record.result)) {
      Wrong("I5: " + NameOf(record.task) + " has a result that its attempt did not give");
    } else if (done->second.artifacts != record.artifacts) {
      Wrong("I5: " + NameOf(record.task) + " has artifacts that its attempt did not make");
    }
  }
  if (record.outcome == Outcome::kCached && record.attempt.valid()) Wrong("a cached outcome has an attempt");
  if (record.outcome == Outcome::kSkipped && record.attempt.valid() &&
      (done == done_.end() || done->second.outcome != Outcome::kSkipped)) {
    Wrong("I5: " + NameOf(record.task) + " is skipped, and nobody said so");
  }
  if (record.outcome == Outcome::kFailed && record.attempt.valid() && done != done_.end() &&
      done->second.outcome == Outcome::kSucceeded && !record.failure.message.starts_with("poison")) {
    Wrong("I5: " + NameOf(record.task) + " fails by an attempt that succeeded");
  }
}

void Oracle::Durable(std::size_t count) {
  for (; durable_count_ < count; ++durable_count_) durable_.Take(journal_[durable_count_]);
}

void Oracle::Crashed(std::size_t kept) {
  ++broker_crashes_;
  if (kept < durable_count_) Wrong("the simulator lost what was durable");
  journal_.resize(kept);
  Durable(kept);
  tip_ = durable_;
}

void Oracle::Sent(const Message& message, std::int32_t worker, Incarnation incarnation) {
  if (const auto* assign = std::get_if<struct Assign>(&message)) {
    CheckAssign(*assign, worker);
  } else if (const auto* recorded = std::get_if<Recorded>(&message)) {
    CheckRecorded(*recorded, incarnation);
  } else if (const auto* answer = std::get_if<Answer>(&message)) {
    CheckAnswer(*answer);
  } else if (const auto* welcome = std::get_if<Welcome>(&message)) {
    for (const AttemptId attempt : welcome->drop) {
      const bool taken = done_.contains(attempt) && tip_.HasEnded(attempt);
      if (taken && !durable_.HasEnded(attempt)) Wrong("I4: a report is dropped whose end is not durable");
    }
  } else if (const auto* changed = std::get_if<Changed>(&message)) {
    const FoldedRun* run = durable_.Find(changed->run);
    if (run == nullptr) {
      Wrong("I4: a run is announced that is not durable");
    } else if (changed->ended && !millrace::HasEnded(run->state)) {
      Wrong("I4: the end of a run is announced before it is durable");
    }
  }
}

void Oracle::CheckAssign(const struct Assign& assign, std::int32_t worker) {
  for (const Datum& datum : assign.data) {
    if (datum.outcome == Outcome::kNone && datum.result == Payload{}) continue;  // is to come
    const FoldedTask* task = durable_.Find(datum.task);
    if (task == nullptr || task->outcome != datum.outcome || !(task->result == datum.result) ||
        task->artifacts != datum.artifacts) {
      Wrong("I2: the result of " + NameOf(datum.task) + " is sent and is not durable");
    }
  }
  for (const Assignment& assignment : assign.tasks) {
    const bool ahead = std::any_of(assignment.needs.begin(), assignment.needs.end(),
                                   [](const Need& need) { return need.ahead.valid(); });
    if (ahead) ahead_.emplace(assignment.attempt, assignment.task);
    const auto& given = ahead ? ahead_ : attempts_;
    const auto known = given.find(assignment.attempt);
    if (known == given.end() || known->second != assignment.task) Wrong("I5: an attempt that was not given out");
    const FoldedRun* run = durable_.Find(assignment.task.run);
    if (run == nullptr) {
      Wrong("I4: a task of a run that is not durable is sent");
      continue;
    }
    for (const Need& need : assignment.needs) {
      if (need.ahead.valid()) {
        const TaskRef awaited{.run = assignment.task.run, .index = need.task};
        const auto attempt = attempts_.find(need.ahead);
        const auto other = ahead_.find(need.ahead);
        const bool of_it = (attempt != attempts_.end() && attempt->second == awaited) ||
                           (other != ahead_.end() && other->second == awaited);
        if (!of_it) Wrong("I2: " + NameOf(assignment.task) + " is to wait for an attempt of another task");
        if (!run->PolicyOf(assignment.task.index).idempotent) Wrong("I2: not idempotent, and given ahead");
      } else if (run->tasks[need.task].outcome == Outcome::kNone) {
        Wrong("I2: " + NameOf(assignment.task) + " is sent before its dependencies are durable");
      }
    }
    const bool written =
        durable_.Find(assignment.task)->attempt == assignment.attempt || durable_.HasEnded(assignment.attempt);
    if (!run->PolicyOf(assignment.task.index).idempotent && !written) {
      Wrong("I4: " + NameOf(assignment.task) + " is not idempotent, and is sent before that is durable");
    }
  }
  if (worker < 0) Wrong("I13: work is sent to somebody who is not a worker");
}

// A report may be forgotten when its end is durable, or when it is refused.
void Oracle::CheckRecorded(const Recorded& recorded, Incarnation incarnation) {
  if (!incarnation.valid()) return;  // an impostor's reports are refused, and end nothing
  std::uint64_t& through = recorded_[incarnation];
  for (; through < recorded.through; ++through) {
    const auto it = reports_.find({incarnation, through + 1});
    if (it == reports_.end()) return Wrong("I4: a report is recorded that was never made");
    const AttemptId attempt = it->second.attempt;
    const bool dropped = std::find(recorded.dropped.begin(), recorded.dropped.end(), attempt) != recorded.dropped.end();
    const bool foreign = !tip_.HasEnded(attempt);
    if (!dropped && !durable_.HasEnded(attempt) && !foreign) {
      Wrong("I4: a report is recorded before it is durable");
    }
    if (!dropped && foreign) {
      const auto task = attempts_.find(attempt);
      const FoldedTask* now = task == attempts_.end() ? nullptr : tip_.Find(task->second);
      if (now != nullptr && now->attempt == attempt) Wrong("I4: a report is recorded and was not taken");
    }
  }
}

void Oracle::CheckAnswer(const Answer& answer) {
  if (answer.code != 0) return;
  const FoldedRun* run = answer.run.valid() ? durable_.Find(answer.run) : nullptr;
  if (answer.run.valid() && run == nullptr) return Wrong("I4: an answer tells of a run that is not durable");
  if (run != nullptr) {
    RunId& known = answered_[run->token];
    if (known.valid() && known != answer.run) Wrong("I1: one token has two runs");
    known = answer.run;
  }
  for (const RunView& view : answer.runs) {
    const FoldedRun* told = durable_.Find(view.run);
    if (told == nullptr || (millrace::HasEnded(view.state) && told->state != view.state)) {
      Wrong("I4: an answer tells of the end of a run before it is durable");
    }
  }
  const bool has_result = answer.result.size > 0 && answer.tasks.size() == 1 && run != nullptr;
  if (has_result && !(run->tasks[answer.tasks[0].index].result == answer.result)) {
    Wrong("I4: a result is told that is not the durable one");
  }
  for (const TaskView& view : answer.tasks) {
    if (view.state != TaskState::kEnded || run == nullptr) continue;
    const TaskRef ref{.run = answer.run, .index = view.index};
    if (run->tasks[view.index].outcome != view.outcome) Wrong("I4: an outcome is told that is not durable");
    Outcome& seen = seen_[ref];
    if (seen != Outcome::kNone && seen != view.outcome) Wrong("I1: the outcome of " + NameOf(ref) + " has changed");
    seen = view.outcome;
  }
}

void Oracle::Reported(Incarnation incarnation, const Report& report) {
  std::uint64_t number = report.first_number;
  for (const AttemptReport& one : report.reports) reports_[{incarnation, number++}] = one;
}

void Oracle::Started(std::int32_t worker, Incarnation incarnation, const SlotExecute& execute) {
  if (!executed_.emplace(execute.attempt, incarnation).second) {
    Wrong("I5: attempt of " + NameOf(execute.task) + " is executed twice");
  }
  ++executions_[execute.task];
  task_of_[execute.attempt] = execute.task;
  worker_of_[incarnation] = worker;
  const FoldedRun* run = durable_.Find(execute.task.run);
  if (run == nullptr) return Wrong("I2: a task of an unknown run is executed");
  const PackedTasks::Needs needs = run->job->tasks.NeedsOf(execute.task.index);
  if (needs.size() != execute.needs.size()) Wrong("I2: a task is executed with other dependencies than it has");
  for (std::size_t i = 0; i < std::min(needs.size(), execute.needs.size()); ++i) {
    const FoldedTask& parent = run->tasks[needs[i].task];
    const bool same = parent.outcome == execute.needs[i].outcome && parent.result == execute.needs[i].result;
    const TaskRef awaited{.run = execute.task.run, .index = needs[i].task};
    if (!same && !(ahead_.contains(execute.attempt) && SucceededAt(worker, awaited, execute.needs[i].result))) {
      Wrong("I2: " + NameOf(execute.task) + " is executed with a result that is not its dependency's");
    }
  }
}

// Whether this worker has executed the task well, with this result: it, or an earlier process whose disk it has.
bool Oracle::SucceededAt(std::int32_t worker, TaskRef task, const Payload& result) const {
  return std::any_of(executed_.begin(), executed_.end(), [&](const auto& entry) {
    const auto done = done_.find(entry.first);
    return worker_of_.at(entry.second) == worker && task_of_.at(entry.first) == task && done != done_.end() &&
           done->second.outcome == Outcome::kSucceeded && done->second.result == result;
  });
}

void Oracle::Found(const agent::Start& start) {
  const TaskRef ref = start.execute.task;
  const FoldedRun* run = durable_.Find(ref.run);
  if (run == nullptr) return;  // said by Started
  std::vector<ArtifactTree> wanted;
  for (const Consume& consume : run->PolicyOf(ref.index).consumes) {
    for (const Dependency need : run->job->tasks.NeedsOf(ref.index)) {
      const FoldedTask& parent = run->tasks[need.task];
      if (run->job->tasks.NameOf(need.task) == consume.from && parent.artifacts) wanted.push_back(*parent.artifacts);
    }
  }
  bool same = wanted.size() == start.consumed.size();
  for (std::size_t i = 0; same && i < wanted.size(); ++i) same = wanted[i] == start.consumed[i].tree;
  if (!same) Wrong("I2: " + NameOf(ref) + " finds other artifacts than those of its dependencies");
}

void Oracle::Said(const SlotDone& done, Instant now) {
  done_[done.attempt] = done;
  said_[done.attempt] = now;
}

// What took a second is on its worker's disk at once, whatever else after a second; said by somebody who has not read
// how the worker does it.
bool Oracle::IsKept(AttemptId attempt, Instant now) const {
  const auto done = done_.find(attempt);
  if (!plan_.worker_disk || done == done_.end()) return false;
  const bool at_once = done->second.execution >= std::chrono::seconds(1);
  const Duration wait = at_once ? Duration(0) : std::chrono::seconds(1);
  return now > said_.at(attempt) + wait + 2 * kSlowestSync;
}

void Oracle::Died(const std::string& worker, Incarnation incarnation, AttemptId killer, Instant now) {
  for (const auto& [attempt, by] : executed_) {
    // One that was given ahead, and whose worker dies before the broker has come to count it, nobody knows.
    const bool unknown = ahead_.contains(attempt) && !attempts_.contains(attempt);
    if (by == incarnation && (unknown || !IsKept(attempt, now))) excused_.insert(attempt);
  }
  prompt_ = false;
  std::vector<TaskRef> held;
  for (const auto& [id, run] : tip_.runs()) {
    for (std::uint32_t task = 0; task < run.tasks.size(); ++task) {
      if (run.tasks[task].attempt.valid() && run.tasks[task].worker == worker) held.push_back({id, task});
    }
  }
  // What it had gone on with by itself; the news that what came before has ended may still be on its way.
  for (const auto& [attempt, by] : executed_) {
    const bool unknown = ahead_.contains(attempt) && !attempts_.contains(attempt);
    if (by != incarnation || !unknown || done_.contains(attempt)) continue;
    std::erase_if(held, [&](TaskRef task) { return done_.contains(tip_.Find(task)->attempt); });
    held.push_back(task_of_.at(attempt));
  }
  for (const TaskRef task : held) ++deaths_[task];
  if (held.size() == 1) ++lonely_deaths_[held[0]];
  // Of what was given ahead nobody but the dead knew that it ran.
  if (const auto it = attempts_.find(killer); it != attempts_.end()) ++kills_[it->second];
}

std::uint32_t Oracle::Executions(TaskRef task) const {
  const auto it = executions_.find(task);
  return it == executions_.end() ? 0 : it->second;
}

void Oracle::CheckEnd() {
  for (const auto& [id, run] : tip_.runs()) {
    if (!millrace::HasEnded(run.state)) Wrong("L1: run " + RunName(id) + " has not ended");
    for (std::uint32_t task = 0; task < run.tasks.size(); ++task) CheckTaskEnd(run, task);
  }
  if (!plan_.Economic()) return;
  for (const auto& [attempt, incarnation] : executed_) {
    if (excused_.contains(attempt)) continue;
    // What was given ahead, and then stopped with its run before it came to count.
    const FoldedRun* run = tip_.Find(task_of_.at(attempt).run);
    if (ahead_.contains(attempt) && !attempts_.contains(attempt) && run != nullptr && run->Stopping()) continue;
    if (!tip_.Counted(attempt)) Wrong("I8: an execution of " + NameOf(task_of_[attempt]) + " was in vain");
  }
}

void Oracle::CheckTaskEnd(const FoldedRun& run, std::uint32_t index) {
  const FoldedTask& task = run.tasks[index];
  const TaskRef ref{.run = tip_.RunOf(run.token), .index = index};
  const Script* script = ScriptOf(ref);
  if (script == nullptr) return Wrong("a run that nobody submitted");
  const auto kills = kills_.find(ref);
  const std::uint32_t allowed = kCrashLimit + 2 * broker_crashes_ + task.unseen;
  if (kills != kills_.end() && kills->second > allowed && !plan_.faults.Meets(kSilence)) {
    Wrong("I7: " + NameOf(ref) + " took down more workers than it may");
  }
  const bool bad =
      task.outcome == Outcome::kFailed || task.outcome == Outcome::kTimedOut || task.outcome == Outcome::kLost;
  if (!bad) return;
  const bool poison = task.message.starts_with("poison");
  const auto deaths = deaths_.find(ref);
  const std::uint32_t died = deaths == deaths_.end() ? 0 : deaths->second;
  const auto lonely = lonely_deaths_.find(ref);
  const std::uint32_t alone = lonely == lonely_deaths_.end() ? 0 : lonely->second;
  // The first time others may have been to blame; after that it ran alone.
  if (poison && (died < kCrashLimit || alone + 1 < kCrashLimit) && !plan_.faults.Meets(kSilence)) {
    Wrong("I7: " + NameOf(ref) + " is called poison and is not");
  }
  if (poison || script->doing != Doing::kSucceed) return;
  if (task.outcome == Outcome::kLost && !run.PolicyOf(index).idempotent) {
    const bool restarts = plan_.faults.Meets(FaultSet({Fault::kQuickRestart, Fault::kWorkerRestart}));
    if (plan_.Economic() && !restarts) Wrong("L2: " + NameOf(ref) + " was lost");
    return;
  }
  if (task.message.find("timed out") != std::string::npos &&
      plan_.faults.Meets(FaultSet({Fault::kPause, Fault::kClock}))) {
    return;  // a clock that jumps ends a time that has not passed
  }
  Wrong("L2: " + NameOf(ref) + " failed, and nothing was wrong with it: " + task.message);
}

}  // namespace millrace::sim
