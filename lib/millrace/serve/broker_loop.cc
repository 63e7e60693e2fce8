// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/broker_loop.h"

#include <algorithm>
#include <utility>

#include "millrace/base/fail_point.h"
#include "millrace/base/status.h"
#include "millrace/log/log.h"
#include "millrace/net/topics.h"
#include "millrace/serve/artifact_blobs.h"
#include "millrace/serve/clock.h"
#include "millrace/wire/frame.h"

namespace millrace::serve {
namespace {

constexpr Duration kReceiptsTogether = std::chrono::milliseconds(5);
constexpr Duration kSnapshotInterval = std::chrono::milliseconds(100);
constexpr int kSnapshotShare = 100;  // of the loop's time, at most one such part: thousands of workers are many rows
constexpr std::uint64_t kCompactAfter = 64u << 20;  // bytes that a journal may grow by, at least
// Speaks for the broker's own program; no link has it.
constexpr PeerId kOwnPeer{net::kLocalPeerBit | ~std::uint64_t{0}};

void LogNote(const sched::Note& note) {
  switch (note.severity) {
    case sched::Severity::kInfo: log::Info("%s", note.text); break;
    case sched::Severity::kWarning: log::Warning("%s", note.text); break;
    case sched::Severity::kError: log::Error("%s", note.text); break;
  }
}

bool IsBeat(const sched::Event& event) {
  const auto* heard = std::get_if<sched::Heard>(&event);
  return heard != nullptr && std::holds_alternative<Beat>(heard->message);
}

}  // namespace

BrokerLoop::BrokerLoop(Parts parts, net::LocalHub& hub, SnapshotBoard& board)
    : parts_(std::move(parts)),
      hub_(hub),
      board_(board),
      brain_(parts_.brain),
      store_(std::move(parts_.cache), parts_.blobs, parts_.brain.max_payload, store_answers_),
      logs_(parts_.log_limit),
      audit_({.file = parts_.audit_file}) {
  if (parts_.history) history_.emplace(*parts_.history, parts_.blobs, store_answers_, history_news_);
}

absl::Status BrokerLoop::Restore(store::Journal journal, Durability durability,
                                 std::optional<std::set<Digest>>& named) {
  const JournalPosition first = journal.first();
  MILLRACE_RETURN_IF_ERROR(journal.Replay([&](JournalPosition, Record record) {
    const auto* ended = std::get_if<TaskEnded>(&record);
    if (ended != nullptr && ended->result.digest && named) named->insert(*ended->result.digest);
    if (ended != nullptr && ended->artifacts && parts_.blobs && named) {
      if (!NameArtifacts(*parts_.blobs, *ended->artifacts, *named)) named.reset();
    }
    brain_.Apply(record);
    if (history_) history_->Replayed(std::move(record));
    return absl::OkStatus();
  }));
  replayed_runs_ = brain_.RunIds().size();
  if (replayed_runs_ > 0) {
    log::Info("%s: %d records of %d runs", journal.file().string(), journal.end() + 1 - first, replayed_runs_);
  }
  compacted_bytes_ = news_.bytes = journal.bytes();
  wait_for_journal_ = durability == Durability::kSync;
  JournalThread::OnDurable on_durable;
  if (history_) on_durable = [this](std::vector<Record> batch) { history_->Take(std::move(batch)); };
  journal_.emplace(std::move(journal), wait_for_journal_ ? parts_.blobs : std::nullopt, journal_news_,
                   std::chrono::seconds(3), std::move(on_durable));
  return absl::OkStatus();
}

void BrokerLoop::Connect(BrokerSockets sockets, Planes planes, std::string insecure_on) {
  parts_.sockets = std::move(sockets);
  parts_.brain.planes = planes;
  parts_.insecure_on = std::move(insecure_on);
  brain_.Announce(std::move(planes));
}

void BrokerLoop::AskStop(Duration patience) { stop_orders_.Push({patience}); }

void BrokerLoop::Run() {
  if (history_) history_->Start();
  while (true) {
    Collect();
    StepAll();
    SendReceipts();
    CompactIfWorthIt();
    const Instant now = Now();
    if (changed_ && now >= next_snapshot_) PublishSnapshot(now);
    if (stop_deadline_ && StopIsDone(now)) return;
    Wait();
  }
}

void BrokerLoop::StepAll() {
  const Instant now = Now();
  for (sched::Event& event : events_) {
    // A heartbeat that leads to nothing changes nothing that people see: an idle broker with many workers makes no
    // snapshots of them.
    const bool beat = IsBeat(event);
    const std::size_t before = actions_.size();
    brain_.Step(now, std::move(event), actions_);
    changed_ |= !beat || actions_.size() > before;
  }
  events_.clear();
  if (now >= brain_.NextWake()) {
    brain_.Step(now, sched::Tick{}, actions_);
    changed_ = true;
  }
  WriteJournal();
  release_.Add(std::move(actions_));
  actions_.clear();
  release_.Release([this](sched::Action action) {
    const bool rests_on_record = action.after != 0;
    Perform(std::move(action));
    if (rests_on_record) FailPoint("broker.told");
  });
}

// Positions are given as the records are appended. With no journal kept, or none waited for, a record counts as durable
// at once.
void BrokerLoop::WriteJournal() {
  std::vector<Record> batch;
  JournalPosition position = 0;
  for (sched::Action& action : actions_) {
    auto* append = std::get_if<sched::Append>(&action.body);
    if (append == nullptr) continue;
    position = release_.Advance(PositionsOf(append->record));
    if (journal_ || history_) batch.push_back(std::move(append->record));
  }
  if (!batch.empty()) {
    if (journal_) {
      journal_->Append(std::move(batch));
      FailPoint("broker.appended");
    } else {
      history_->Take(std::move(batch));
    }
  }
  if (position != 0 && !wait_for_journal_) release_.SetDurable(position);
}

// When it has doubled, or when what was replayed is not kept any more; the brain says which runs are. Not while the
// history has still to take some: a crash would find them nowhere.
void BrokerLoop::CompactIfWorthIt() {
  if (!journal_ || news_.compactions < compactions_asked_ || (history_ && history_->Behind())) return;
  const bool grown = news_.bytes > compacted_bytes_ + std::max(kCompactAfter, compacted_bytes_);
  const std::size_t replayed = std::exchange(replayed_runs_, 0);
  if (!grown && replayed == 0) return;
  const std::vector<RunId> known = brain_.RunIds();
  if (!grown && known.size() >= replayed) return;
  ++compactions_asked_;
  journal_->Compact({known.begin(), known.end()});
}

void BrokerLoop::Perform(sched::Action action) {
  if (auto* send = std::get_if<sched::Send>(&action.body)) {
    SendTo(send->peer, std::move(send->message));
  } else if (auto* broadcast = std::get_if<sched::Broadcast>(&action.body)) {
    hub_.Broadcast(broadcast->message);
    if (parts_.sockets.events) {
      const bool beacon = std::holds_alternative<Beacon>(broadcast->message);
      parts_.sockets.events->Publish(beacon ? net::kBeaconTopic : net::kChangedTopic,
                                     wire::EncodeMessage(broadcast->message));
    }
  } else if (auto* recall = std::get_if<sched::Recall>(&action.body)) {
    store_.Ask(std::move(*recall));
  } else if (auto* remember = std::get_if<sched::Remember>(&action.body)) {
    store_.Ask(std::move(*remember));
  } else if (const auto* disconnect = std::get_if<sched::Disconnect>(&action.body)) {
    peers_.erase(disconnect->peer);
    if (net::IsLocal(disconnect->peer)) {
      hub_.Disconnect(disconnect->peer);
    } else if (parts_.sockets.control) {
      parts_.sockets.control->Ignore(disconnect->peer);
    }
  } else if (const auto* note = std::get_if<sched::Note>(&action.body)) {
    LogNote(*note);
  }
}

void BrokerLoop::SendTo(PeerId peer, Message message) {
  Audit(peer, message);
  if (net::IsLocal(peer)) {
    hub_.Send(peer, std::move(message));
    return;
  }
  if (!parts_.sockets.control) return;
  if (auto* recorded = std::get_if<Recorded>(&message)) {
    if (receipts_.empty()) receipts_until_ = Now() + kReceiptsTogether;
    return receipts_.Add(peer, std::move(*recorded));
  }
  SendNow(peer, std::move(message));
  if (auto receipt = receipts_.TakeFor(peer)) SendNow(peer, *std::move(receipt));
}

void BrokerLoop::SendReceipts() {
  if (receipts_.empty() || Now() < receipts_until_) return;
  for (auto& [peer, recorded] : receipts_.TakeAll()) SendNow(peer, std::move(recorded));
}

void BrokerLoop::SendNow(PeerId peer, Message message) {
  SpillLargePayloads(message);
  Bytes frame(wire::EncodeMessage(message));
  if (frame.size() > wire::kFrameLimits.max_bytes) {
    // The brain bounds what it says; should it fail to, one answer is lost instead of the connection.
    log::Error("a message of kind %d has %d bytes, over the limit of %d of a frame", message.index(), frame.size(),
               wire::kFrameLimits.max_bytes);
    const auto* answer = std::get_if<Answer>(&message);
    if (answer == nullptr) return;
    Answer excuse;
    excuse.request = answer->request;
    excuse.code = static_cast<std::int32_t>(absl::StatusCode::kResourceExhausted);
    excuse.message = absl::StrFormat("the answer has %d bytes, over the limit of %d of a message; ask for less at once",
                                     frame.size(), wire::kFrameLimits.max_bytes);
    frame = Bytes(wire::EncodeMessage(std::move(excuse)));
  }
  // A stalled or gone peer loses this message; the protocol repeats what matters once it is back.
  parts_.sockets.control->Send(peer, frame);
}

void BrokerLoop::SpillLargePayloads(Message& message) {
  if (auto* assign = std::get_if<Assign>(&message)) {
    for (Datum& datum : assign->data) {
      Spill(datum.result);
      Spill(datum.inputs);
    }
    for (Assignment& task : assign->tasks) Spill(task.inputs);
  } else if (auto* answer = std::get_if<Answer>(&message)) {
    Spill(answer->result);
  }
}

// A result that was made in this process is inline whatever its size; one that leaves must fit the control channel.
void BrokerLoop::Spill(Payload& payload) {
  if (payload.digest || payload.bytes.size() <= net::kInlineLimit || !parts_.blobs) return;
  const Digest digest = Sha256(payload.bytes.view());
  if (!parts_.blobs->Has(digest)) {
    const absl::Status status = parts_.blobs->Put(digest, payload.bytes.view());
    if (!status.ok()) {
      log::Error("cannot store a result of %d bytes: %s", payload.bytes.size(), TextOf(status));
      return;
    }
  }
  payload.digest = digest;
  payload.size = payload.bytes.size();
  payload.bytes = {};
}

void BrokerLoop::PublishSnapshot(Instant now) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->broker = View(now);
  snapshot->workers = brain_.Workers(now);
  snapshot->runs = brain_.Runs(now);
  snapshot->planes = parts_.brain.planes;
  snapshot->unix_ms = UnixMs();
  snapshot->taken = now.time_since_epoch();
  board_.Publish(std::move(snapshot));
  next_snapshot_ = now + std::max(kSnapshotInterval, kSnapshotShare * (Now() - now));
  changed_ = false;
}

void BrokerLoop::BeginStop(Duration patience) {
  if (stop_deadline_) return;
  stop_deadline_ = Now() + patience;
  Command release;
  release.kind = CommandKind::kReleaseWorkers;
  release.reason = "the broker is done";
  events_.push_back(sched::Heard{kOwnPeer, std::move(release), false});
}

bool BrokerLoop::StopIsDone(Instant now) {
  if (now >= *stop_deadline_) return true;
  const auto workers = brain_.Workers(now);
  return std::all_of(workers.begin(), workers.end(),
                     [](const WorkerView& worker) { return worker.state == WorkerState::kLost; });
}

void BrokerLoop::Wait() {
  Instant until = kNever;
  std::vector<net::PollItem> items;
  const auto add_fd = [&items](int fd) {
    net::PollItem item;
    item.fd = fd;
    items.push_back(item);
  };
  const auto add_socket = [&items](void* socket) {
    net::PollItem item;
    item.socket = socket;
    items.push_back(item);
  };
  if (parts_.sockets.control) {
    add_socket(parts_.sockets.control->native());
    add_fd(parts_.sockets.control->wake_fd());
    if (Now() >= next_heartbeats_) {
      add_socket(parts_.sockets.heartbeat->native());
    } else {
      until = next_heartbeats_;
    }
  }
  if (parts_.gate != nullptr) add_fd(parts_.gate->news().fd());
  add_fd(hub_.inbox().fd());
  add_fd(store_answers_.fd());
  add_fd(journal_news_.fd());
  add_fd(history_news_.fd());
  add_fd(stop_orders_.fd());
  until = std::min(until, more_to_read_ ? Instant{} : brain_.NextWake());
  if (changed_) until = std::min(until, next_snapshot_);
  if (!receipts_.empty()) until = std::min(until, receipts_until_);
  if (stop_deadline_) until = std::min(until, *stop_deadline_);
  const auto ready = poller_.Wait(items, ToSteady(until));
  if (!ready.ok()) log::Error("waiting for messages: %s", TextOf(ready.status()));
}

}  // namespace millrace::serve
