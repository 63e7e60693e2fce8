// SPDX-License-Identifier: Apache-2.0
// The broker's one thread: takes what has arrived, steps the scheduler with each, performs what it asks for.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "millrace/net/local_link.h"
#include "millrace/net/mailbox.h"
#include "millrace/net/poller.h"
#include "millrace/net/pubsub.h"
#include "millrace/net/router.h"
#include "millrace/sched/scheduler.h"
#include "millrace/serve/log_store.h"
#include "millrace/serve/process_watch.h"
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
    std::uint64_t log_limit = 0;
    std::string insecure_on;
  };
  BrokerLoop(Parts parts, net::LocalHub& hub, SnapshotBoard& board);

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
  };

  void Collect();
  void CollectControl();
  void CollectHeartbeats();
  void CollectLocal();
  void CollectStore();
  void Take(PeerId peer, Message message, bool on_heartbeat_channel);
  void Strike(PeerId peer, const std::string& reason);
  void Lost(PeerId peer);
  void StepAll();
  void Perform(sched::Action action);
  void SendTo(PeerId peer, Message message);
  void SpillLargePayloads(Message& message);
  void Spill(Payload& payload);
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
  net::Mailbox<StopOrder> stop_orders_;
  LogStore logs_;
  ReleaseQueue release_;
  std::map<PeerId, PeerInfo> peers_;
  std::vector<sched::Event> events_;
  sched::Actions actions_;
  net::Poller poller_;
  std::uint64_t malformed_ = 0;
  bool more_to_read_ = false;  // a bounded read left something: do not wait
  bool changed_ = true;        // since the last snapshot
  Instant last_snapshot_{};
  std::optional<Instant> stop_deadline_;
};

}  // namespace millrace::serve
