// SPDX-License-Identifier: Apache-2.0
// The broker's one thread: takes what has arrived, steps the scheduler with each, performs what it asks for.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "millrace/model/durability.h"
#include "millrace/net/local_link.h"
#include "millrace/net/mailbox.h"
#include "millrace/net/poller.h"
#include "millrace/net/pubsub.h"
#include "millrace/net/router.h"
#include "millrace/sched/scheduler.h"
#include "millrace/serve/audit_log.h"
#include "millrace/serve/gate.h"
#include "millrace/serve/history_thread.h"
#include "millrace/serve/journal_thread.h"
#include "millrace/serve/log_store.h"
#include "millrace/serve/process_watch.h"
#include "millrace/serve/receipts.h"
#include "millrace/serve/release_queue.h"
#include "millrace/serve/snapshot.h"
#include "millrace/serve/store_thread.h"
#include "millrace/store/blobs.h"

namespace millrace::serve {

// The sockets of a broker that has a network. All or none.
struct BrokerSockets {
  std::unique_ptr<net::Router> control;
  std::unique_ptr<net::Subscriber> heartbeat;
  std::unique_ptr<net::Publisher> events;
};

class BrokerLoop {
 public:
  struct Parts {
    sched::Config brain;
    BrokerSockets sockets;
    std::optional<store::BlobStore> blobs;
    std::optional<store::ResultCache> cache;
    std::optional<HistoryThread::Options> history;  // none = no history is kept
    std::uint64_t log_limit = 0;
    std::string insecure_on;
    Gate* gate = nullptr;              // null: without keys; else it outlives the loop
    std::filesystem::path audit_file;  // "" = none
    // Called once, on the loop's thread, when the disk cannot be trusted any more; nothing is acknowledged after it.
    std::function<void(const absl::Status&)> on_disk_failure;
  };
  BrokerLoop(Parts parts, net::LocalHub& hub, SnapshotBoard& board);

  // Before Run, in this order, and neither has to be. Restore replays the journal and keeps it from then on; the blobs
  // that its records name are added to `named`, which becomes none when some could not be read for now.
  absl::Status Restore(store::Journal journal, Durability durability, std::optional<std::set<Digest>>& named);
  void Connect(BrokerSockets sockets, Planes planes, std::string insecure_on);

  // Until a stop was asked for and is done. The calling thread owns everything from here on.
  void Run();
  // Any thread. Workers are released, and the loop ends when they have gone or `patience` is over.
  void AskStop(Duration patience);

 private:
  struct StopOrder {
    Duration patience{};
  };
  struct PeerInfo {
    std::string worker;  // "" for a client
    WatchedProcess process;
    int strikes = 0;  // malformed messages
    std::shared_ptr<const Caller> caller;
  };

  void Collect();
  void CollectControl();
  void CollectHeartbeats();
  void CollectLocal();
  void CollectStore();
  void CollectJournal();
  void CollectHistory();
  void CollectGate();
  void OnNews(const KeysChanged& changed);
  void OnNews(const KeyRefused& refused);
  void OnNews(const JoinAnswered& joined);
  void OnNews(const GateTrouble& trouble);
  // False: it has no key that counts, and is ignored. Null without keys.
  bool Identify(PeerId peer, std::shared_ptr<const Caller>& caller);
  void Dismiss(PeerId peer, const std::string& reason);
  void Audit(PeerId peer, const Message& message);
  bool HasWarnings() const;
  void Take(PeerId peer, Message message, bool on_heartbeat_channel, std::shared_ptr<const Caller> caller);
  void Strike(PeerId peer, const std::string& reason);
  void Lost(PeerId peer);
  bool TakeWithoutJournal(PeerId peer, const Message& message);
  void AskHistory(PeerId peer, Query query);
  void AnswerStatus(PeerId peer, std::uint64_t request);
  void StepAll();
  void WriteJournal();
  void CompactIfWorthIt();
  void Perform(sched::Action action);
  void SendTo(PeerId peer, Message message);
  void SendNow(PeerId peer, Message message);
  void SendReceipts();
  void SpillLargePayloads(Message& message);
  void Spill(Payload& payload);
  BrokerView View(Instant now) const;
  void PublishSnapshot(Instant now);
  void BeginStop(Duration patience);
  bool StopIsDone(Instant now);
  void Wait();

  Parts parts_;
  net::LocalHub& hub_;
  SnapshotBoard& board_;
  sched::Scheduler brain_;
  net::Mailbox<StoreAnswer> store_answers_;
  StoreThread store_;
  net::Mailbox<HistoryNews> history_news_;
  HistoryNews history_state_;
  std::optional<HistoryThread> history_;  // outlives the journal's thread, which feeds it
  net::Mailbox<JournalNews> journal_news_;
  std::optional<JournalThread> journal_;
  bool wait_for_journal_ = false;
  JournalNews news_;
  std::uint64_t compactions_asked_ = 0;
  std::uint64_t compacted_bytes_ = 0;  // after the last compaction, or at the start
  std::size_t replayed_runs_ = 0;      // until the first step, which drops those that are not kept any longer
  net::Mailbox<StopOrder> stop_orders_;
  LogStore logs_;
  AuditLog audit_;
  absl::Status gate_trouble_;
  ReleaseQueue release_;
  std::map<PeerId, PeerInfo> peers_;
  std::vector<sched::Event> events_;
  sched::Actions actions_;
  net::Poller poller_;
  std::uint64_t malformed_ = 0;
  bool more_to_read_ = false;  // a bounded read left something: do not wait
  bool changed_ = true;        // since the last snapshot
  Receipts receipts_;
  Instant receipts_until_{};   // then they are sent, whatever else there is
  Instant next_snapshot_{};    // not before
  Instant next_heartbeats_{};  // beats that come before are read then, all together
  std::optional<Instant> stop_deadline_;
};

}  // namespace millrace::serve
