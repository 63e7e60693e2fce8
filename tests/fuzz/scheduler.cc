// SPDX-License-Identifier: Apache-2.0
// The broker's brain, told whatever peers may say: bytes choose who says what, who goes, how time passes, and when the
// broker starts again from its journal. After each step its invariants hold, it speaks only to who is there, a task
// ends once, and a woken brain is not due again at once.
#include "millrace/sched/scheduler.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "millrace/wire/frame.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/judge.h"
#include "tests/support/unfold.h"

using namespace millrace;

namespace {

using sched::Heard;

constexpr int kMostEvents = 100;
// Invariants take most of the time: they are looked at after one step in eight, where the first byte says, and behind
// the last one. What one step breaks and the next ones mend is seen by the inputs that end there, or with that byte.
constexpr std::size_t kCheckedOneIn = 8;

class World {
 public:
  explicit World(fuzz::Choices choices) : choices_(choices) {
    config_.version = "fuzz";
    config_.epoch = 0;
    config_.heartbeat_interval = std::chrono::seconds(1);
    config_.lease = std::chrono::seconds(6);
    const std::uint8_t first = choices_.Byte();
    config_.prefetch_limit = 1u + first % 8;
    phase_ = first / 8 % kCheckedOneIn;
    config_.runs_kept = choices_.OneIn(2) ? 3 : 1000;
    config_.planes.heartbeat = "here";
    Restart();
  }
  void Play() {
    for (int i = 0; i < kMostEvents && !choices_.empty(); ++i) Event();
    fuzz::Require(broker_->CheckInvariants(), "the broker's tables disagree");
  }

 private:
  void Event();
  void Hear(Message message);
  void Step(sched::Event event);
  void Perform(const sched::Action& action);
  void Note(const Message& message);
  void Restart();
  void Pass();
  Hello SomeHello();
  Submit SomeSubmit();
  TaskSpec SomeTask(std::uint32_t index);
  Report SomeReport();
  Query SomeQuery();
  PeerId SomePeer();
  // Mostly something that exists, and now and then something that does not.
  template <class T>
  T Some(const std::vector<T>& known) {
    const std::size_t pick = choices_.Byte();
    if (known.empty() || pick >= 250) return T{pick * 77};
    return known[known.size() - 1 - pick % std::min<std::size_t>(known.size(), 16)];
  }
  std::vector<AttemptId> SomeAttempts() {
    std::vector<AttemptId> some;
    for (std::size_t count = choices_.Below(5); count > 0; --count) some.push_back(Some(attempts_));
    return some;
  }
  SessionId SomeSession() { return Some(sessions_); }
  std::uint64_t SomeNumber() { return choices_.OneIn(16) ? choices_.Number() : choices_.Below(12); }

  fuzz::Choices choices_;
  std::size_t phase_ = 0;  // of the steps after which invariants are looked at
  std::size_t steps_ = 0;
  sched::Config config_;
  std::unique_ptr<sched::Scheduler> broker_;
  Instant now_{std::chrono::seconds(100)};
  std::vector<Record> journal_;
  JournalPosition appended_ = 0;  // in this life
  std::size_t accepted_ = 0;      // runs, in all lives
  std::map<PeerId, std::shared_ptr<const Caller>> peers_;
  std::uint64_t next_peer_ = 0;
  std::vector<sched::Recall> recalls_;
  std::vector<AttemptId> attempts_;
  std::vector<SessionId> sessions_;
  std::vector<RunId> runs_;
  std::set<TaskRef> ended_;
};

void World::Restart() {
  ++config_.epoch;
  auto next = std::make_unique<sched::Scheduler>(config_);
  for (const Record& record : journal_) next->Apply(record);
  // Runs that were forgotten for their age are still in this journal, which is never compacted.
  if (broker_ != nullptr && broker_->RunIds().size() == accepted_) {
    fuzz::Require(broker_->CheckSameAs(*next), "the journal does not give the state back");
  }
  broker_ = std::move(next);
  peers_.clear();
  recalls_.clear();
  appended_ = 0;
  Step(sched::Tick{});
}

void World::Pass() {
  const std::size_t kind = choices_.Below(5);
  const Instant wake = broker_->NextWake();
  if (kind == 0 && wake != kNever) {
    now_ = std::max(now_, wake);
  } else {
    constexpr Duration kJumps[] = {std::chrono::milliseconds(1), std::chrono::milliseconds(300),
                                   std::chrono::seconds(2), std::chrono::minutes(3), std::chrono::hours(30)};
    now_ += kJumps[kind];
  }
  Step(sched::Tick{});
  fuzz::Require(broker_->NextWake() > now_, "a brain that was just woken is due again at once");
}

PeerId World::SomePeer() {
  const std::size_t pick = choices_.Byte();
  if (peers_.size() < 8 && (peers_.empty() || pick % 4 == 0)) {
    std::shared_ptr<const Caller> caller;
    if (choices_.OneIn(4)) {
      caller = std::make_shared<const Caller>(Caller{.standing = static_cast<Standing>(choices_.Below(4)),
                                                     .name = "w" + std::to_string(choices_.Below(3)),
                                                     .key = "key",
                                                     .tags = {}});
    }
    return peers_.emplace(PeerId{++next_peer_}, caller).first->first;
  }
  return std::next(peers_.begin(), static_cast<std::ptrdiff_t>(pick % peers_.size()))->first;
}

Hello World::SomeHello() {
  Hello hello;
  if (choices_.OneIn(8)) hello.role = Role::kClient;
  if (choices_.OneIn(32)) hello.oldest = choices_.Byte();
  hello.name = "w" + std::to_string(choices_.Below(3));
  hello.incarnation = Incarnation{choices_.Below(4)};
  hello.host = "h" + std::to_string(choices_.Below(2));
  hello.pid = 7;
  hello.local = choices_.OneIn(8);
  hello.offer.cpus = static_cast<std::int64_t>(choices_.OneIn(32) ? choices_.Number() : choices_.Below(5));
  hello.offer.memory = choices_.Below(3);
  if (!choices_.OneIn(8)) hello.offer.modules = {{.name = "work", .fingerprint = choices_.Below(2)}};
  if (choices_.OneIn(2)) hello.offer.tags = {"special"};
  if (choices_.OneIn(4)) hello.offer.resources = {{"gpu", static_cast<std::int64_t>(choices_.Below(3))}};
  for (const AttemptId attempt : SomeAttempts()) {
    hello.held.push_back({.attempt = attempt, .state = static_cast<HeldState>(choices_.Below(3))});
  }
  hello.first_report = SomeNumber();
  hello.draining = choices_.OneIn(16);
  hello.session = SomeSession();
  hello.orders_through = SomeNumber();
  hello.broker = choices_.OneIn(8) ? 1 : 0;
  return hello;
}

TaskSpec World::SomeTask(std::uint32_t index) {
  TaskSpec task;
  task.name = "t" + std::to_string(choices_.OneIn(32) ? 0 : index);
  task.requirements = static_cast<std::uint32_t>(choices_.Below(4));
  task.policy = index;
  for (std::size_t needs = choices_.Below(3); needs > 0; --needs) {
    const std::size_t bound = choices_.OneIn(32) ? 9 : index;
    if (bound == 0) break;
    task.needs.push_back({.task = static_cast<std::uint32_t>(choices_.Below(bound)),
                          .kind = static_cast<DependencyKind>(choices_.Below(2)),
                          .parameter = -1});
  }
  if (choices_.OneIn(16)) task.inputs = Bytes("\x80");
  return task;
}

Submit World::SomeSubmit() {
  Submit submit;
  submit.request = SomeNumber();
  submit.token = choices_.Below(6);
  JobSpec& job = submit.job;
  job.name = "fuzzed";
  job.fail_mode = static_cast<FailMode>(choices_.Below(2));
  job.modules.push_back({.name = "work", .fingerprint = choices_.Below(2), .version = {}});
  job.requirements.resize(3);
  job.requirements[1].cpus = static_cast<std::int64_t>(choices_.Below(4));
  job.requirements[2].tags = {"special"};
  const std::size_t tasks = choices_.Below(6);
  job.policies.resize(tasks);
  for (std::uint32_t i = 0; i < tasks; ++i) {
    Policy& policy = job.policies[i];
    const std::uint8_t bits = choices_.Byte();
    policy.idempotent = (bits & 1) == 0;
    policy.always_run = (bits & 2) != 0;
    policy.ignore_failure = (bits & 4) != 0;
    policy.cached = (bits & 8) != 0;
    policy.retry_on = static_cast<RetryOn>(bits >> 4 & 3);
    if ((bits & 64) != 0) policy.retries = static_cast<std::int32_t>(choices_.Below(4));
    if ((bits & 128) != 0) policy.timeout = std::chrono::milliseconds(choices_.Word());
    policy.priority = static_cast<std::int32_t>(choices_.Below(3));
    job.tasks.push_back(SomeTask(i));
  }
  return submit;
}

Report World::SomeReport() {
  Report report;
  report.session = SomeSession();
  report.orders_through = SomeNumber();
  report.first_number = SomeNumber();
  for (const AttemptId attempt : SomeAttempts()) {
    AttemptReport one;
    one.attempt = attempt;
    one.kind = choices_.OneIn(4) ? ReportKind::kReturned : ReportKind::kFinished;
    one.outcome = static_cast<Outcome>(choices_.OneIn(2) ? 1 : choices_.Below(9));
    one.failure.transient = choices_.OneIn(2);
    one.failure.crashed = choices_.OneIn(4);
    one.execution = Duration(static_cast<Duration::rep>(SomeNumber()));
    report.reports.push_back(one);
  }
  report.started = SomeAttempts();
  return report;
}

Query World::SomeQuery() {
  Query query;
  query.request = SomeNumber();
  query.kind = static_cast<QueryKind>(choices_.Below(11));
  query.run = Some(runs_);
  query.task = "t" + std::to_string(choices_.Below(4));
  query.since = SomeNumber();
  query.limit = static_cast<std::uint32_t>(SomeNumber());
  return query;
}

void World::Event() {
  switch (choices_.Below(16)) {
    case 0:
    case 1: return Hear(SomeHello());
    case 2: return Hear(SomeSubmit());
    case 3:
    case 4: return Hear(SomeReport());
    case 5:
    case 6: {
      Beat beat;
      beat.session = SomeSession();
      beat.incarnation = Incarnation{choices_.Below(4)};
      beat.number = SomeNumber();
      beat.orders_through = SomeNumber();
      beat.reports_through = SomeNumber();
      if (choices_.OneIn(2)) return Hear(beat);
      return Step(Heard{.peer = {}, .message = beat, .on_heartbeat_channel = true});
    }
    case 7: return Hear(Goodbye{.session = SomeSession(), .reason = "bye"});
    case 8: return Hear(SomeQuery());
    case 9: {
      Command command;
      command.request = SomeNumber();
      command.kind = static_cast<CommandKind>(choices_.Below(4));
      command.run = Some(runs_);
      command.target = "w" + std::to_string(choices_.Below(4));
      return Hear(command);
    }
    case 10: {
      if (peers_.empty()) return;
      const PeerId peer = SomePeer();
      peers_.erase(peer);
      return Step(sched::PeerGone{.peer = peer, .process_dead = choices_.OneIn(3), .revoked = choices_.OneIn(8)});
    }
    case 11: {
      if (recalls_.empty()) return;
      const sched::Recall recall = recalls_[choices_.Below(recalls_.size())];
      std::erase_if(recalls_, [&](const sched::Recall& one) { return one.task == recall.task; });
      sched::Recalled recalled{.task = recall.task, .result = std::nullopt, .key = Sha256("key")};
      if (choices_.OneIn(2)) recalled.result = Payload{.bytes = Bytes("r"), .digest = {}, .size = 1};
      return Step(recalled);
    }
    case 12:
    case 13: return Pass();
    case 14: {
      if (choices_.OneIn(4)) return Restart();
      return Hear(Ping{.nonce = 1});
    }
    default: {
      const auto message = wire::DecodeMessage(Bytes::Copy(choices_.Take(choices_.Below(200))));
      if (message.ok()) Hear(*message);
    }
  }
}

void World::Hear(Message message) {
  const PeerId peer = SomePeer();
  Step(Heard{.peer = peer, .message = std::move(message), .on_heartbeat_channel = false, .caller = peers_[peer]});
}

void World::Step(sched::Event event) {
  now_ += std::chrono::microseconds(1);
  sched::Actions actions;
  broker_->Step(now_, std::move(event), actions);
  if (++steps_ % kCheckedOneIn == phase_) fuzz::Require(broker_->CheckInvariants(), "the broker's tables disagree");
  for (const sched::Action& action : sched::Unfolded(std::move(actions))) Perform(action);
  fuzz::Require(broker_->Remembers().peers <= peers_.size(), "a connection that is gone is remembered");
}

void World::Perform(const sched::Action& action) {
  if (const auto* append = std::get_if<sched::Append>(&action.body)) {
    ++appended_;
    journal_.push_back(append->record);
    if (std::holds_alternative<RunAccepted>(append->record)) ++accepted_;
    if (const auto* ended = std::get_if<TaskEnded>(&append->record)) {
      fuzz::Require(ended_.insert(ended->task).second, "a task ended twice");
    }
    return;
  }
  fuzz::Require(action.after <= appended_, "an action waits for a record that does not exist");
  if (const auto* send = std::get_if<sched::Send>(&action.body)) {
    fuzz::Require(peers_.contains(send->peer), "something is sent to nobody");
    Note(send->message);
  } else if (const auto* recall = std::get_if<sched::Recall>(&action.body)) {
    recalls_.push_back(*recall);
  } else if (const auto* disconnect = std::get_if<sched::Disconnect>(&action.body)) {
    fuzz::Require(peers_.erase(disconnect->peer) == 1, "a connection that is not there is ended");
  }
}

void World::Note(const Message& message) {
  if (const auto* welcome = std::get_if<Welcome>(&message)) {
    sessions_.push_back(welcome->session);
  } else if (const auto* answer = std::get_if<Answer>(&message); answer != nullptr && answer->run.valid()) {
    runs_.push_back(answer->run);
  } else if (const auto* assign = std::get_if<Assign>(&message)) {
    for (const Assignment& task : assign->tasks) attempts_.push_back(task.attempt);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World(fuzz::Choices(data, size)).Play();
  return 0;
}
