// SPDX-License-Identifier: Apache-2.0
// What reaches the broker's loop: the messages of peers, the answers of its threads, the trouble of the disk. What the
// shell can answer or remember by itself ends here; the rest becomes the brain's events.
#include <utility>

#include "millrace/base/status.h"
#include "millrace/log/log.h"
#include "millrace/sched/permission.h"
#include "millrace/serve/broker_loop.h"
#include "millrace/serve/clock.h"
#include "millrace/store/history_query.h"
#include "millrace/wire/frame.h"

namespace millrace::serve {
namespace {

constexpr std::size_t kReadAtOnce = 1000;  // messages per socket and turn, so that none starves the others
constexpr Duration kBeatsTogether = std::chrono::milliseconds(50);
constexpr int kBeatPart = 20;  // of the interval between two beats of a worker, at most

}  // namespace

void BrokerLoop::Collect() {
  more_to_read_ = false;
  if (parts_.sockets.control) {
    CollectControl();
    CollectHeartbeats();
  }
  CollectLocal();
  CollectStore();
  CollectJournal();
  CollectHistory();
  if (parts_.gate != nullptr) CollectGate();
  std::vector<StopOrder> orders;
  stop_orders_.DrainInto(orders);
  for (const StopOrder& order : orders) BeginStop(order.patience);
}

void BrokerLoop::CollectControl() {
  std::vector<net::Received> received;
  more_to_read_ |= parts_.sockets.control->Receive(kReadAtOnce, received) == kReadAtOnce;
  for (net::Received& item : received) {
    auto message = wire::DecodeMessage(item.payload);
    std::shared_ptr<const Caller> caller;
    if (!Identify(item.peer, caller)) continue;
    if (message.ok()) {
      Take(item.peer, *std::move(message), false, std::move(caller));
    } else {
      Strike(item.peer, TextOf(message.status()));
    }
  }
  for (const PeerId peer : parts_.sockets.control->TakeMalformed()) Strike(peer, "a message was not one frame");
  for (const PeerId peer : parts_.sockets.control->TakeGone()) Lost(peer);
}

void BrokerLoop::CollectHeartbeats() {
  std::vector<net::Published> published;
  more_to_read_ |= parts_.sockets.heartbeat->Receive(kReadAtOnce, published) == kReadAtOnce;
  if (published.empty()) return;
  // None of them is in a hurry, and a crowd would wake this thread a thousand times a second.
  next_heartbeats_ = Now() + std::min<Duration>(kBeatsTogether, parts_.brain.heartbeat_interval / kBeatPart);
  for (net::Published& item : published) {
    const auto caller = parts_.gate == nullptr ? nullptr : parts_.gate->Find(item.user);
    if (parts_.gate != nullptr && caller == nullptr) continue;  // its key was revoked
    auto message = wire::DecodeMessage(item.payload);
    if (message.ok() && std::holds_alternative<Beat>(*message)) {
      Take({}, *std::move(message), true, caller);
    } else {
      ++malformed_;
    }
  }
}

void BrokerLoop::CollectLocal() {
  std::vector<net::LocalHub::Item> items;
  hub_.inbox().DrainInto(items);
  for (net::LocalHub::Item& item : items) {
    if (!item.message) {
      Lost(item.peer);
    } else {
      Take(item.on_heartbeat_channel ? PeerId{} : item.peer, *std::move(item.message), item.on_heartbeat_channel,
           nullptr);
    }
  }
}

void BrokerLoop::CollectStore() {
  std::vector<StoreAnswer> answers;
  store_answers_.DrainInto(answers);
  for (StoreAnswer& answer : answers) {
    if (auto* send = std::get_if<sched::Send>(&answer.body)) {
      SendTo(send->peer, std::move(send->message));
    } else if (auto* heard = std::get_if<sched::Heard>(&answer.body)) {
      events_.push_back(std::move(*heard));
    } else {
      events_.push_back(std::get<sched::Recalled>(std::move(answer.body)));
    }
  }
}

void BrokerLoop::CollectJournal() {
  std::vector<JournalNews> news;
  if (journal_news_.DrainInto(news) == 0) return;
  const bool was_broken = news_.broken;
  changed_ |= news_.trouble != news.back().trouble;
  if (news.back().compactions > news_.compactions) compacted_bytes_ = news.back().bytes;
  news_ = std::move(news.back());
  if (wait_for_journal_) release_.SetDurable(news_.durable);
  if (!news_.broken || was_broken) return;
  log::Error("the journal cannot be trusted any more: %s; nothing is acknowledged after this", TextOf(news_.trouble));
  if (parts_.on_disk_failure) parts_.on_disk_failure(news_.trouble);
}

void BrokerLoop::CollectHistory() {
  std::vector<HistoryNews> news;
  if (history_news_.DrainInto(news) == 0) return;
  history_state_ = std::move(news.back());
  changed_ = true;
}

void BrokerLoop::AskHistory(PeerId peer, Query query) {
  if (history_) return history_->Ask(peer, std::move(query));
  Answer answer;
  answer.request = query.request;
  answer.code = static_cast<std::int32_t>(absl::StatusCode::kFailedPrecondition);
  answer.message = "this broker keeps no history (--no-history), and remembers ended runs for --run-retention";
  SendTo(peer, std::move(answer));
}

// While the journal cannot be written, what the brain says waits. A run that could be lost is not taken, and whoever
// asks how the broker is hears why at once.
bool BrokerLoop::TakeWithoutJournal(PeerId peer, const Message& message) {
  Answer answer;
  if (const auto* submit = std::get_if<Submit>(&message)) {
    if (submit->token != 0 && brain_.Knows(submit->token)) return false;  // was taken before the trouble: it waits
    answer.request = submit->request;
    answer.code = static_cast<std::int32_t>(absl::StatusCode::kResourceExhausted);
    answer.message =
        absl::StrFormat("no run is taken while the broker's journal cannot be written: %s", TextOf(news_.trouble));
  } else if (const auto* query = std::get_if<Query>(&message); query != nullptr && query->kind == QueryKind::kBroker) {
    AnswerStatus(peer, query->request);
    return true;
  } else {
    return false;
  }
  SendTo(peer, std::move(answer));
  return true;
}

// What the shell itself answers or remembers, it takes here; the rest is the brain's.
void BrokerLoop::Take(PeerId peer, Message message, bool on_heartbeat_channel, std::shared_ptr<const Caller> caller) {
  if (!on_heartbeat_channel) audit_.Asked(peer, caller.get(), message);
  if (caller != nullptr && !sched::CheckPermission(*caller, message).ok()) {
    events_.push_back(sched::Heard{peer, std::move(message), on_heartbeat_channel, std::move(caller)});
    return;  // the brain tells it why
  }
  if (!news_.trouble.ok() && !on_heartbeat_channel && TakeWithoutJournal(peer, message)) return;
  if (auto* hello = std::get_if<Hello>(&message)) {
    PeerInfo& info = peers_[peer];
    info.worker = hello->role == Role::kWorker ? hello->name : "";
    info.process = Watch(hello->host, hello->pid);
    hello->local = net::IsLocal(peer);  // nobody else's word is taken for it
    // Where everything waits for the disk, so does what follows from an outcome.
    if (wait_for_journal_) hello->takes_ahead = false;
  } else if (auto* output = std::get_if<Output>(&message)) {
    const auto info = peers_.find(peer);
    if (info != peers_.end() && !info->second.worker.empty()) logs_.Add(info->second.worker, std::move(*output));
    return;
  } else if (const auto* query = std::get_if<Query>(&message); query != nullptr && query->kind == QueryKind::kLogs) {
    SendTo(peer, logs_.Ask(*query));
    return;
  } else if (query != nullptr && query->kind == QueryKind::kBroker && HasWarnings()) {
    AnswerStatus(peer, query->request);
    return;
  } else if (query != nullptr && store::IsAboutThePast(query->kind)) {
    AskHistory(peer, *query);
    return;
  } else if (auto* command = std::get_if<Command>(&message);
             command != nullptr && command->kind == CommandKind::kJoin && caller != nullptr) {
    parts_.gate->Join(peer, caller->key, std::move(*command));
    return;
  } else if (auto* submit = std::get_if<Submit>(&message); submit != nullptr && submit->job_digest) {
    store_.Ask(LoadSubmission{peer, std::move(*submit)});
    return;
  }
  events_.push_back(sched::Heard{peer, std::move(message), on_heartbeat_channel, std::move(caller)});
}

void BrokerLoop::Lost(PeerId peer) {
  const auto info = peers_.find(peer);
  const bool dead = info != peers_.end() && HasEnded(info->second.process);
  if (info != peers_.end()) peers_.erase(info);
  audit_.Gone(peer);
  events_.push_back(sched::PeerGone{peer, dead});
}

}  // namespace millrace::serve
