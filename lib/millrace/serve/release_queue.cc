// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/release_queue.h"

#include <optional>
#include <variant>

namespace millrace::serve {
namespace {

bool MayOvertake(const sched::Action& action) {
  if (action.after != 0) return false;
  if (const auto* broadcast = std::get_if<sched::Broadcast>(&action.body)) {
    return std::holds_alternative<Beacon>(broadcast->message);
  }
  // The sooner it is gone the better: its worker has another one, and what still comes over this one would take it
  // back.
  if (std::holds_alternative<sched::Disconnect>(action.body)) return true;
  const auto* send = std::get_if<sched::Send>(&action.body);
  if (send == nullptr) return false;
  // A client's welcome, too, which its first answer must not overtake; a worker's says which attempts it keeps.
  const auto* welcome = std::get_if<Welcome>(&send->message);
  return (welcome != nullptr && !welcome->session.valid()) || std::holds_alternative<Pong>(send->message) ||
         std::holds_alternative<Ping>(send->message) || std::holds_alternative<Answer>(send->message);
}

// What tells an order from every other one on its connection; none for other messages.
std::optional<std::pair<SessionId, std::uint64_t>> NumberOf(const Message& message) {
  return std::visit(
      [](const auto& m) -> std::optional<std::pair<SessionId, std::uint64_t>> {
        if constexpr (
            requires { m.session, m.number; } && !requires { m.incarnation; }) {
          return std::pair(m.session, std::uint64_t{m.number});
        }
        return std::nullopt;
      },
      message);
}

}  // namespace

void ReleaseQueue::Add(sched::Actions actions) {
  for (sched::Action& action : actions) {
    if (MayOvertake(action)) {
      free_.push_back(std::move(action));
      continue;
    }
    if (const auto* send = std::get_if<sched::Send>(&action.body)) {
      const auto number = NumberOf(send->message);
      if (number && !orders_.emplace(send->peer, number->first, number->second).second) continue;
    }
    waiting_.push_back(std::move(action));
  }
}

bool ReleaseQueue::MayGo() const { return !waiting_.empty() && waiting_.front().after <= durable_; }

sched::Action ReleaseQueue::TakeFirst() {
  sched::Action action = std::move(waiting_.front());
  waiting_.pop_front();
  if (const auto* send = std::get_if<sched::Send>(&action.body)) {
    if (const auto number = NumberOf(send->message)) orders_.erase({send->peer, number->first, number->second});
  }
  return action;
}

}  // namespace millrace::serve
