// SPDX-License-Identifier: Apache-2.0
// Orders to a worker: collected while a step runs, sent as few messages at its end, kept until acknowledged, and sent
// again with the same numbers and content when the worker has not got them.
#include <algorithm>

#include "millrace/sched/artifact_check.h"
#include "millrace/sched/bounds.h"
#include "millrace/sched/core.h"

namespace millrace::sched {
namespace {

constexpr std::size_t kForgetBatch = 256;

// Gives each distinct thing of one message its place in a table.
class Places {
 public:
  // `made` is true for the first use of the pair.
  std::uint32_t Of(std::uint32_t run, std::uint32_t index, bool* made) {
    const auto [it, fresh] =
        places_.emplace((static_cast<std::uint64_t>(run) << 32) | index, static_cast<std::uint32_t>(places_.size()));
    *made = fresh;
    return it->second;
  }
  void Clear() { places_.clear(); }

 private:
  absl::flat_hash_map<std::uint64_t, std::uint32_t> places_;
};

}  // namespace

void Core::NoteOrders(Session& session) {
  if (session.has_orders) return;
  session.has_orders = true;
  with_orders_.push_back(session.index);
}

void Core::FlushOrders() {
  for (const std::uint32_t index : with_orders_) {
    if (sessions_[index] == nullptr || !sessions_[index]->has_orders) continue;
    sessions_[index]->has_orders = false;
    FlushSession(*sessions_[index]);
  }
  with_orders_.clear();
}

void Core::FlushSession(Session& session) {
  const std::optional<Recorded> recorded = std::exchange(session.recorded, std::nullopt);
  if (session.link == Link::kLost) return;
  FlushForgotten(session, session.to_drop);
  FlushAssigns(session);
  if (recorded && session.link == Link::kLive) SendTo(session.peer, *recorded, session.recorded_after);
  if (!session.to_cancel.empty()) {
    Order_(session, Cancel{.session = session.id, .number = 0, .attempts = std::move(session.to_cancel)}, 0);
    session.to_cancel.clear();
  }
  if (!session.to_take_back.empty()) {
    Order_(session, TakeBack{.session = session.id, .number = 0, .attempts = std::move(session.to_take_back)}, 0);
    session.to_take_back.clear();
  }
  if (session.to_forget.size() >= kForgetBatch || (session.held == 0 && !session.to_forget.empty())) {
    FlushForgotten(session, session.to_forget);
  }
}

void Core::FlushForgotten(Session& session, std::vector<TaskKey>& keys) {
  Forget forget{.session = session.id, .number = 0, .data = {}};
  for (const TaskKey key : keys) {
    const Run* run = RunAt(key.run);
    if (run == nullptr) continue;
    forget.data.push_back({run->id, key.task});
    if (forget.data.size() < kForgetParts) continue;
    Order_(session, forget, 0);
    forget.data.clear();
  }
  keys.clear();
  if (!forget.data.empty()) Order_(session, std::move(forget), 0);
}

// The assignments of one step to one worker, as messages of bounded size with a table of modules and policies each.
class Core::AssignBatch {
 public:
  AssignBatch(Core& core, Session& session) : core_(core), session_(session) {}

  // Returns the number of the order that carries it.
  std::uint64_t Add(const Run& run, std::uint32_t task, AttemptId attempt, std::uint32_t try_number) {
    const PackedTasks& job = run.job->tasks;
    const PackedTasks::Shape& shape = job.ShapeOf(task);
    after_ = std::max(after_, run.accepted_at);
    Assignment assignment;
    for (const Dependency need : run.NeedsOf(task)) {
      assignment.needs.push_back({.task = need.task, .parameter = need.parameter, .ahead = AddDatum(run, need.task)});
    }
    assignment.attempt = attempt;
    assignment.task = {run.id, task};
    assignment.try_number = try_number;
    assignment.name = job.NameOf(task);
    bool made = false;
    assignment.module = modules_.Of(run.slot, shape.module, &made);
    if (made) message_.modules.push_back(run.ModuleOf(task));
    assignment.policy = policies_.Of(run.slot, shape.policy, &made);
    if (made) {
      message_.policies.push_back(run.PolicyOf(task));
      bytes_ += ArtifactBytes(run.PolicyOf(task));
      Duration& timeout = message_.policies.back().timeout;
      if (timeout == Duration::zero()) timeout = core_.config_.execution_timeout;
    }
    assignment.cpus = run.RequirementsOf(task).cpus;
    assignment.inputs.bytes = job.SharedInputsOf(task);
    assignment.inputs.size = assignment.inputs.bytes.size();
    assignment.env = job.EnvOf(task);
    const std::uint64_t order = session_.orders_sent + 1;
    bytes_ += SizeOf(assignment);
    message_.tasks.push_back(std::move(assignment));
    if (bytes_ > kMessageBytes || message_.tasks.size() >= kMessageParts) Flush();
    return order;
  }
  void Finish() {
    if (!message_.tasks.empty() || !message_.data.empty()) Flush();
  }

 private:
  // What the worker needs to know of a dependency. Returns the attempt whose success it is to wait for, if it has not
  // ended.
  AttemptId AddDatum(const Run& run, std::uint32_t need) {
    const bool ended = run.tasks.phase[need] == Phase::kEnded;
    after_ = std::max(after_, run.tasks.ended_at[need]);
    const TaskKey key{.run = run.slot, .task = need};
    if (session_.data.insert(key).second) {
      core_.data_holders_[key].push_back(session_.index);
      message_.data.push_back(core_.DatumOf(run, need));
      bytes_ += SizeOf(message_.data.back());
      if (bytes_ > kMessageBytes || message_.data.size() >= kMessageParts) Flush();
    }
    return ended ? AttemptId{} : core_.AttemptAt(session_, run, need);
  }
  void Flush() {
    message_.session = session_.id;
    core_.Order_(session_, std::move(message_), after_);
    message_ = {};
    modules_.Clear();
    policies_.Clear();
    bytes_ = 0;
  }

  Core& core_;
  Session& session_;
  struct Assign message_;
  Places modules_;
  Places policies_;
  std::size_t bytes_ = 0;
  JournalPosition after_ = 0;
};

void Core::FlushAssigns(Session& session) {
  if (session.to_assign.empty() && session.to_assign_ahead.empty()) return;
  AssignBatch batch(*this, session);
  for (const std::uint32_t index : session.to_assign) {
    const TaskKey key = attempts_[index].task;
    const Run& run = *RunAt(key.run);
    attempts_[index].order = batch.Add(run, key.task, attempts_[index].id, run.tasks.tries[key.task]);
  }
  session.to_assign.clear();
  for (const AttemptId id : session.to_assign_ahead) {
    Ahead& ahead = session.ahead.at(id);
    const Run& run = *RunAt(ahead.task.run);
    ahead.order = batch.Add(run, ahead.task.task, id, run.tasks.tries[ahead.task.task] + 1);
  }
  session.to_assign_ahead.clear();
  batch.Finish();
}

// Numbers an order, keeps it, and sends it if there is somebody to send it to.
void Core::Order_(Session& session, Message message, JournalPosition after) {
  const std::uint64_t number = ++session.orders_sent;
  std::visit(
      [number](auto& order) {
        if constexpr (requires { order.number; }) order.number = number;
      },
      message);
  session.orders_after = std::max(session.orders_after, after);
  session.unacked.push_back({.number = number, .after = session.orders_after, .message = message});
  if (session.link != Link::kLive) return;
  if (session.unacked.size() == 1) session.orders_sent_at = now_;
  SendTo(session.peer, std::move(message), session.orders_after);
  session.orders_sent_at = now_;
  Arm(session);
}

void Core::Resend(Session& session) {
  if (session.unacked.empty() || session.link != Link::kLive) return;
  for (const Order& order : session.unacked) SendTo(session.peer, order.message, order.after);
  session.orders_sent_at = now_;
  Arm(session);
}

void Core::Acknowledge(Session& session, std::uint64_t through) {
  if (through > session.orders_sent) {
    ++protocol_errors_;
    return;
  }
  session.orders_acked = std::max(session.orders_acked, through);
  while (!session.unacked.empty() && session.unacked.front().number <= through) session.unacked.pop_front();
}

// Its last dependant has ended: whoever holds the result may drop it. Told with the next batch.
void Core::ForgetDatum(TaskKey key) {
  const auto it = data_holders_.find(key);
  if (it == data_holders_.end()) return;
  for (const std::uint32_t index : it->second) {
    Session& session = *sessions_[index];
    session.data.erase(key);
    session.to_forget.push_back(key);
    NoteOrders(session);
  }
  data_holders_.erase(it);
}

}  // namespace millrace::sched
