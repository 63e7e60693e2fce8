// SPDX-License-Identifier: Apache-2.0
// The worker's one thread: takes what the link and the slots have to say, steps the agent, performs what it asks for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "millrace/agent/agent.h"
#include "millrace/net/link.h"
#include "millrace/net/mailbox.h"
#include "millrace/net/poller.h"
#include "millrace/serve/mover.h"
#include "millrace/serve/outbox_thread.h"
#include "millrace/serve/slot_set.h"
#include "millrace/serve/worker.h"

namespace millrace::serve {

class WorkerLoop {
 public:
  // `outbox`: what keeps outcomes on disk; none = options.brain.keeps_outbox is false.
  WorkerLoop(WorkerOptions options, std::unique_ptr<net::Link> link, net::BlobAccess& blobs,
             std::unique_ptr<OutboxThread> outbox);

  // Until the agent says Exit.
  Worker::End Run();
  void AskStop(agent::StopKind kind) { stops_.Push(kind); }  // any thread

 private:
  void Collect();
  void CollectLink();
  void CollectSlots();
  void TakeSaid(agent::SlotSaid&& said);
  // True for the end of an attempt that goes through the mover; `making` gets what is to be collected then.
  bool GoesThroughMover(const agent::SlotSaid& said, Making& making);
  void TakeStored(agent::SlotSaid stored);
  void CollectMover();
  void Perform(agent::Action&& action);
  void Begin(agent::Start&& start);
  // False when no payloads are being fetched for this slot.
  bool StopFetching(std::uint32_t slot, bool kill);
  void TellOver(std::uint32_t slot, AttemptId attempt, bool killed);
  void Wait();

  WorkerOptions options_;
  std::unique_ptr<net::Link> link_;
  net::BlobAccess& blobs_;
  agent::Agent brain_;
  SlotSet slots_;
  Mover mover_;
  std::unique_ptr<OutboxThread> outbox_;
  net::Mailbox<agent::StopKind> stops_;
  // By slot, the attempt whose payloads are being fetched. There is nothing in the slot to stop yet, and a fetch may
  // hang for long: one that is stopped ends at once, and what comes of the fetch is thrown away.
  struct Fetching {
    AttemptId attempt;
    std::shared_ptr<Mover::Stage> stage;
    enum class Fate : std::uint8_t { kWanted, kToldOver, kStopped, kKilled };  // the last two: told once all is placed
    Fate fate = Fate::kWanted;
  };
  std::map<std::uint32_t, Fetching> fetching_;
  // By slot, the attempts that have ended and whose results are being stored; and what the agent is told after that.
  struct Storing {
    std::optional<agent::SlotDied> died;
    std::vector<agent::SlotSaid> behind;  // of the slot's thread, which goes on
  };
  std::map<std::uint32_t, Storing> storing_;
  // By slot, the attempt that is to make artifacts.
  std::map<std::uint32_t, std::pair<AttemptId, Making>> making_;
  std::vector<agent::Event> events_;
  agent::Actions actions_;
  net::Poller poller_;
  std::optional<Worker::End> end_;
};

}  // namespace millrace::serve
