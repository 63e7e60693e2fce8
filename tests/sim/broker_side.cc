// SPDX-License-Identifier: Apache-2.0
// The broker's process: its lives, its disk and its cache. Output leaves when the record it depends on is durable, in
// the very queue of the real shell.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "millrace/base/status.h"
#include "millrace/store/squash.h"
#include "millrace/wire/record_frame.h"
#include "tests/support/print.h"
#include "tests/support/unfold.h"
#include "world.h"

namespace millrace::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr PeerId kReader{std::uint64_t{1} << 40};  // asks a scratch copy of the broker

Duration OffsetOf(const FoldedRun& run, std::int64_t unix_ms) {
  if (unix_ms == 0) return Duration(-1);
  return std::max<Duration>(milliseconds(unix_ms - run.submitted_unix_ms), Duration::zero());
}

}  // namespace

sched::Config World::BrokerConfig() const {
  sched::Config config;
  config.epoch = static_cast<Epoch>(broker_life_);
  config.version = "sim";
  config.seed = plan_.seed * 1000 + broker_life_;
  config.identity = kBrokerIdentity;
  config.unix_at_zero = unix_at_zero_;
  config.capability_timeout = std::chrono::hours(2);
  config.prefetch_limit = plan_.prefetch_limit;
  config.roots_at_once = plan_.roots_at_once;
  if (plan_.heartbeat_plane) config.planes = {.heartbeat = "h", .events = "e", .bulk = "", .http = ""};
  return config;
}

void World::StartBroker() {
  ++broker_life_;
  due_at_once_ = 0;
  unix_at_zero_ = seconds(1'700'000'000);
  if (plan_.faults.Has(Fault::kClock)) {
    Dice dice(plan_.For(Fault::kClock).Number() + broker_life_);
    broker_clock_.rate = 1 + (dice.Unit() - 0.5) * plan_.drift;
    unix_at_zero_ += dice.Within(-std::chrono::hours(1), std::chrono::hours(1));
  }
  if (trace_) Say(absl::StrFormat("broker starts, life %d", broker_life_));
  const sched::Config config = BrokerConfig();
  broker_ = std::make_unique<sched::Scheduler>(config);
  for (const Record& record : oracle_.journal()) broker_->Apply(record);
  leases_.Begin(config, broker_clock_.Local(time_.now()), oracle_.tip());
  if (time_.Holds(kBroker)) leases_.Sleeps(broker_clock_.Lasts(time_.HeldUntil(kBroker) - time_.now()));
  release_ = {};
  batches_.clear();
  disk_free_ = time_.now();
  broker_alarm_ = {};
  StepBroker(sched::Tick{});
}

// A batch of which only a part has come to the disk has no end mark, or a wrong sum: who reads it drops all of it.
void World::TearBatch(std::size_t from, std::size_t to) {
  const std::uint32_t there = net_.Below(static_cast<std::uint32_t>(to - from) + 1);
  if (trace_ && there > 0)
    Say(absl::StrFormat("a batch is torn: %d of its %d records are there, and do not count", there, to - from));
}

// What was written and is not durable survives as a prefix of whole batches.
void World::CrashBroker(bool keep_all, Duration away) {
  if (broker_ == nullptr) return;
  CompareReplay();
  std::size_t kept = oracle_.journal().size();
  if (!keep_all && !batches_.empty()) {
    const std::uint32_t left = net_.Below(static_cast<std::uint32_t>(batches_.size()) + 1);
    kept = left == 0 ? oracle_.durable_count() : batches_[left - 1].journal;
    if (left < batches_.size()) TearBatch(kept, batches_[left].journal);
  }
  if (trace_) Say(absl::StrFormat("broker dies, %d of %d records are left", kept, oracle_.journal().size()));
  Mix(kept);
  oracle_.Crashed(kept);
  broker_.reset();
  batches_.clear();
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const PeerId peer{i + 1};
    if (!links_[i].broker_open) continue;
    Break(peer, false, keep_all || net_.Chance(0.9), false);
  }
  time_.After(away, kNobody, [this] { StartBroker(); });
}

void World::HearAtBroker(PeerId peer, Message message, bool heartbeat) {
  if (broker_ == nullptr) return;
  Mix(static_cast<std::uint64_t>(time_.now().time_since_epoch().count()));
  Mix(message.index() + (peer.value << 8));
  if (trace_) {
    const Link* link = peer.valid() ? &LinkOf(peer) : nullptr;
    if (trace_)
      Say(absl::StrFormat("  broker hears %d (node %d): %s", peer.value, link == nullptr ? -1 : int(link->node),
                          testing::Print(message)));
  }
  StepBroker(sched::Heard{.peer = peer, .message = std::move(message), .on_heartbeat_channel = heartbeat});
}

void World::StepBroker(sched::Event event) {
  if (broker_ == nullptr) return;
  sched::Actions actions;
  const Instant now = broker_clock_.Local(time_.now());
  leases_.Hears(event, now);
  broker_->Step(now, std::move(event), actions);
  actions = sched::Unfolded(std::move(actions));
  Judge(actions, now);
  Write(actions);
  if (doom_ > 0 && Faulty() && --doom_ == 0) {  // dies when it has done a part of that
    actions.resize(net_.Below(static_cast<std::uint32_t>(actions.size()) + 1));
    release_.Add(std::move(actions));
    Release();
    return CrashBroker(false, doom_away_);
  }
  release_.Add(std::move(actions));
  Release();
  SetBrokerAlarm();
}

void World::Judge(const sched::Actions& actions, Instant now) {
  if (const absl::Status status = broker_->CheckInvariants(); !status.ok()) Wrong("broker: " + TextOf(status));
  // A step may leave tasks of a new job to the next one: as often as there are tasks.
  std::size_t tasks = 0;
  for (const PlannedRun& run : plan_.runs) tasks += run.job.tasks.size();
  due_at_once_ = broker_->NextWake() <= now ? due_at_once_ + 1 : 0;
  if (due_at_once_ > tasks) Wrong("I12: the broker is due at once, again and again");
  const auto judge = [this](std::string wrong) {
    if (!wrong.empty()) Wrong(std::move(wrong));
  };
  for (const sched::Action& action : actions) {
    judge(leases_.Does(action, now));
    const auto* note = std::get_if<sched::Note>(&action.body);
    if (impostor_speaks_ && note != nullptr && note->text.find("goodbye: impostor") != std::string::npos) {
      Wrong("I13: somebody else's goodbye ends a session");
    }
  }
  judge(leases_.Check(now, oracle_.tip()));
  if (++steps_ % 16 == 0) JudgeBounds();
}

// I11: what is remembered is bounded by what lives.
void World::JudgeBounds() {
  const sched::Footprint known = broker_->Remembers();
  if (known.peers > OpenLinks()) Wrong("I11: the broker remembers connections that are gone");
  std::size_t tasks = 0;
  for (const auto& [id, run] : oracle_.tip().runs()) tasks += run.tasks.size();
  // Each task can be assigned to a worker, cancelled and taken back, each result forgotten, and the worker drained.
  if (known.orders > hosts_.size() * (4 * tasks + 1)) Wrong("I11: the broker keeps orders without bound");
}

std::size_t World::OpenLinks() const {
  std::size_t open = 0;
  for (const Link& link : links_) open += link.broker_open && link.broker_life == broker_life_ ? 1 : 0;
  return open;
}

void World::SetBrokerAlarm() {
  if (broker_ == nullptr) return;
  const Instant wake = broker_->NextWake();
  if (wake == kNever) return;
  const Instant at = std::max(time_.now(), broker_clock_.Global(wake));
  if (at >= broker_alarm_.at) return;
  broker_alarm_.at = at;
  const std::uint64_t ticket = ++broker_alarm_.ticket;
  const std::uint64_t life = broker_life_;
  time_.At(at, kBroker, [this, ticket, life] {
    if (life == broker_life_ && ticket == broker_alarm_.ticket) WakeBroker();
  });
}

void World::WakeBroker() {
  broker_alarm_.at = kNever;
  if (broker_ == nullptr) return;
  if (broker_clock_.Local(time_.now()) < broker_->NextWake()) return SetBrokerAlarm();
  StepBroker(sched::Tick{});
}

// Hands the records of one step to the disk, as one batch.
void World::Write(sched::Actions& actions) {
  JournalPosition position = 0;
  for (sched::Action& action : actions) {
    auto* append = std::get_if<sched::Append>(&action.body);
    if (append == nullptr) continue;
    position = release_.Advance(1);
    if (trace_) Say("    #" + std::to_string(oracle_.journal().size() + 1) + " " + testing::Print(append->record));
    Mix(append->record.index() + 1000);
    const bool commanded =
        std::holds_alternative<RunCancelled>(append->record) || std::holds_alternative<RunAccepted>(append->record);
    if (impostor_speaks_ && commanded) Wrong("I13: a worker's connection submits or cancels");
    if (impostor_ != nullptr) {
      if (const auto* ended = std::get_if<TaskEnded>(&append->record)) {
        for (const AttemptReport& report : impostor_->reports) {
          const bool same = report.attempt == ended->attempt && report.outcome == ended->outcome;
          if (same && report.outcome != Outcome::kCancelled) Wrong("I13: the word of an impostor was taken");
        }
      }
    }
    if (plan_.codec) {
      auto copy = wire::DecodeRecord(Bytes(wire::EncodeRecord(append->record)));
      if (!copy.ok() || !(*copy == append->record)) Wrong("the codec changes a record");
    }
    oracle_.Appended(append->record, static_cast<Epoch>(broker_life_), time_.now());
  }
  if (position == 0) return;
  const Batch batch{.journal = oracle_.journal().size(), .position = position};
  batches_.push_back(batch);
  Duration sync = net_.Within(std::chrono::microseconds(50), std::chrono::microseconds(500));
  if (Faulty() && plan_.slow_sync > Duration(0)) sync = net_.Within(Duration(0), plan_.slow_sync);
  disk_free_ = std::max({disk_free_, time_.now() + sync, disk_full_until_});
  const std::uint64_t life = broker_life_;
  time_.At(disk_free_, kBroker, [this, life, batch] { Synced(life, batch); });
}

void World::Synced(std::uint64_t life, Batch batch) {
  if (life != broker_life_ || broker_ == nullptr || batches_.empty()) return;
  if (batches_.front().journal > batch.journal) return;  // went with a later one
  if (time_.now() < disk_full_until_) {
    disk_free_ = std::max(disk_free_, disk_full_until_);
    time_.At(disk_full_until_, kBroker, [this, life, batch] { Synced(life, batch); });
    return;
  }
  while (!batches_.empty() && batches_.front().journal <= batch.journal) batches_.erase(batches_.begin());
  oracle_.Durable(batch.journal);
  release_.SetDurable(batch.position);
  Release();
  if (broker_ != nullptr && batches_.empty() && !release_.empty()) {
    Wrong("I11: output is held although everything is durable");
  }
}

void World::Release() {
  release_.Release([this](sched::Action action) { Perform(std::move(action)); });
}

void World::Perform(sched::Action action) {
  if (auto* send = std::get_if<sched::Send>(&action.body)) {
    if (send->peer.value == 0 || send->peer.value > links_.size()) return Wrong("something is sent to nobody");
    const Link& link = LinkOf(send->peer);
    oracle_.Sent(send->message, link.worker, link.incarnation);
    Ship(send->peer, kToNode, send->message);
  } else if (const auto* broadcast = std::get_if<sched::Broadcast>(&action.body)) {
    oracle_.Sent(broadcast->message, -1, {});
    if (!plan_.heartbeat_plane || !std::holds_alternative<Beacon>(broadcast->message)) return;
    for (const auto& host : hosts_) {
      if (host->agent != nullptr) ShipBeat(host->node(), kToNode, broadcast->message);
    }
  } else if (const auto* recall = std::get_if<sched::Recall>(&action.body)) {
    AskCache(*recall);
  } else if (auto* remember = std::get_if<sched::Remember>(&action.body)) {
    cache_[std::string(remember->key.view())] = std::move(*remember);
  } else if (const auto* disconnect = std::get_if<sched::Disconnect>(&action.body)) {
    LinkOf(disconnect->peer).broker_open = false;
  } else if (const auto* note = std::get_if<sched::Note>(&action.body)) {
    if (trace_) Say("    broker notes: " + note->text);
  }
}

void World::AskCache(const sched::Recall& recall) {
  if (Faulty() && net_.Chance(plan_.cache_silence)) return;
  std::uint64_t hash = 7;
  const auto mix = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    hash = hash * 31 + text.size();
  };
  mix(recall.module.name);
  mix(recall.inputs.view());
  for (const Datum& datum : recall.data) {
    mix(datum.result.bytes.view());
    if (datum.artifacts) mix(datum.artifacts->digest.view());
  }
  mix(recall.produces.empty() ? "" : "makes");
  sched::Recalled answer{.task = recall.task, .result = {}, .key = {}};
  for (std::size_t i = 0; i < 8; ++i) answer.key.value[i] = static_cast<std::uint8_t>((hash >> (8 * i)) | 1);
  if (const auto it = cache_.find(std::string(answer.key.view())); it != cache_.end()) {
    answer.result = it->second.result;
    answer.artifacts = it->second.artifacts;
  }
  Duration wait = Latency(milliseconds(5));
  if (Faulty() && plan_.faults.Has(Fault::kSlowCache)) wait = Latency(seconds(8));
  time_.After(wait, kBroker, [this, life = broker_life_, answer = std::move(answer)]() mutable {
    if (life == broker_life_) StepBroker(std::move(answer));
  });
}

// The rows of a run as a query gives them. Steps the brain, so it must be a scratch copy, or bear it.
std::vector<TaskView> World::RowsOf(sched::Scheduler& brain, RunId run, Instant now, bool* wrote) const {
  sched::Actions actions;
  Query query;
  query.kind = QueryKind::kTasks;
  query.run = run;
  brain.Step(now, sched::Heard{.peer = kReader, .message = query, .on_heartbeat_channel = false}, actions);
  std::vector<TaskView> rows;
  for (sched::Action& action : actions) {
    if (std::holds_alternative<sched::Append>(action.body)) *wrote = true;
    auto* send = std::get_if<sched::Send>(&action.body);
    if (send == nullptr || send->peer != kReader) continue;
    if (auto* answer = std::get_if<Answer>(&send->message)) rows = std::move(answer->tasks);
  }
  std::sort(rows.begin(), rows.end(), [](const TaskView& a, const TaskView& b) { return a.index < b.index; });
  return rows;
}

// I10: a broker that reads the journal knows what the one that wrote it knows, and so does somebody who reads it in
// his own way.
void World::CompareReplay() {
  if (broker_ == nullptr) return;
  const Instant now = broker_clock_.Local(time_.now());
  sched::Scheduler copy(BrokerConfig());
  for (const Record& record : oracle_.journal()) copy.Apply(record);
  ReplayNonsense(copy);
  if (const absl::Status status = broker_->CheckSameAs(copy); !status.ok()) Wrong("I10: " + TextOf(status));
  CompareFold(copy, now);
  if (const absl::Status status = copy.CheckInvariants(); !status.ok()) Wrong("I10: replayed: " + TextOf(status));
  CompareCompacted();
}

// I10: nor does anything change when the journal is compacted.
void World::CompareCompacted() {
  store::Squash squash;
  std::vector<const Record*> kept;
  const std::vector<Record>& journal = oracle_.journal();
  for (auto record = journal.rbegin(); record != journal.rend(); ++record) {
    if (squash.Keeps(*record)) kept.push_back(&*record);
  }
  if (kept.size() == journal.size()) return;
  sched::Scheduler compacted(BrokerConfig());
  for (auto record = kept.rbegin(); record != kept.rend(); ++record) compacted.Apply(**record);
  if (const absl::Status status = broker_->CheckSameAs(compacted); !status.ok()) {
    Wrong("I10: compacted: " + TextOf(status));
  }
}

// A record that makes no sense where it stands changes nothing, least of all one that comes again when its task is
// over.
void World::ReplayNonsense(sched::Scheduler& replayed) const {
  for (const Record& record : oracle_.journal()) {
    const auto* assigned = std::get_if<TaskAssigned>(&record);
    const FoldedTask* task = assigned == nullptr ? nullptr : oracle_.tip().Find(assigned->task);
    if (assigned != nullptr && (task == nullptr || task->outcome == Outcome::kNone)) continue;
    if (std::holds_alternative<CrashForgiven>(record)) continue;
    replayed.Apply(record);
  }
}

void World::CompareFold(sched::Scheduler& replayed, Instant now) {
  bool wrote = false;
  for (const auto& [id, folded] : oracle_.tip().runs()) {
    const std::vector<TaskView> rows = RowsOf(replayed, id, now, &wrote);
    if (rows.size() != folded.tasks.size()) return Wrong("I10: the replayed broker does not know a run");
    for (const TaskView& row : rows) {
      const FoldedTask& task = folded.tasks[row.index];
      const bool same = row.outcome == task.outcome && row.ignored == task.ignored && row.worker == task.worker &&
                        (row.state == TaskState::kAssigned || row.state == TaskState::kRunning) == task.attempt.valid();
      const bool same_times =
          row.started == OffsetOf(folded, task.started_unix_ms) && row.ended == OffsetOf(folded, task.ended_unix_ms);
      if (row.state == TaskState::kEnded && !same_times) return Wrong("I10: other times of " + row.name);
      if (!same) return Wrong("I10: the replayed broker has another idea of " + RunName(id) + " " + row.name);
    }
  }
  if (wrote) Wrong("I10: something followed from the journal that was not written");
}

}  // namespace millrace::sim
