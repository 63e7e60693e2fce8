// SPDX-License-Identifier: Apache-2.0
// The thread of a worker that moves large payloads: fetches those an attempt needs before it starts, and stores a large
// result before the agent hears of it. So the brain only ever sees what is where it belongs.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "millrace/agent/event.h"
#include "millrace/net/link.h"
#include "millrace/net/mailbox.h"

namespace millrace::serve {

class Mover {
 public:
  struct Fetched {
    agent::Start start;
    absl::Status status;  // not ok: the attempt cannot start
  };
  using Done = std::variant<Fetched, agent::SlotSaid>;

  explicit Mover(net::BlobAccess& blobs);
  ~Mover();

  // True when the attempt needs a payload that is not inline.
  static bool NeedsFetching(const agent::Start& start);
  void Fetch(agent::Start start) { jobs_.Push(std::move(start)); }
  static bool NeedsStoring(const agent::SlotSaid& said);
  // Comes back as it was, its result named by digest.
  void Store(agent::SlotSaid said) { jobs_.Push(std::move(said)); }

  net::Mailbox<Done>& done() { return done_; }

 private:
  struct Stop {};
  using Job = std::variant<agent::Start, agent::SlotSaid, Stop>;

  void Run();
  void Do(agent::Start start);
  absl::Status Fetch(Payload& payload, const std::string& what);
  void Do(agent::SlotSaid said);

  net::BlobAccess& blobs_;
  net::Mailbox<Job> jobs_;
  net::Mailbox<Done> done_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace::serve
