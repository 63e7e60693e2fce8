// SPDX-License-Identifier: Apache-2.0
// The tables of the scheduler and what is done with them: the inside of Scheduler. One object, its functions grouped by
// file: apply.cc changes durable state, everything else decides and calls Commit.
//
// Rules that hold everywhere: durable state (the upper part of Run) changes in Apply only; nothing that reaches an
// action depends on the order of a hash table; indexes, never pointers, are kept across steps.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "millrace/base/random.h"
#include "millrace/sched/attempt.h"
#include "millrace/sched/capability.h"
#include "millrace/sched/event.h"
#include "millrace/sched/run.h"
#include "millrace/sched/session.h"
#include "millrace/sched/timers.h"

namespace millrace::sched {

class Core {
 public:
  explicit Core(Config config) : config_(std::move(config)), random_(config_.seed) {}

  // core.cc
  void Step(Instant now, Event event, Actions& actions);
  // Now, when the step has left something to be done.
  Instant NextWake() const { return !started_ ? Instant{} : unsettled_.empty() ? timers_.Next() : now_; }
  // apply.cc. `at`: the record's position, 0 when it is replayed.
  void Apply(const Record& record, JournalPosition at);
  void Announce(Planes planes) { config_.planes = std::move(planes); }

  // views.cc
  BrokerView ViewBroker(Instant now) const;
  RunView ViewRun(const Run& run, Instant now) const;
  std::vector<RunView> ViewRuns(Instant now) const;
  TaskView ViewTask(const Run& run, std::uint32_t task) const;
  WorkerView ViewWorker(const Session& session, Instant now) const;
  std::vector<WorkerView> ViewWorkers(Instant now) const;
  std::vector<RunId> RunIds() const;
  bool Knows(std::uint64_t token) const { return tokens_.contains(token); }
  // explain.cc
  absl::StatusOr<std::vector<std::string>> Explain(RunId run, std::string_view task, Instant now) const;
  // invariants.cc
  absl::Status CheckInvariants() const;
  Footprint Remembers() const;
  // durable.cc
  absl::Status CheckSameAs(const Core& other) const;

 private:
  struct Peer {
    Role role = Role::kClient;
    std::uint32_t session = kNone;
    SessionId stale;                    // its lost session, see stale_
    std::vector<std::uint32_t> awaits;  // slots of runs whose end it waits for, those that have ended among them
  };
  struct WorkerName {
    std::string name;
    std::string host;
  };
  // How a worker's session ends.
  enum class Departure : std::uint8_t {
    kCrash,    // it died, or nobody knows
    kGoodbye,  // it said so
  };
  // The class that is served next, and the best task of the others, which may not be overtaken.
  struct Turn {
    std::uint32_t capability = kNone;
    std::optional<ReadyEntry> until{};
  };
  using RoomKey = std::tuple<bool, std::int64_t, std::uint32_t>;       // not preferred, -free cpus, session
  using PrefetchKey = std::tuple<bool, std::uint64_t, std::uint32_t>;  // over target, load, session

  // ---- core.cc ----
  JournalPosition Commit(Record record);
  void Stamp(Record& record) const;
  std::int64_t StartOf(TaskRef task) const;
  std::int64_t UnixMs(Instant instant) const;
  Instant AtUnixMs(std::int64_t unix_ms) const;
  void SendTo(PeerId peer, Message message, JournalPosition after = 0);
  void Publish(Message message, JournalPosition after = 0);
  void Say(Severity severity, std::string text);
  void Recover();
  void RunTimers();
  Instant DueOf(const Timer& timer) const;
  void Fire(const Timer& timer);
  void PruneTimers();
  void SweepTimers();
  void NoticeStall();
  void AnnounceRuns();
  Run* FindRun(RunId id) const;
  Run* RunAt(std::uint32_t slot) const { return runs_[slot].get(); }
  std::uint32_t NameIndex(const std::string& name);

  // ---- apply.cc ----
  void ApplyRecord(const RunAccepted& record);
  void ApplyRecord(const TaskAssigned& record);
  void ApplyRecord(const TasksAssigned& record);
  void ApplyRecord(const AttemptEnded& record);
  void ApplyRecord(const TaskEnded& record);
  void ApplyRecord(const TasksSucceeded& record);
  void ApplyRecord(const RunCancelled& record);
  void ApplyRecord(const RunEnded& record);
  void ApplyRecord(const CrashForgiven& record);
  void ApplyAssigned(Run& run, std::uint32_t task, AttemptId id, std::uint32_t worker, Instant assigned);
  // What every end changes; `started_unix_ms` and `ended_unix_ms` are those of an earlier life.
  void ApplyEnd(Run& run, std::uint32_t task, Outcome outcome, Duration execution, std::int64_t started_unix_ms,
                std::int64_t ended_unix_ms);
  void ReleaseDependants(Run& run, std::uint32_t task, bool good);
  void SetPhase(Run& run, std::uint32_t task, Phase phase);
  void MarkChanged(Run& run, std::uint32_t task);
  void MarkRunChanged(Run& run);
  void ListPending(Run& run, std::uint32_t task);
  void ListUnsettled(Run& run);
  std::uint32_t QueueOf(const Run& run, std::uint32_t task) const;
  void LeaveQueue(std::uint32_t queue);
  bool IsQueuedIn(TaskKey key, std::uint32_t queue) const;

  // ---- settle.cc: what follows from what has ended ----
  void Settle();
  bool SettleRun(Run& run);
  bool LookAtRoots(Run& run, std::uint64_t& budget);
  void Look(Run& run, std::uint32_t task);
  void Sweep(Run& run);
  void EndDoomed(Run& run, std::uint32_t task);
  void EndTask(Run& run, std::uint32_t task, Outcome outcome, Failure failure, std::string reason);
  void EndCancelled(Run& run, std::uint32_t task);
  void Enqueue(Run& run, std::uint32_t task);
  void AskCache(Run& run, std::uint32_t task);
  void OnRecalled(const Recalled& event);
  Datum DatumOf(const Run& run, std::uint32_t task) const;
  std::string StopReason(const Run& run) const;
  void FinishRun(Run& run);
  void RetireRun(std::uint32_t slot);

  // ---- classes.cc ----
  void Activate(Run& run);
  void Deactivate(Run& run);
  std::uint32_t InternClass(const CapabilityKey& key);
  void SetServers(Session& session, bool serving);
  void SessionServing(Session& session, bool before);
  const ReadyEntry* TopOf(std::uint32_t capability);
  Instant StuckAt(const Run& run, std::uint32_t task) const;
  void FailStuck(Run& run, std::uint32_t task);
  void FailStuckClass(std::uint32_t capability);
  void ArmStuck(std::uint32_t capability, Instant at);
  std::vector<std::string> NearestWorkers(const CapabilityKey& key) const;
  void WarnUnservable(Run& run, std::vector<std::string>& lines);

  // ---- attach.cc ----
  void OnHello(PeerId peer, Hello hello);
  void OnClientHello(PeerId peer, const Hello& hello);
  void Challenge(Session& holder, PeerId peer, Hello hello);
  void Admit(PeerId peer, const Hello& hello);
  void Reattach(Session& session, PeerId peer, const Hello& hello);
  void BindPeer(Session& session, PeerId peer);
  void Welcomed(Session& session, std::vector<AttemptId> keep, std::vector<AttemptId> drop);
  void Adopt(Session& session, const Hello& hello, std::vector<AttemptId>& keep, std::vector<AttemptId>& drop);
  void AssignAgain(Session& session, std::uint32_t attempt);
  void Forgive(Session& session);
  void Refuse(PeerId peer, RefusalCode code, std::string reason, bool retryable = false);
  void OnPong(PeerId peer, const Pong& pong);
  void RefuseChallenger(Session& session);
  void ForgetPeer(PeerId peer);
  void OnPeerGone(const PeerGone& event);
  void OnGoodbye(PeerId peer, const Goodbye& goodbye);

  // ---- liveness.cc ----
  Session* Authentic(PeerId peer, SessionId id);
  void HeardOf(Session& session, bool on_heartbeat_channel);
  void OnBeat(PeerId peer, const Beat& beat, bool on_heartbeat_channel);
  Instant DueOfSession(const Session& session) const;
  void Arm(Session& session);
  void CheckSessions(const std::vector<std::uint32_t>& due);
  void CheckSession(Session& session);
  bool Expired(const Session& session) const;
  Instant ExpiryOf(const Session& session) const;
  Instant PingAt(const Session& session) const;
  void Compare(Session& session, const Beat& beat);
  bool SuspectOurselves(const std::vector<std::uint32_t>& due);
  Duration IntervalFor(std::size_t sessions) const;

  // ---- loss.cc ----
  void EndSession(Session& session, Departure departure, const std::string& why);
  void SetAsideFinished(const Session& session, const Hello& successor);
  void LoseAttempt(std::uint32_t attempt, bool suspect, bool crashed);
  void ExpireOrphans();
  void ReturnOrphansOf(std::uint32_t name, bool claimed);
  void DropSession(std::uint32_t index);

  // ---- reports.cc ----
  void OnReport(PeerId peer, const Report& report);
  bool TakeReport(Session& session, const AttemptReport& report);
  void TakeFinished(Session& session, Run& run, std::uint32_t task, const AttemptReport& report);
  void TakeFailure(Session& session, Run& run, std::uint32_t task, const AttemptReport& report);
  void TakeSuccess(Run& run, std::uint32_t task, const AttemptReport& report);
  void CommitSuccesses();
  void GiveBack(Run& run, std::uint32_t task, Outcome outcome, bool pause);

  // ---- held.cc: what a worker holds ----
  void AddHeld(Session& session, std::uint32_t attempt);
  void RemoveHeld(std::uint32_t attempt);
  void Detach(std::uint32_t attempt);
  void Promote(Session& session);
  void MarkWaiting(Session& session, std::uint32_t attempt, bool waiting);
  void AskBack(std::uint32_t attempt);
  void AskCancel(std::uint32_t attempt);
  void Touch(Session& session);  // its room has changed
  void Rekey(Session& session);
  std::uint32_t TargetOf(const Session& session) const;
  bool IsLong(TaskKey key) const { return RunAt(key.run)->PolicyOf(key.task).expected > kLongTask; }
  std::int64_t LongCpusOf(const Attempt& attempt) const;

  // ---- dispatch.cc ----
  void Dispatch();
  void DispatchSolo(std::uint32_t capability);
  void ReleaseReservations();
  void Assign(Session& session, const Turn& turn, std::uint32_t most);
  std::uint32_t ShareOf(const Session& session, std::uint32_t capability) const;
  Turn PickClass(bool prefetch);
  std::uint32_t FindRoom(const Capability& capability, std::uint32_t index) const;
  std::uint32_t FindPrefetchRoom(const Capability& capability, std::uint32_t index) const;
  void Rebalance();
  void TakeFor(const Session& idle, const std::vector<std::uint32_t>& loaded);

  // ---- ahead.cc ----
  void AssignAhead();
  bool Leads(Session& session);
  std::uint32_t NextAhead(const Session& session, const Run& run, std::uint32_t task) const;
  bool FitsAhead(const Session& session, const Run& run, std::uint32_t task) const;
  void GiveAhead(Session& session, Run& run, std::uint32_t task);
  AttemptId AttemptAt(const Session& session, const Run& run, std::uint32_t task) const;
  std::uint32_t Fulfil(Run& run, std::uint32_t task);
  std::uint32_t FulfilReported(Session& session, const AttemptReport& report);
  void Recant(Run& run, std::uint32_t task);
  void Disappoint(Session& session, Run& run, std::uint32_t task);
  void RecantAll(Session& session) { RecantBut(session, {}, UINT64_MAX); }
  void RecantBut(Session& session, const absl::flat_hash_set<AttemptId>& held, std::uint64_t through);
  bool AdoptAhead(Session& session, const Held& held);
  void DropPromise(Session& session, TaskKey key);
  void ListAhead(Session& session, TaskKey given);

  // ---- orders.cc ----
  void NoteOrders(Session& session);
  void FlushOrders();
  void FlushSession(Session& session);
  class AssignBatch;
  void FlushAssigns(Session& session);
  void FlushForgotten(Session& session, std::vector<TaskKey>& keys);
  void Order_(Session& session, Message message, JournalPosition after);
  void Resend(Session& session);
  void Acknowledge(Session& session, std::uint64_t through);
  void ForgetDatum(TaskKey key);

  // ---- clients.cc, queries.cc ----
  void OnSubmit(PeerId peer, Submit submit, const PreparedJob* prepared);
  void OnCommand(PeerId peer, const Command& command);
  void OnQuery(PeerId peer, const Query& query);
  bool AwaitsEnd(PeerId peer, const Query& query);
  bool AddWaiter(PeerId peer, Run& run, std::uint64_t request, bool owed);
  void TellAccepted(Run& run);
  void AnswerWaiters(Run& run);
  Payload OnlyResult(const Run& run) const;
  void Accept(Submit& submit, const PreparedJob* prepared, Answer& answer, JournalPosition& after);
  absl::Status Cancel_(const Command& command, Answer& answer, JournalPosition& after);
  absl::Status DrainWorker(const std::string& name, const std::string& reason);
  void DrainSession(Session& session, const std::string& reason);
  absl::StatusOr<const Run*> WantedRun(RunId id) const;
  absl::StatusOr<std::uint32_t> WantedTask(const Run& run, std::string_view name) const;
  absl::Status Answer_(const Query& query, Answer& answer, JournalPosition& after) const;
  void AnswerWorkers(const Query& query, Answer& answer) const;
  void AnswerRuns(const Query& query, Answer& answer) const;
  void AnswerTasks(const Run& run, const Query& query, Answer& answer) const;
  absl::Status AnswerResult(const Run& run, const Query& query, Answer& answer) const;
  std::vector<std::string> BrokerWarnings() const;
  std::vector<std::string> RunWarnings(const Run& run) const;

  // ---- explain.cc ----
  void ExplainWaiting(const Run& run, std::uint32_t task, std::vector<std::string>& lines) const;
  void ExplainQueued(const Run& run, std::uint32_t task, Instant now, std::vector<std::string>& lines) const;
  void ExplainAssigned(const Run& run, std::uint32_t task, Instant now, std::vector<std::string>& lines) const;

  // ---- core.cc: events ----
  bool Permitted(const Heard& heard);
  void OnHeard(Heard heard);

  // ---- invariants.cc ----
  absl::Status CheckRun(const Run& run) const;
  absl::Status CheckTask(const Run& run, std::uint32_t task) const;
  absl::Status CheckSession(const Session& session) const;
  absl::Status CheckQueues() const;
  absl::Status CheckConnections() const;
  absl::Status CheckAhead() const;
  absl::Status CheckBounds() const;
  // durable.cc
  absl::Status CheckSameRun(const Run& run, const Core& other, const Run& twin) const;
  absl::Status CheckSameTask(const Run& run, const Core& other, const Run& twin, std::uint32_t task) const;
  AttemptId CurrentAttempt(const Run& run, std::uint32_t task) const;
  std::string WorkerOf(const Run& run, std::uint32_t task) const;

  Config config_;
  Random random_;
  bool started_ = false;
  Instant start_{};
  Instant now_{};
  Actions* actions_ = nullptr;
  JournalPosition position_ = 0;           // of the newest Append
  JournalPosition at_ = 0;                 // of the record being applied
  std::shared_ptr<const JobGraph> graph_;  // of the job that is accepted now
  // Of the report being taken: its plain successes so far, in their order, which are committed together.
  TasksSucceeded successes_;

  std::vector<std::unique_ptr<Run>> runs_;  // by slot; never reused
  std::map<RunId, std::uint32_t> run_index_;
  absl::flat_hash_map<std::uint64_t, RunId> tokens_;
  std::deque<std::uint32_t> ended_runs_;  // in the order of their end
  std::vector<std::uint32_t> unsettled_;
  std::vector<std::uint32_t> to_announce_;
  std::uint32_t runs_active_ = 0;
  std::uint32_t next_run_ = 0;
  std::uint32_t next_attempt_ = 0;
  std::uint32_t next_session_ = 0;
  std::uint64_t next_nonce_ = 0;

  AttemptTable attempts_;
  CapabilityTable classes_;
  std::set<std::uint32_t> active_;  // classes with something queued
  std::vector<WorkerName> names_;
  absl::flat_hash_map<std::string, std::uint32_t> name_index_;
  std::map<std::uint32_t, std::vector<AttemptId>> orphans_;  // by name of the worker; ended ones among them
  Instant orphans_until_{};

  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::uint32_t> free_sessions_;
  absl::flat_hash_map<SessionId, std::uint32_t> session_index_;  // live and away
  std::map<std::string, std::uint32_t> holders_;                 // live and away, by name
  std::map<std::pair<std::string, Incarnation>, std::uint32_t> lost_;
  absl::flat_hash_map<PeerId, Peer> peers_;
  absl::flat_hash_map<SessionId, PeerId> stale_;  // lost sessions whose connection still stands
  absl::flat_hash_map<TaskKey, absl::InlinedVector<std::uint32_t, 2>> data_holders_;
  Instant mass_guard_until_{};
  bool mass_guard_ = false;

  std::set<RoomKey> room_;  // workers that can start something now
  std::set<PrefetchKey> prefetch_room_;
  std::vector<std::uint32_t> touched_;  // sessions whose keys are out of date
  std::vector<std::uint32_t> with_orders_;
  std::vector<std::uint32_t> leading_;  // sessions with a frontier
  // Given ahead in an earlier life, as workers have told, and no attempts yet: an id is that of one of them only.
  absl::flat_hash_set<AttemptId> adopted_;
  std::uint32_t reserved_ = 0;  // workers being emptied for a suspect
  std::uint64_t waiting_ = 0;   // prefetched attempts not asked back
  bool rebalance_ = false;

  Timers timers_;
  std::size_t timers_swept_at_ = 64;  // when there are more, those that mean nothing any more are dropped
  Instant next_beacon_{};
  std::uint64_t beacons_ = 0;

  std::uint64_t tasks_completed_ = 0;
  std::uint64_t outcomes_dropped_ = 0;
  std::uint64_t protocol_errors_ = 0;
};

constexpr bool IsFailure(Outcome outcome) {
  return outcome == Outcome::kFailed || outcome == Outcome::kTimedOut || outcome == Outcome::kLost;
}

}  // namespace millrace::sched
