// SPDX-License-Identifier: Apache-2.0
#include "random_world.h"

#include <algorithm>

#include "millrace/base/status.h"
#include "tests/support/unfold.h"

namespace millrace::sched {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr PeerId kClient{1'000'000'000};
constexpr Duration kFaultTime = seconds(30);
constexpr std::uint64_t kRuns = 5;
constexpr Duration kQuietTime = std::chrono::minutes(30);

}  // namespace

// Which faults this world has, and how often, is drawn too: rare mixes would never come up otherwise.
RandomWorld::RandomWorld(std::uint64_t seed) : random_(seed * 7919 + 1) {
  config_.version = "random";
  config_.seed = seed;
  config_.epoch = 0;
  config_.heartbeat_interval = seconds(1);
  config_.lease = seconds(6);
  config_.prefetch_limit = 1 + static_cast<std::uint32_t>(random_.Below(6));
  if (seed % 2 == 0) config_.roots_at_once = 1 + seed % 3;
  config_.planes.heartbeat = "here";
  loss_ = Chance(0.5) ? random_.Unit() * 0.3 : 0;
  doubled_ = Chance(0.5) ? random_.Unit() * 0.3 : 0;
  crash_ = Chance(0.5) ? random_.Unit() * 0.02 : 0;
  broker_crash_ = Chance(0.3) ? random_.Unit() * 0.02 : 0;
  unplug_ = Chance(0.5) ? random_.Unit() * 0.05 : 0;
  silent_ = Chance(0.3) ? random_.Unit() * 0.02 : 0;
  delay_ = Chance(0.5) ? milliseconds(random_.Below(300)) : milliseconds(1);
  MakeJob();
  const std::size_t workers = 1 + random_.Below(4);
  for (std::size_t i = 0; i < workers; ++i) {
    Host host;
    host.name = "w" + std::to_string(i);
    host.offer.cpus = 2 + static_cast<std::int64_t>(random_.Below(3));
    host.offer.modules = {{.name = "work", .fingerprint = 0}};
    if (i == 0 || Chance(0.3)) host.offer.tags = {"special"};
    hosts_.push_back(std::move(host));
  }
  StartBroker();
  for (std::size_t i = 0; i < hosts_.size(); ++i) StartWorker(i);
}

void RandomWorld::MakeJob() {
  job_.name = "random";
  job_.fail_mode = Chance(0.3) ? FailMode::kFailFast : FailMode::kKeepGoing;
  job_.modules.push_back({.name = "work", .fingerprint = 0, .version = {}});
  job_.requirements.push_back({});
  job_.requirements.push_back({.cpus = 2});
  job_.requirements.push_back({.tags = {"special"}});
  const std::uint32_t tasks = 1 + static_cast<std::uint32_t>(random_.Below(20));
  for (std::uint32_t i = 0; i < tasks; ++i) {
    TaskSpec task;
    task.name = "t" + std::to_string(i);
    if (Chance(0.02)) task.name = "poison" + std::to_string(i);
    task.requirements = static_cast<std::uint32_t>(random_.Below(3));
    task.policy = i;
    Policy policy;
    policy.idempotent = !Chance(0.1);
    policy.always_run = Chance(0.1);
    policy.ignore_failure = Chance(0.1);
    policy.cached = Chance(0.1);
    policy.priority = static_cast<std::int32_t>(random_.Below(3));
    if (Chance(0.3)) policy.retries = static_cast<std::int32_t>(random_.Below(3));
    job_.policies.push_back(policy);
    for (std::uint32_t need = 0; need < i; ++need) {
      if (!Chance(2.0 / (i + 1))) continue;
      const DependencyKind kind = Chance(0.2) ? DependencyKind::kOptional : DependencyKind::kRequired;
      task.needs.push_back({.task = need, .kind = kind, .parameter = -1});
    }
    job_.tasks.push_back(std::move(task));
  }
}

void RandomWorld::StartWorker(std::size_t index) {
  Host& host = hosts_[index];
  host.returns = kNever;
  FakeWorker::World world;
  world.send = [this, index](Message message) { FromWorker(index, std::move(message), false); };
  world.beat = [this, index](Message message) {
    const bool control = std::get<Beat>(message).number % 3 == 0;
    FromWorker(index, std::move(message), !control);
  };
  world.start = [this](const Assignment& assignment) { return FateOf(assignment); };
  world.received = [this](const Assign& assign) { Received(assign); };
  host.worker = std::make_unique<FakeWorker>(host.name, ++next_incarnation_, host.offer, std::move(world));
  Connect(index);
}

void RandomWorld::Connect(std::size_t index) {
  Host& host = hosts_[index];
  host.peer = PeerId{++next_peer_};
  host.returns = kNever;
  peers_[host.peer] = index;
  host.worker->Connected(now_);
}

// The connection breaks; what was under way on it is lost.
void RandomWorld::Unplug(std::size_t index, bool dead) {
  Host& host = hosts_[index];
  if (!host.peer.valid()) return;
  const PeerId peer = std::exchange(host.peer, PeerId{});
  if (host.worker != nullptr) host.worker->connected = false;
  peers_.erase(peer);
  std::erase_if(flights_, [peer](const Flight& flight) { return flight.peer == peer; });
  if (dead || Chance(0.8)) Step(PeerGone{.peer = peer, .process_dead = dead});
}

void RandomWorld::Crash(std::size_t index) {
  Host& host = hosts_[index];
  for (const std::string& name : host.worker->RunningNames()) {
    if (name.starts_with("poison")) ++kills_[name];
  }
  host.worker.reset();
  Unplug(index, Chance(0.7));
  host.returns = now_ + Within(seconds(8));
}

void RandomWorld::FromWorker(std::size_t index, Message message, bool heartbeat) {
  const Host& host = hosts_[index];
  if (!host.peer.valid()) return;
  for (const auto& [until, muted] : muted_) {
    if (muted == index && now_ < until) return;
  }
  Fly({.at = now_,
       .seq = 0,
       .to_broker = true,
       .peer = host.peer,
       .heartbeat = heartbeat,
       .message = std::move(message)});
}

void RandomWorld::Fly(Flight flight) {
  if (!quiet_ && Chance(loss_)) return;
  flight.seq = ++seq_;
  flight.at = now_ + Within(delay_);
  if (!quiet_ && Chance(doubled_)) {
    Flight copy = flight;
    copy.at += Within(seconds(1));
    flights_.push_back(std::move(copy));
  }
  flights_.push_back(std::move(flight));
}

FakeWorker::Fate RandomWorld::FateOf(const Assignment& assignment) {
  ++executions_[assignment.task];
  FakeWorker::Fate fate;
  fate.takes = Chance(0.5) ? Within(seconds(3)) : Within(milliseconds(20));
  fate.kills = assignment.name.starts_with("poison");
  fate.report.execution = fate.takes;
  fate.report.outcome = Outcome::kSucceeded;
  fate.report.result = {.bytes = Bytes(assignment.name), .digest = {}, .size = assignment.name.size()};
  const double dice = random_.Unit();
  if (dice < 0.05) {
    fate.report.outcome = Outcome::kFailed;
    fate.report.failure.message = "bad luck";
    fate.report.failure.transient = dice < 0.03;
  } else if (dice < 0.07) {
    fate.report.outcome = Outcome::kSkipped;
  } else if (dice < 0.08) {
    fate.report.outcome = Outcome::kTimedOut;
  }
  return fate;
}

// Nothing may be handed out before what it depends on is safe.
void RandomWorld::Received(const Assign& assign) {
  for (const Assignment& assignment : assign.tasks) {
    const auto [it, fresh] = attempts_.emplace(assignment.attempt, assignment.name);
    if (it->second != assignment.name) Wrong("an attempt id was used for two tasks");
    for (const Need& need : assignment.needs) {
      bool ended = false;
      for (std::size_t i = 0; i < durable_; ++i) {
        const auto* record = std::get_if<TaskEnded>(&journal_[i]);
        ended |= record != nullptr && record->task == TaskRef{assignment.task.run, need.task};
      }
      if (!ended) Wrong(assignment.name + " was handed out before the end of what it needs was durable");
    }
  }
}

void RandomWorld::StartBroker() {
  ++config_.epoch;
  broker_ = std::make_unique<Scheduler>(config_);
  for (const Record& record : journal_) broker_->Apply(record);
  journal_base_ = durable_ = journal_.size();
  Step(Tick{});
}

void RandomWorld::CrashBroker() {
  journal_.resize(durable_);
  held_.clear();
  flights_.clear();
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    if (!hosts_[i].peer.valid()) continue;
    peers_.erase(std::exchange(hosts_[i].peer, PeerId{}));
    if (hosts_[i].worker == nullptr) continue;
    hosts_[i].worker->connected = false;
    hosts_[i].returns = now_ + Within(seconds(4));
  }
  StartBroker();
}

void RandomWorld::Step(Event event) {
  Actions actions;
  broker_->Step(now_, std::move(event), actions);
  if (const absl::Status status = broker_->CheckInvariants(); !status.ok()) Wrong(TextOf(status));
  for (Action& action : sched::Unfolded(std::move(actions))) {
    if (const auto* append = std::get_if<Append>(&action.body)) {
      if (const auto* ended = std::get_if<TaskEnded>(&append->record)) {
        for (const Record& record : journal_) {
          const auto* earlier = std::get_if<TaskEnded>(&record);
          if (earlier != nullptr && earlier->task == ended->task) Wrong("a task ended twice");
        }
      }
      journal_.push_back(append->record);
      continue;
    }
    if (action.after > journal_.size() - journal_base_) Wrong("an action waits for a record that does not exist");
    held_.push_back(std::move(action));
  }
  if (durable_ == 0 || Chance(0.7)) durable_ = journal_.size();
  Perform();
}

// Releases what waits for a record, in order as far as one peer can see.
void RandomWorld::Perform() {
  std::deque<Action> held = std::exchange(held_, {});
  for (Action& action : held) {
    if (action.after > durable_ - journal_base_ && durable_ >= journal_base_) {
      held_.push_back(std::move(action));
      continue;
    }
    if (auto* send = std::get_if<Send>(&action.body)) {
      if (send->peer == kClient) {
        if (const auto* answer = std::get_if<Answer>(&send->message); answer != nullptr && answer->run.valid()) {
          if (answer->request > kRuns) continue;
          const auto [known, fresh] = runs_.emplace(answer->request, answer->run);
          if (known->second != answer->run) Wrong("the same submission became two runs");
        }
        continue;
      }
      Fly({.at = now_,
           .seq = 0,
           .to_broker = false,
           .peer = send->peer,
           .heartbeat = false,
           .message = std::move(send->message)});
    } else if (const auto* gone = std::get_if<Disconnect>(&action.body)) {
      const auto it = peers_.find(gone->peer);
      if (it == peers_.end()) continue;
      const std::size_t index = it->second;
      peers_.erase(it);
      if (hosts_[index].peer != gone->peer) continue;
      hosts_[index].peer = {};
      hosts_[index].worker->connected = false;
      hosts_[index].returns = now_ + Within(seconds(2));
    } else if (const auto* recall = std::get_if<Recall>(&action.body)) {
      if (!quiet_ && Chance(0.2)) continue;
      Recalled recalled{.task = recall->task, .result = {}, .key = {}};
      recalled.key.value[0] = 1;
      if (Chance(0.5)) recalled.result = Payload{.bytes = Bytes("cached"), .digest = {}, .size = 6};
      Step(std::move(recalled));
    }
  }
}

void RandomWorld::Fault() {
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    Host& host = hosts_[i];
    if (host.worker == nullptr || !host.peer.valid()) continue;
    if (Chance(crash_)) {
      Crash(i);
    } else if (Chance(unplug_)) {
      Unplug(i, false);
      host.returns = now_ + Within(seconds(10));
    } else if (Chance(silent_)) {
      muted_.emplace_back(now_ + Within(seconds(12)), i);
    }
  }
  if (Chance(broker_crash_)) CrashBroker();
  if (!runs_.empty() && Chance(0.002)) {
    Step(Heard{
        .peer = kClient,
        .message = Command{.request = 9, .kind = CommandKind::kCancelRun, .run = {}, .target = {}, .reason = {}}});
  }
  if (Chance(0.001)) {
    Step(Heard{
        .peer = kClient,
        .message = Command{.request = 9, .kind = CommandKind::kDrainWorker, .run = {}, .target = "w1", .reason = {}}});
  }
}

void RandomWorld::Deliver(const Flight& flight) {
  const auto it = peers_.find(flight.peer);
  if (it == peers_.end()) return;
  if (flight.to_broker) {
    return Step(Heard{.peer = flight.heartbeat ? PeerId{} : flight.peer,
                      .message = flight.message,
                      .on_heartbeat_channel = flight.heartbeat});
  }
  Host& host = hosts_[it->second];
  if (host.worker != nullptr && host.peer == flight.peer) host.worker->Hear(now_, flight.message);
}

Instant RandomWorld::Next() const {
  Instant next = broker_->NextWake();
  for (const Flight& flight : flights_) next = std::min(next, flight.at);
  for (const Host& host : hosts_) {
    next = std::min(next, host.returns);
    if (host.worker != nullptr) next = std::min(next, host.worker->NextWake());
  }
  return std::max(next, now_);
}

void RandomWorld::Turn() {
  now_ = Next();
  const auto due = std::min_element(flights_.begin(), flights_.end(), [](const Flight& a, const Flight& b) {
    return a.at != b.at ? a.at < b.at : a.seq < b.seq;
  });
  if (due != flights_.end() && due->at <= now_) {
    const Flight flight = std::move(*due);
    flights_.erase(due);
    Deliver(flight);
  }
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    Host& host = hosts_[i];
    if (host.returns <= now_) {
      if (host.worker == nullptr) {
        StartWorker(i);
      } else {
        Connect(i);
      }
    }
    if (host.worker == nullptr || host.worker->NextWake() > now_) continue;
    if (host.worker->Tick(now_)) {
      Crash(i);
    } else if (host.worker->gone) {  // drained: somebody starts it again
      host.worker.reset();
      Unplug(i, true);
      host.returns = now_ + seconds(3);
    } else if (!host.worker->problem.empty()) {
      Wrong(host.worker->problem);
    }
  }
  if (broker_->NextWake() <= now_) Step(Tick{});
}

std::string RandomWorld::CheckEnd() {
  const std::vector<RunView> runs = broker_->Runs(now_);
  if (runs.size() != token_) return absl::StrFormat("%d runs instead of %d", runs.size(), token_);
  for (const RunView& run : runs) {
    if (HasEnded(run.state)) continue;
    std::string text = "a run has not ended:";
    for (const TaskSpec& task : job_.tasks) {
      const auto lines = broker_->Explain(run.run, task.name, now_);
      text += "\n  " + task.name + ": " + (lines.ok() ? lines->front() : TextOf(lines.status()));
    }
    return text;
  }
  for (const auto& [task, count] : executions_) {
    if (!job_.policies[task.index].idempotent && count > 1) {
      return absl::StrFormat("%s is not idempotent and ran %d times", job_.tasks[task.index].name, count);
    }
  }
  // Each crash is counted, unless it came before the report of the task that ran there before: then that one is blamed
  // first, and found innocent. Nor does a broker count what it forgot when it went down itself.
  const bool fair = loss_ == 0 && delay_ <= milliseconds(1) && broker_crash_ == 0 && silent_ == 0;
  const int kills_allowed = static_cast<int>(config_.crash_limit * token_) + (fair ? 0 : 20);
  for (const auto& [name, kills] : kills_) {
    if (kills > kills_allowed) return absl::StrFormat("%s took down %d workers", name, kills);
  }
  if (crash_ > 0 || silent_ > 0 || unplug_ > 0 || loss_ > 0 || broker_crash_ > 0) return "";
  for (const Record& record : journal_) {
    const auto* ended = std::get_if<TaskEnded>(&record);
    if (ended == nullptr || !ended->failure.message.starts_with("poison")) continue;
    const std::string& name = job_.tasks[ended->task.index].name;
    if (!name.starts_with("poison")) return name + " was blamed for what others did";
  }
  return "";
}

bool RandomWorld::AllEnded() const {
  if (!runs_.contains(token_)) return false;
  const std::vector<RunView> runs = broker_->Runs(now_);
  return std::all_of(runs.begin(), runs.end(), [](const RunView& run) { return HasEnded(run.state); });
}

// Said again until it is answered, as a client does.
void RandomWorld::SubmitIfDue() {
  if (now_ < next_submit_ || runs_.contains(token_)) return;
  next_submit_ = now_ + seconds(2);
  Step(Heard{.peer = kClient, .message = Submit{.request = token_, .token = token_, .job = job_, .job_digest = {}}});
}

std::string RandomWorld::Play() {
  const Instant fault_end = now_ + kFaultTime;
  Instant next_fault = now_;
  while (now_ < fault_end && problem_.empty()) {
    if (token_ < kRuns && AllEnded()) ++token_;
    SubmitIfDue();
    if (now_ >= next_fault) {
      Fault();
      next_fault = now_ + milliseconds(200);
    }
    Turn();
  }
  quiet_ = true;
  muted_.clear();
  for (Host& host : hosts_) {
    if (!host.peer.valid() && host.returns == kNever) host.returns = now_;
  }
  const Instant end = now_ + kQuietTime;
  while (now_ < end && problem_.empty() && !AllEnded()) {
    SubmitIfDue();
    Turn();
  }
  return problem_.empty() ? CheckEnd() : problem_;
}

}  // namespace millrace::sched
