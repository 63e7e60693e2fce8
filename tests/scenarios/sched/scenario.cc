// SPDX-License-Identifier: Apache-2.0
#include "scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "millrace/base/status.h"
#include "support/print.h"
#include "support/unfold.h"

namespace millrace::sched {
namespace {

using testing::DurationOf;
using testing::Parts;
using testing::SplitLine;

constexpr PeerId kClient{900};

}  // namespace

Scenario::Scenario() {
  config_.version = "test";
  config_.seed = 1;
}

std::string Scenario::Run(const std::vector<std::string>& lines) {
  out_.clear();
  const Line line = SplitLine(lines.front());
  const std::string& verb = line.words.at(0);
  if (verb == "config") {
    Configure(line);
  } else if (verb == "show") {
    all_ = line.words.at(1) == "all";
  } else {
    if (scheduler_ == nullptr) {
      scheduler_ = std::make_unique<Scheduler>(config_);
      Step(Tick{});
      out_.clear();
    }
    if (verb == "restart") {
      ++config_.epoch;
      position_ = 0;
      scheduler_ = std::make_unique<Scheduler>(config_);
      for (const Record& record : journal_) scheduler_->Apply(record);
      for (auto& [name, worker] : workers_) worker.peer = {};
      Step(Tick{});
    } else if (!FromWorker(line) && !FromClient(line, lines)) {
      ADD_FAILURE() << "unknown command: " << lines.front();
    }
  }
  return out_.empty() ? "nothing\n" : out_;
}

void Scenario::Configure(const Line& line) {
  for (const auto& [key, value] : line.values) {
    if (key == "lease") config_.lease = DurationOf(value);
    if (key == "heartbeat_interval") config_.heartbeat_interval = DurationOf(value);
    if (key == "capability_timeout") config_.capability_timeout = DurationOf(value);
    if (key == "crash_limit") config_.crash_limit = static_cast<std::uint32_t>(std::stoul(value));
    if (key == "prefetch_limit") config_.prefetch_limit = static_cast<std::uint32_t>(std::stoul(value));
    if (key == "expect_workers") config_.expect_workers = static_cast<std::uint32_t>(std::stoul(value));
    if (key == "heartbeat_plane") config_.planes.heartbeat = value;
  }
}

void Scenario::Hello_(const Line& line) {
  const std::string& name = line.words.at(1);
  Worker& worker = workers_[name];
  if (!worker.peer.valid() || line.Value("peer") == "new") worker.peer = PeerId{++next_peer_};
  names_[worker.peer] = name;
  const auto incarnation = std::stoull(line.Value("incarnation", std::to_string(worker.incarnation)));
  if (incarnation != worker.incarnation) {
    const PeerId peer = worker.peer;
    worker = Worker{};
    worker.peer = peer;
    worker.incarnation = incarnation;
  }
  Hello hello;
  hello.name = line.Value("name", name);
  hello.incarnation = {incarnation};
  hello.host = "host-" + name;
  hello.pid = static_cast<std::uint32_t>(incarnation);
  hello.version = "test";
  hello.oldest = hello.newest = static_cast<std::uint16_t>(std::stoul(line.Value("protocol", "1")));
  hello.local = line.Has("local");
  hello.draining = line.Has("draining");
  hello.offer.os = "linux";
  hello.offer.cpus = std::stoll(line.Value("cpus", "1"));
  hello.offer.tags = line.Values("tag");
  hello.offer.modules.push_back({.name = line.Value("module", "work"), .fingerprint = 0});
  for (const std::string& tool : line.Values("tool")) hello.offer.tools.push_back({.name = tool, .version = "1.0"});
  for (const std::string& task : line.Values("held")) {
    hello.held.push_back({.attempt = worker.attempts[task], .state = HeldState::kRunning});
  }
  hello.first_report = worker.recorded + 1;
  hello.session = worker.session;
  hello.orders_through = worker.orders;
  Say(worker.peer, std::move(hello));
}

void Scenario::AddTask(JobSpec& job, const Line& line) const {
  TaskSpec task;
  task.name = line.words.at(0);
  for (const std::string& need : Parts(line.Value("needs"), ',')) {
    const bool optional = need.back() == '?';
    const std::string name = optional ? need.substr(0, need.size() - 1) : need;
    for (std::uint32_t i = 0; i < job.tasks.size(); ++i) {
      if (job.tasks[i].name != name) continue;
      const DependencyKind kind = optional ? DependencyKind::kOptional : DependencyKind::kRequired;
      task.needs.push_back({.task = i, .kind = kind, .parameter = -1});
    }
  }
  Requirements requirements;
  requirements.cpus = std::stoll(line.Value("cpus", "1"));
  requirements.tools = line.Values("tool");
  requirements.tags = line.Values("tag");
  task.requirements = static_cast<std::uint32_t>(job.requirements.size());
  job.requirements.push_back(requirements);
  Policy policy;
  if (line.values.contains("retries")) policy.retries = std::stoi(line.Value("retries"));
  policy.priority = std::stoi(line.Value("priority", "0"));
  policy.always_run = line.Has("always");
  policy.ignore_failure = line.Has("ignore");
  policy.idempotent = !line.Has("once");
  policy.cached = line.Has("cached");
  task.policy = static_cast<std::uint32_t>(job.policies.size());
  job.policies.push_back(policy);
  job.tasks.push_back(std::move(task));
}

void Scenario::Submit_(const Line& line, const std::vector<std::string>& lines) {
  JobSpec job;
  job.name = "job";
  if (line.Has("keep-going")) job.fail_mode = FailMode::kKeepGoing;
  job.modules.push_back({.name = "work", .fingerprint = 0, .version = {}});
  for (std::size_t i = 1; i < lines.size(); ++i) AddTask(job, SplitLine(lines[i]));
  Say(kClient,
      Submit{.request = 1, .token = std::stoull(line.Value("token", "0")), .job = std::move(job), .job_digest = {}});
}

void Scenario::Report_(const Line& line, bool arrives) {
  const std::string& verb = line.words.at(0);
  Worker& worker = workers_.at(line.words.at(1));
  const std::string& task = line.words.at(2);
  const bool transient = line.words.size() > 3 && line.words[3] == "transient";
  const std::string text = line.Rest(transient ? 4 : 3);
  AttemptReport report;
  report.attempt = worker.attempts[task];
  report.execution = DurationOf(line.Value("took", "2s"));
  if (verb == "returned") {
    report.kind = ReportKind::kReturned;
    report.execution = {};
  } else if (verb == "done") {
    report.outcome = Outcome::kSucceeded;
    report.result = {.bytes = Bytes(text), .digest = {}, .size = text.size()};
  } else {
    report.outcome = verb == "fail"      ? Outcome::kFailed
                     : verb == "skip"    ? Outcome::kSkipped
                     : verb == "timeout" ? Outcome::kTimedOut
                                         : Outcome::kCancelled;
    report.failure.message = text;
    report.failure.transient = transient;
  }
  const std::uint64_t number = worker.reports.empty() ? 1 : worker.reports.rbegin()->first + 1;
  worker.reports[number] = report;
  worker.orders = worker.received;
  if (!arrives) return;
  Say(worker.peer, Report{.session = worker.session,
                          .orders_through = worker.orders,
                          .first_number = number,
                          .reports = {report},
                          .started = {}});
}

bool Scenario::FromWorker(const Line& line) {
  const std::string& verb = line.words.at(0);
  if (verb == "hello") return Hello_(line), true;
  if (verb == "lost") {
    Line rest = line;
    rest.words.erase(rest.words.begin());
    return Report_(rest, false), true;
  }
  if (verb == "done" || verb == "fail" || verb == "skip" || verb == "timeout" || verb == "cancelled" ||
      verb == "returned") {
    return Report_(line, true), true;
  }
  if (verb == "advance") return Advance(line), true;
  if (line.words.size() < 2 || !workers_.contains(line.words[1])) return false;
  Worker& worker = workers_.at(line.words[1]);
  Report report{
      .session = worker.session, .orders_through = worker.orders, .first_number = 0, .reports = {}, .started = {}};
  if (verb == "again") {
    if (!worker.reports.empty()) report.first_number = worker.reports.begin()->first;
    for (const auto& [number, attempt] : worker.reports) report.reports.push_back(attempt);
    return Say(worker.peer, std::move(report)), true;
  }
  if (verb == "started") {
    report.started.push_back(worker.attempts[line.words.at(2)]);
    return Say(worker.peer, std::move(report)), true;
  }
  if (verb == "ack") {
    if (line.words.size() > 2) worker.orders = std::stoull(line.words[2]);
    report.orders_through = worker.orders;
    return Say(worker.peer, std::move(report)), true;
  }
  if (verb == "beat") {
    std::uint32_t held = 0;  // as many as the broker believes
    for (const WorkerView& row : scheduler_->Workers(now_)) {
      if (row.name == line.words[1]) held = row.running + row.prefetched;
    }
    Step(Heard{.peer = {},
               .message = Beat{.session = worker.session,
                               .incarnation = {worker.incarnation},
                               .number = ++worker.beats,
                               .orders_through = worker.orders,
                               .reports_through = worker.recorded,
                               .running = held,
                               .queued = 0},
               .on_heartbeat_channel = true});
    return true;
  }
  if (verb == "pong") return Say(worker.peer, Pong{.nonce = std::stoull(line.Value("nonce", "1"))}), true;
  if (verb == "goodbye") return Say(worker.peer, Goodbye{.session = worker.session, .reason = {}}), true;
  if (verb == "gone") {
    const PeerId peer = std::exchange(worker.peer, PeerId{});
    return Step(PeerGone{.peer = peer, .process_dead = line.Has("dead")}), true;
  }
  return false;
}

bool Scenario::FromClient(const Line& line, const std::vector<std::string>& lines) {
  const std::string& verb = line.words.at(0);
  if (verb == "submit") return Submit_(line, lines), true;
  if (verb == "cancel") return Tell(CommandKind::kCancelRun, "", line.Rest(1)), true;
  if (verb == "drain") return Tell(CommandKind::kDrainWorker, line.words.at(1), "by hand"), true;
  if (verb == "release") return Tell(CommandKind::kReleaseWorkers, "", "the end"), true;
  if (verb == "run") return Ask(QueryKind::kRun, ""), true;
  if (verb == "tasks") return Ask(QueryKind::kTasks, ""), true;
  if (verb == "workers") return Ask(QueryKind::kWorkers, ""), true;
  if (verb == "broker") return Ask(QueryKind::kBroker, ""), true;
  if (verb == "why") return Ask(QueryKind::kWhy, line.words.at(1)), true;
  if (verb == "result") return Ask(QueryKind::kResult, line.words.at(1)), true;
  if (verb != "recalled") return false;
  for (const RunView& run : scheduler_->Runs(now_)) {
    for (std::uint32_t index = 0; index < run.tasks; ++index) {
      if (std::to_string(index) != line.words.at(1)) continue;
      Recalled recalled{.task = {run.run, index}, .result = {}, .key = {}};
      recalled.key.value[0] = 0xab;
      if (line.Has("hit")) recalled.result = Payload{.bytes = Bytes("old"), .digest = {}, .size = 3};
      Step(std::move(recalled));
    }
  }
  return true;
}

void Scenario::Advance(const Line& line) {
  const Instant end = now_ + DurationOf(line.words.at(1));
  const bool beating = line.Has("beating");
  Instant beat = now_;
  while (true) {
    if (beating && now_ >= beat) {
      for (auto& [name, worker] : workers_) {
        if (!line.Has("deaf")) worker.orders = worker.received;
        if (!worker.peer.valid()) continue;
        FromWorker(SplitLine("beat " + name));
        FromWorker(SplitLine("pong " + name));
      }
      beat = now_ + std::chrono::seconds(1);
    }
    const Instant next = std::min(scheduler_->NextWake(), beating ? beat : kNever);
    if (next > end) break;
    now_ = std::max(now_, next);
    if (scheduler_->NextWake() <= now_) Step(Tick{});
  }
  now_ = end;
}

void Scenario::Ask(QueryKind kind, const std::string& task) {
  Say(kClient, Query{.request = 1, .kind = kind, .run = {}, .task = task, .since = 0, .limit = 0});
}

void Scenario::Tell(CommandKind kind, const std::string& target, const std::string& reason) {
  Say(kClient, Command{.request = 1, .kind = kind, .run = {}, .target = target, .reason = reason});
}

void Scenario::Say(PeerId peer, Message message) { Step(Heard{.peer = peer, .message = std::move(message)}); }

void Scenario::Step(Event event) {
  Actions actions;
  scheduler_->Step(now_, std::move(event), actions);
  const absl::Status status = scheduler_->CheckInvariants();
  EXPECT_TRUE(status.ok()) << status;
  for (const Action& action : sched::Unfolded(std::move(actions))) Print_(action);
}

std::string Scenario::Who(PeerId peer) const {
  if (peer == kClient) return "client";
  const auto it = names_.find(peer);
  const std::string name = it == names_.end() ? "?" : it->second;
  const auto worker = workers_.find(name);
  return worker != workers_.end() && worker->second.peer == peer ? name
                                                                 : name + " (peer " + std::to_string(peer.value) + ")";
}

// Notes what the workers learn, and writes the action as a line.
void Scenario::Print_(const Action& action) {
  const std::string after = action.after == 0 ? "" : absl::StrFormat(" after #%d", action.after);
  if (const auto* send = std::get_if<Send>(&action.body)) {
    if (const auto name = names_.find(send->peer); name != names_.end()) {
      Worker& worker = workers_[name->second];
      if (const auto* welcome = std::get_if<Welcome>(&send->message)) {
        if (worker.session != welcome->session) worker.orders = worker.received = 0;
        worker.session = welcome->session;
      }
      if (const auto* recorded = std::get_if<Recorded>(&send->message)) worker.recorded = recorded->through;
      std::visit(
          [&worker](const auto& order) {
            if constexpr (requires {
                            order.session;
                            order.number;
                          }) {
              worker.received = std::max(worker.received, order.number);
            }
          },
          send->message);
      if (const auto* assign = std::get_if<Assign>(&send->message)) {
        for (const Assignment& task : assign->tasks) worker.attempts[task.name] = task.attempt;
      }
    }
    if (!all_ && (std::holds_alternative<Ping>(send->message) || std::holds_alternative<Pong>(send->message))) return;
    out_ += absl::StrFormat("to %s%s: %s\n", Who(send->peer), after, testing::Print(send->message));
  } else if (const auto* broadcast = std::get_if<Broadcast>(&action.body)) {
    if (all_) out_ += absl::StrFormat("to all%s: %s\n", after, testing::Print(broadcast->message));
  } else if (const auto* append = std::get_if<Append>(&action.body)) {
    journal_.push_back(append->record);
    const auto* accepted = std::get_if<RunAccepted>(&append->record);
    out_ += absl::StrFormat("#%d %s\n", ++position_,
                            accepted != nullptr ? absl::StrFormat("RunAccepted{%d tasks}", accepted->job->tasks.size())
                                                : testing::Print(append->record));
  } else if (const auto* recall = std::get_if<Recall>(&action.body)) {
    out_ += absl::StrFormat("recall task %d\n", recall->task.index);
  } else if (const auto* remember = std::get_if<Remember>(&action.body)) {
    out_ += absl::StrFormat("remember%s: '%s' as %s\n", after, remember->task, remember->key.Hex().substr(0, 8));
  } else if (const auto* gone = std::get_if<Disconnect>(&action.body)) {
    out_ += absl::StrFormat("disconnect %s\n", Who(gone->peer));
  } else if (const auto* note = std::get_if<Note>(&action.body)) {
    constexpr const char* kNames[] = {"note", "warning", "error"};
    out_ += absl::StrFormat("%s: %s\n", kNames[static_cast<int>(note->severity)], note->text);
  }
}

}  // namespace millrace::sched
