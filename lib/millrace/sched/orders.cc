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
  if (session.link == Link::kLost) return;
  FlushAssigns(session);
  if (!session.to_cancel.empty()) {
    Order_(session, Cancel{.session = session.id, .number = 0, .attempts = std::move(session.to_cancel)}, 0);
    session.to_cancel.clear();
  }
  if (!session.to_take_back.empty()) {
    Order_(session, TakeBack{.session = session.id, .number = 0, .attempts = std::move(session.to_take_back)}, 0);
    session.to_take_back.clear();
  }
  if (session.to_forget.size() >= kForgetBatch || (session.held == 0 && !session.to_forget.empty())) {
    Forget forget{.session = session.id, .number = 0, .data = {}};
    for (const TaskKey key : session.to_forget) {
      const Run* run = RunAt(key.run);
      if (run == nullptr) continue;
      forget.data.push_back({run->id, key.task});
      if (forget.data.size() < kForgetParts) continue;
      Order_(session, forget, 0);
      forget.data.clear();
    }
    session.to_forget.clear();
    if (!forget.data.empty()) Order_(session, std::move(forget), 0);
  }
}

void Core::FlushAssigns(Session& session) {
  if (session.to_assign.empty()) return;
  struct Assign message;
  Places modules;
  Places policies;
  std::size_t bytes = 0;
  JournalPosition after = 0;
  const auto flush = [&] {
    message.session = session.id;
    Order_(session, std::move(message), after);
    message = {};
    modules.Clear();
    policies.Clear();
    bytes = 0;
  };
  for (const std::uint32_t index : session.to_assign) {
    const Run& run = *RunAt(attempts_[index].task.run);
    const std::uint32_t task = attempts_[index].task.task;
    const PackedTasks& job = run.job->tasks;
    const PackedTasks::Shape& shape = job.ShapeOf(task);
    after = std::max(after, run.accepted_at);
    for (const Dependency need : run.NeedsOf(task)) {
      after = std::max(after, run.tasks.ended_at[need.task]);
      const TaskKey key{.run = run.slot, .task = need.task};
      if (!session.data.insert(key).second) continue;
      data_holders_[key].push_back(session.index);
      message.data.push_back(DatumOf(run, need.task));
      bytes += SizeOf(message.data.back());
      if (bytes > kMessageBytes || message.data.size() >= kMessageParts) flush();
    }
    Assignment assignment;
    assignment.attempt = attempts_[index].id;
    assignment.task = {run.id, task};
    assignment.try_number = run.tasks.tries[task];
    assignment.name = job.NameOf(task);
    bool made = false;
    assignment.module = modules.Of(run.slot, shape.module, &made);
    if (made) message.modules.push_back(run.ModuleOf(task));
    assignment.policy = policies.Of(run.slot, shape.policy, &made);
    if (made) {
      message.policies.push_back(run.PolicyOf(task));
      bytes += ArtifactBytes(run.PolicyOf(task));
      Duration& timeout = message.policies.back().timeout;
      if (timeout == Duration::zero()) timeout = config_.execution_timeout;
    }
    assignment.cpus = run.RequirementsOf(task).cpus;
    assignment.inputs.bytes = job.SharedInputsOf(task);
    assignment.inputs.size = assignment.inputs.bytes.size();
    assignment.env = job.EnvOf(task);
    for (const Dependency need : run.NeedsOf(task)) {
      assignment.needs.push_back({.task = need.task, .parameter = need.parameter});
    }
    attempts_[index].order = session.orders_sent + 1;
    bytes += SizeOf(assignment);
    message.tasks.push_back(std::move(assignment));
    if (bytes > kMessageBytes || message.tasks.size() >= kMessageParts) flush();
  }
  session.to_assign.clear();
  if (!message.tasks.empty() || !message.data.empty()) flush();
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
