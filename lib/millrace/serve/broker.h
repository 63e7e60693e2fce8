// SPDX-License-Identifier: Apache-2.0
// A running broker: one thread that owns the scheduler and the control sockets, and around it the store, bulk and HTTP
// threads. Without a network it is the orchestrator of a standalone run: the same brain, no port opened.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/model/durability.h"
#include "millrace/net/context.h"
#include "millrace/net/link.h"
#include "millrace/sched/event.h"
#include "millrace/serve/snapshot.h"
#include "millrace/store/history.h"

namespace millrace::serve {

struct BrokerNetwork {
  std::string bind = "127.0.0.1";  // or ipc://PATH
  int port = 8080;                 // heartbeats +1, events +2, bulk +3; 0 = all of them ephemeral
  int http_port = -1;              // -1 = port + 10 (ephemeral with port 0); 0 = ephemeral
  bool http = true;
  std::string http_bind = "127.0.0.1";
  std::string insecure_allow_plaintext_on;
  std::filesystem::path keys_dir;  // "" = without keys: plaintext, on loopback
};

struct BrokerOptions {
  sched::Config brain;  // epoch, planes and unix_at_zero are filled in by Start
  std::optional<BrokerNetwork> network;
  std::filesystem::path data_dir;  // journal, epoch, blobs, cache; "" = keep nothing on disk (no cache)
  bool cache = true;
  Durability durability = Durability::kSync;  // of a broker with a network; without one there is no journal
  // The disk cannot be trusted any more: end the process, and start another broker once the disk is well. Called on a
  // thread of the broker, which must not be stopped from there.
  std::function<void(const absl::Status&)> on_disk_failure;
  // A key that is on no list was let in: end the process. Called on a thread of the broker, as above.
  std::function<void(const absl::Status&)> on_open_gate;
  bool history = true;  // of runs that have ended; of a broker with a network, whatever the durability
  store::HistoryLimits history_limits;
  std::uint64_t log_limit = 64u << 20;                 // bytes of task output kept
  std::uint64_t blob_limit = std::uint64_t{16} << 30;  // bytes of large results and submissions kept
};

class Broker {
 public:
  // With a network: locks the data directory, raises the epoch, and replays the journal; then binds and starts the
  // threads. Everything that can be wrong with the options or the machine comes back here.
  static absl::StatusOr<std::unique_ptr<Broker>> Start(net::SocketContext* context, BrokerOptions options);
  // As Stop(0).
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // A connection from this process. Any thread.
  std::unique_ptr<net::Link> ConnectLocal();
  // Blobs for workers and clients in this process.
  net::BlobAccess& local_blobs();

  const std::string& control_endpoint() const;  // "" without a network
  const Planes& planes() const;
  const SnapshotBoard& board() const;

  // Releases the workers, waits up to `patience` until they have gone, and ends. Once.
  void Stop(Duration patience);

 private:
  struct State;
  explicit Broker(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::serve
