// SPDX-License-Identifier: Apache-2.0
// The thread of a worker that moves what is large: fetches payloads and artifacts that an attempt needs before it
// starts, and stores a large result and artifacts before the agent hears of them. So the brain only ever sees what is
// where it belongs.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "millrace/agent/event.h"
#include "millrace/net/link.h"
#include "millrace/net/mailbox.h"
#include "millrace/serve/artifact_courier.h"

namespace millrace::serve {

class Mover {
 public:
  struct Fetched {
    agent::Start start;
    absl::Status status;  // not ok: the attempt cannot start
    bool plain = false;   // ... and could not at the next try
  };
  using Done = std::variant<Fetched, agent::SlotSaid>;

  // How far the fetch of an attempt is. One that is given up puts nothing into the work directory, where others may be
  // at work by then; once it has begun with that it cannot be given up, but that is short: all files are here.
  class Stage {
   public:
    bool GiveUp() { return Leave(kGivenUp); }  // false: too late
    bool Place() { return Leave(kPlacing); }   // false: it was given up

   private:
    enum : int { kFetching, kPlacing, kGivenUp };
    bool Leave(int next) {
      int expected = kFetching;
      return at_.compare_exchange_strong(expected, next);
    }
    std::atomic<int> at_ = kFetching;
  };

  Mover(net::BlobAccess& blobs, ArtifactStore store);
  ~Mover();

  // True when the attempt needs a payload that is not inline, or artifacts.
  static bool NeedsFetching(const agent::Start& start);
  void Fetch(agent::Start start, std::shared_ptr<Stage> stage) {
    jobs_.Push(ToFetch{std::move(start), std::move(stage)});
  }
  static bool NeedsStoring(const agent::SlotSaid& said);
  // Comes back as it was, its result named by digest where it is large, with the artifacts that it was to make.
  void Store(agent::SlotSaid said, Making making = {}) { jobs_.Push(ToStore{std::move(said), std::move(making)}); }

  net::Mailbox<Done>& done() { return done_; }

 private:
  struct ToStore {
    agent::SlotSaid said;
    Making making;
  };
  struct ToFetch {
    agent::Start start;
    std::shared_ptr<Stage> stage;
  };
  struct Stop {};
  using Job = std::variant<ToFetch, ToStore, Stop>;

  void Run();
  void Do(ToFetch job);
  absl::Status Fetch(Payload& payload, const std::string& what);
  void Do(ToStore job);
  absl::Status Store(const Digest& digest, const Bytes& bytes);
  void StoreResult(SlotDone& done);
  void StoreArtifacts(SlotDone& done, const Making& making);

  net::BlobAccess& blobs_;
  net::Mailbox<Job> jobs_;
  net::Mailbox<Done> done_;
  std::atomic<bool> stopping_ = false;
  ArtifactCourier courier_;
  std::thread thread_;
};

}  // namespace millrace::serve
