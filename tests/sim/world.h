// SPDX-License-Identifier: Apache-2.0
// One schedule: a broker's lives, workers, clients, the network between them and the disk, in virtual time. The brains
// are the real ones; everything else is made of dice. One object, its functions grouped by file.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "leases.h"
#include "millrace/agent/agent.h"
#include "millrace/sched/scheduler.h"
#include "millrace/serve/release_queue.h"
#include "oracle.h"
#include "plan.h"
#include "timeline.h"

namespace millrace::sim {

struct Verdict {
  std::string problem;  // "" when all promises were kept
  Instant at{};
  std::uint64_t hash = 0;  // of everything that happened
  std::uint64_t deeds = 0;
  std::uint64_t leases = 0;  // that were judged when they ended
};

class World {
 public:
  // `trace`: every message, record and fault goes to stdout.
  World(const Plan& plan, bool trace);
  Verdict Play();

 private:
  static constexpr std::uint64_t kBrokerIdentity = 4711;
  static constexpr std::uint32_t kNobody = 0;
  static constexpr std::uint32_t kBroker = 1;
  static constexpr std::uint32_t kFirstClient = 2;
  static constexpr std::uint32_t kOwner = 0;    // clients: submits, and stays until all is over
  static constexpr std::uint32_t kGuest = 1;    // submits some of it again, and may go away for good
  static constexpr std::uint32_t kWatcher = 2;  // follows everything, row by row
  static constexpr std::uint32_t kClients = 3;
  static constexpr std::uint32_t kFirstWorker = kFirstClient + kClients;

  // A process's own idea of the time.
  struct Clock {
    double rate = 1;
    Duration offset{};
    Instant Local(Instant global) const {
      return Instant(
                 Duration(static_cast<Duration::rep>(static_cast<double>(global.time_since_epoch().count()) * rate))) +
             offset;
    }
    Duration Lasts(Duration global) const {
      return Duration(static_cast<Duration::rep>(static_cast<double>(global.count()) * rate));
    }
    Instant Global(Instant local) const {
      const Duration since = (local - offset).time_since_epoch();
      return Instant(Duration(static_cast<Duration::rep>(static_cast<double>(since.count()) / rate) + 1));
    }
  };
  struct Alarm {  // the wake-up of a brain
    Instant at = kNever;
    std::uint64_t ticket = 0;
  };
  // A control connection, as both ends see it.
  struct Link {
    std::uint32_t node = kNobody;
    std::uint64_t life = 0;  // of the node
    std::uint64_t broker_life = 0;
    std::int32_t worker = -1;
    Incarnation incarnation;
    bool broker_open = true;
    bool node_open = true;
    Instant last[2]{};  // arrivals, by direction
  };
  enum Direction : std::uint8_t { kToBroker, kToNode };
  enum Channel : std::uint8_t { kControl, kHeartbeat };
  struct Wire {                 // between a node and the broker
    Instant cut_until[2][2]{};  // by channel and direction
    bool holds = false;         // what is cut off comes later, instead of never
  };
  struct Slot {
    std::uint64_t ticket = 0;  // raised when what was planned for it is void
    AttemptId attempt;
    TaskRef task;
    bool in_process = false;
    bool deaf = false;
    bool makes = false;              // artifacts
    Instant asked_to_stop = kNever;  // by its worker's clock
    std::deque<agent::Start> line;   // what was started behind it
  };
  using DiskWork = std::variant<agent::Keep, agent::Erase>;
  struct Host {  // of a worker
    std::uint32_t index = 0;
    std::string name;
    const Offer* offer = nullptr;
    bool mortal = false;  // not started again
    std::unique_ptr<agent::Agent> agent;
    std::uint64_t life = 0;
    Incarnation incarnation;
    Clock clock;
    Alarm alarm;
    PeerId link;
    std::uint64_t dial = 0;
    std::vector<Slot> slots;
    std::uint64_t newest_report = 0;
    std::uint64_t recorded = 0;
    std::map<AttemptId, AttemptReport> disk;  // outlives the process
    std::deque<DiskWork> writing;             // on its way there, in order
    Instant disk_free{};
    Instant last_word{};     // of the broker, by its own clock
    std::uint32_t doom = 0;  // dies in so many steps; 0 = does not
    Duration doom_away{};    // ... for so long
    std::uint32_t node() const { return kFirstWorker + index; }
  };
  struct Batch {                   // on its way to the disk
    std::size_t journal = 0;       // length of the journal when it is there
    JournalPosition position = 0;  // of its last record in this life
  };
  struct Told {  // what a client knows of a run
    RunId run;
    bool ended = false;
    bool cancel_answered = false;
  };
  struct Watched {              // what the watcher knows
    std::uint64_t since = 0;    // the page it has come to
    std::uint64_t request = 0;  // that it waits for; 0 = none
    bool complete = false;      // the run has ended, and all its rows have come
    std::map<std::uint32_t, Outcome> rows;
  };
  struct Client {
    std::uint32_t index = kOwner;
    bool here = false;
    PeerId link;
    bool welcome = false;
    std::uint64_t requests = 0;
    std::vector<Told> told;                        // by planned run
    std::map<std::uint64_t, std::size_t> submits;  // request -> planned run
    std::map<std::uint64_t, std::size_t> cancels;
    std::map<RunId, Watched> watched;
    std::uint32_t node() const { return kFirstClient + index; }
  };

  // ---- world.cc ----
  Duration Latency(Duration most);
  void Mix(std::uint64_t value);
  void Say(const std::string& line);
  void Wrong(std::string what) { oracle_.Wrong(std::move(what)); }
  bool Faulty() const { return time_.now() < plan_.quiet; }
  bool Settled(std::string* why) const;
  bool IsForgotten(std::string* why) const;
  void Watch();

  // ---- broker_side.cc ----
  void StartBroker();
  void CrashBroker(bool keep_all, Duration away);
  void TearBatch(std::size_t from, std::size_t to);
  void Judge(const sched::Actions& actions, Instant now);
  void StepBroker(sched::Event event);
  void HearAtBroker(PeerId peer, Message message, bool heartbeat);
  void WakeBroker();
  void SetBrokerAlarm();
  void Write(sched::Actions& actions);
  void Synced(std::uint64_t life, Batch batch);
  void Release();
  void Perform(sched::Action action);
  void AskCache(const sched::Recall& recall);
  void CompareReplay();
  void CompareCompacted();
  void CompareFold(sched::Scheduler& replayed, Instant now);
  void ReplayNonsense(sched::Scheduler& replayed) const;
  sched::Config BrokerConfig() const;
  void JudgeBounds();
  std::size_t OpenLinks() const;
  std::vector<TaskView> RowsOf(sched::Scheduler& brain, RunId run, Instant now, bool* wrote) const;

  // ---- worker_side.cc ----
  void StartWorker(std::uint32_t index);
  void StopWorker(Host& host, bool proof, Duration away, AttemptId killer);
  void StepWorker(Host& host, agent::Event event);
  void SetWorkerAlarm(Host& host);
  void JudgeSlots(const Host& host);
  void WakeWorker(std::uint32_t index, std::uint64_t life, std::uint64_t ticket);
  void Perform(Host& host, agent::Action action);
  void Take(Host& host, agent::Start start);
  void Withdraw(Host& host, std::uint32_t number, AttemptId attempt);
  void Begin(Host& host, agent::Start start);
  void Terminate(Host& host, std::uint32_t slot, AttemptId attempt);
  void Kill(Host& host, std::uint32_t slot);
  void EndOfSlot(std::uint32_t index, std::uint64_t life, std::uint32_t slot, std::uint64_t ticket, Doing doing,
                 Duration execution);
  void SlotSays(Host& host, std::uint32_t slot, Outcome outcome, bool transient, Duration execution);
  void PlanSlot(Host& host, std::uint32_t slot, Duration wait, Doing doing, Duration execution);

  // ---- worker_disk.cc ----
  void ReadDisk(const Host& host, agent::Config& config) const;
  void WriteDisk(Host& host, DiskWork work);
  void DiskIsWritten(Host& host);
  void LoseUnwritten(Host& host);

  // ---- network.cc ----
  void Dial(Host& host);
  void TryConnect(std::uint32_t index, std::uint64_t life, std::uint64_t dial);
  PeerId Open(std::uint32_t node, std::uint64_t life, std::int32_t worker, Incarnation incarnation);
  Link& LinkOf(PeerId peer) { return links_[peer.value - 1]; }
  // Both ends learn of it, unless they are told not to.
  void Break(PeerId peer, bool tell_broker, bool tell_node, bool proof);
  void Ship(PeerId peer, Direction direction, const Message& message);
  void Deliver(PeerId peer, Direction direction, Message message);
  void ShipBeat(std::uint32_t node, Direction direction, const Message& message);
  bool Cut(std::uint32_t node, Channel channel, Direction direction, Instant& from) const;
  Message ThroughCodec(const Message& message);
  void Impersonate(PeerId peer, const Report& report);
  void SpeakAsImpostor(const Report& report);
  bool IsClient(std::uint32_t node) const { return node >= kFirstClient && node < kFirstWorker; }

  // ---- client_side.cc ----
  void ReceiveClients();
  void ClientTurn(std::uint32_t index);
  bool IsConnected(Client& client);
  bool Wants(const Client& client, std::size_t run) const;
  bool IsServed(const Client& client) const;
  void AskAbout(Client& client, std::size_t index);
  void Command(Client& client, CommandKind kind, RunId run, std::string target);
  void HearAtClient(Client& client, const Message& message);
  void HearNotFound(const Client& client, const Answer& answer);
  void Leave(Client& client);
  // ---- watcher.cc ----
  void WatcherTurn(Client& client);
  void AskForPage(Client& client, RunId run, Watched& watched);
  void HearAtWatcher(Client& client, const Answer& answer);
  void CheckPicture(RunId run, const Watched& watched);

  // ---- weather.cc ----
  void PlanWeather();
  void PlanStorms(Fault fault, std::uint32_t most, void (World::*storm)(Dice&));
  void StormCut(Dice& dice);
  void StormPartition(Dice& dice);
  void StormDisconnect(Dice& dice);
  void StormBroker(Dice& dice);
  void StormQuickRestart(Dice& dice);
  void StormWorker(Dice& dice);
  void StormWorkerRestart(Dice& dice);
  void StormPause(Dice& dice);
  void StormClock(Dice& dice);
  void StormDisk(Dice& dice);
  void StormDrain(Dice& dice);
  void StormTwin(Dice& dice);
  void CutNode(std::uint32_t node, bool control, bool beats, bool to_broker, bool to_node, bool holds, Duration length);
  std::uint32_t AnyNode(Dice& dice);

  const Plan& plan_;
  const bool trace_;
  Timeline time_;
  Oracle oracle_;
  Dice net_;
  Dice work_;
  Dice disk_;   // of the workers
  Dice crowd_;  // of the clients
  std::uint64_t hash_ = 0xcbf29ce484222325U;
  bool over_ = false;

  // ---- the broker ----
  std::unique_ptr<sched::Scheduler> broker_;
  std::uint64_t broker_life_ = 0;
  Clock broker_clock_;
  Alarm broker_alarm_;
  std::size_t due_at_once_ = 0;  // steps in a row after which the broker was due at the same instant
  serve::ReleaseQueue release_;
  std::vector<Batch> batches_;  // not yet on disk
  Instant disk_free_{};         // when the newest batch will be there
  Instant disk_full_until_{};
  std::map<std::string, sched::Remember> cache_;
  Duration unix_at_zero_{};
  Leases leases_;
  std::uint32_t doom_ = 0;  // it dies in so many steps, while it acts; 0 = it does not
  Duration doom_away_{};
  std::uint64_t steps_ = 0;
  SessionId impostor_session_;
  bool impostor_speaks_ = false;
  const Report* impostor_ = nullptr;  // what somebody else is saying again in this step

  // ---- the others ----
  std::vector<std::unique_ptr<Host>> hosts_;
  std::uint64_t next_incarnation_ = 1000;
  std::vector<Link> links_;  // by peer
  std::vector<Wire> wires_;  // by node

  std::array<Client, kClients> clients_;
};

}  // namespace millrace::sim
