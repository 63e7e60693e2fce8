// SPDX-License-Identifier: Apache-2.0
#include "scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "millrace/base/names.h"
#include "millrace/base/status.h"
#include "support/print.h"

namespace millrace::agent {
namespace {

using std::chrono::seconds;
using testing::DurationOf;
using testing::Line;
using testing::Parts;
using testing::SplitLine;

constexpr RunId kRun{EpochQualified(1, 1)};
constexpr std::uint64_t kMaxPayload = 1u << 20;

std::vector<std::string> From(const std::vector<std::string>& words, std::size_t first) {
  return {words.begin() + static_cast<std::ptrdiff_t>(first), words.end()};
}

// The words without those that are options of the command.
std::string Text(const Line& line, std::size_t from, const std::vector<std::string>& options) {
  Line rest = line;
  std::erase_if(rest.words, [&options](const std::string& word) {
    return std::find(options.begin(), options.end(), word) != options.end();
  });
  return rest.Rest(from);
}

Payload PayloadOf(const std::string& text) { return {.bytes = Bytes(text), .digest = {}, .size = text.size()}; }

}  // namespace

Scenario::Scenario() {
  config_.name = "w1";
  config_.incarnation = Incarnation{7};
  config_.host = "host-a";
  config_.pid = 42;
  config_.version = "test";
  config_.offer.cpus = 2;
  config_.seed = 1;
}

std::string Scenario::Run(const std::vector<std::string>& lines) {
  out_.clear();
  for (std::size_t i = 0; i < lines.size();) {
    const Line line = SplitLine(lines[i]);
    std::vector<Line> more;
    for (++i; i < lines.size() && lines[i].starts_with(' '); ++i) more.push_back(SplitLine(lines[i]));
    const std::string& verb = line.words.at(0);
    if (verb == "config") {
      Configure(line);
    } else if (verb == "show") {
      all_ = line.words.at(1) == "all";
    } else if (verb == "found") {
      AttemptReport report;
      report.attempt = NewAttempt(line.words.at(1));
      report.outcome = Outcome::kSucceeded;
      report.result = PayloadOf(line.Rest(2));
      config_.restored.push_back(std::move(report));
    } else {
      if (agent_ == nullptr) agent_ = std::make_unique<Agent>(config_);
      if (FromLink(line) || FromBroker(line, more) || FromSlots(line) || FromTime(line)) continue;
      ADD_FAILURE() << "unknown command: " << lines[i - 1 - more.size()];
    }
  }
  return out_.empty() ? "nothing\n" : out_;
}

void Scenario::Configure(const Line& line) {
  for (const auto& [key, value] : line.values) {
    if (key == "cpus") {
      config_.offer.cpus = std::stoll(value);
    } else if (key == "extra_slots") {
      config_.extra_slots = static_cast<std::uint32_t>(std::stoul(value));
    } else if (key == "crash_restart_limit") {
      config_.crash_restart_limit = static_cast<std::uint32_t>(std::stoul(value));
    } else if (key == "broker_lost_timeout") {
      config_.broker_lost_timeout = DurationOf(value);
    } else if (key == "disk") {
      config_.keeps_outbox = value == "on";
    } else if (key == "drain_timeout") {
      config_.drain_timeout = DurationOf(value);
    } else {
      ADD_FAILURE() << "unknown setting: " << key;
    }
  }
}

bool Scenario::FromLink(const Line& line) {
  const std::string& verb = line.words.at(0);
  if (verb == "connect") return Step(Connected{}), true;
  if (verb == "disconnect") return Step(Disconnected{line.Rest(1)}), true;
  if (verb == "stop") {
    return Step(StopAsked{.kind = line.words.at(1) == "now" ? StopKind::kNow : StopKind::kDrain}), true;
  }
  return false;
}

bool Scenario::FromBroker(const Line& line, const std::vector<Line>& more) {
  const std::string& verb = line.words.at(0);
  if (verb == "welcome") return SayWelcome(line), true;
  if (verb == "refused") {
    const auto code = EnumFromName<RefusalCode>(line.words.at(1));
    EXPECT_TRUE(code.has_value()) << line.words[1];
    Say(Refused{.code = code.value_or(RefusalCode::kMalformed),
                .reason = Text(line, 2, {"retryable"}),
                .retryable = line.Has("retryable")});
    return true;
  }
  if (verb == "recorded") {
    const std::uint64_t through = line.words.size() > 1 ? std::stoull(line.words[1]) : reported_;
    return Say(Recorded{
               .session = session_, .through = through, .dropped = Attempts(Parts(line.Value("dropped"), ','))}),
           true;
  }
  if (verb == "beacon") {
    Beacon beacon;
    beacon.epoch = static_cast<Epoch>(std::stoul(line.Value("epoch", std::to_string(EpochOf(session_.value)))));
    return Step(Heard{.message = beacon, .on_heartbeat_channel = !line.Has("control")}), true;
  }
  if (verb == "ping") return Say(Ping{.nonce = 77}), true;
  if (verb == "again") return GiveAgain(line), true;
  if (verb == "lost") {
    Line rest = line;
    rest.words.erase(rest.words.begin());
    return GiveOrder(rest, more, false);
  }
  return GiveOrder(line, more, true);
}

void Scenario::SayWelcome(const Line& line) {
  Welcome welcome;
  welcome.protocol = static_cast<std::uint16_t>(std::stoul(line.Value("protocol", "1")));
  welcome.session = session_;
  if (line.values.contains("session")) welcome.session = SessionId{ParseRunName(line.Value("session"))->value};
  welcome.epoch = EpochOf(welcome.session.value);
  welcome.version = "test";
  welcome.heartbeat_interval = seconds(5);
  welcome.lease = DurationOf(line.Value("lease", "30s"));
  welcome.max_payload = kMaxPayload;
  if (!line.Has("silent")) {
    welcome.planes.heartbeat = "tcp://broker:8081";
    welcome.planes.events = "tcp://broker:8082";
  }
  welcome.keep = Attempts(Parts(line.Value("keep"), ','));
  welcome.drop = Attempts(Parts(line.Value("drop"), ','));
  if (welcome.session > session_) {
    session_ = welcome.session;
    orders_.clear();
  }
  Say(std::move(welcome));
}

bool Scenario::GiveOrder(const Line& line, const std::vector<Line>& more, bool arrives) {
  const std::string& verb = line.words.at(0);
  arrives_ = arrives;
  if (verb == "assign") return GiveAssign(line, more), true;
  if (verb == "cancel")
    return Give(Cancel{.session = {}, .number = 0, .attempts = Attempts(From(line.words, 1))}), true;
  if (verb == "takeback") {
    return Give(TakeBack{.session = {}, .number = 0, .attempts = Attempts(From(line.words, 1))}), true;
  }
  if (verb == "drain") return Give(Drain{.session = {}, .number = 0, .reason = line.Rest(1)}), true;
  if (verb != "forget") return false;
  Forget forget;
  for (const std::string& task : From(line.words, 1)) forget.data.push_back(Task(task));
  return Give(std::move(forget)), true;
}

void Scenario::GiveAssign(const Line& line, const std::vector<Line>& more) {
  Assign assign;
  assign.modules.push_back({.name = "work", .fingerprint = 0, .version = {}});
  AddTasks(line, 1, assign);
  for (const Line& next : more) {
    if (next.words.at(0) != "datum") {
      AddTasks(next, 0, assign);
      continue;
    }
    Datum datum;
    datum.task = Task(next.words.at(1));
    datum.name = next.words.at(1);
    datum.module = "work";
    datum.outcome = Outcome::kSucceeded;
    datum.result = PayloadOf(next.Rest(2));
    assign.data.push_back(std::move(datum));
  }
  Give(std::move(assign));
}

void Scenario::AddTasks(const Line& line, std::size_t from, Assign& assign) {
  Policy policy;
  policy.timeout = DurationOf(line.Value("timeout", "1h"));
  if (line.Has("in-process")) policy.isolation = Isolation::kInProcess;
  for (const std::string& name : From(line.words, from)) {
    if (name == "in-process" || name == "same") continue;
    Assignment task;
    task.attempt = line.Has("same") ? Attempt(name) : NewAttempt(name);
    task.task = Task(name);
    task.try_number = static_cast<std::uint32_t>(std::stoul(line.Value("try", "1")));
    task.name = name;
    task.policy = static_cast<std::uint32_t>(assign.policies.size());
    task.cpus = std::stoll(line.Value("cpus", "1"));
    for (const std::string& need : Parts(line.Value("needs"), ',')) task.needs.push_back({.task = Task(need).index});
    assign.tasks.push_back(std::move(task));
  }
  assign.policies.push_back(policy);
}

// Numbers the order, and sends it unless it gets lost.
void Scenario::Give(Message order) {
  const std::uint64_t number = orders_.size() + 1;
  std::visit(
      [&](auto& numbered) {
        if constexpr (requires { numbered.number = number, numbered.session = session_; }) {
          numbered.number = number;
          numbered.session = session_;
        }
      },
      order);
  orders_[number] = order;
  if (arrives_) Say(std::move(order));
}

void Scenario::GiveAgain(const Line& line) {
  std::vector<std::uint64_t> numbers;
  for (const std::string& number : From(line.words, 1)) numbers.push_back(std::stoull(number));
  if (numbers.empty()) {
    for (const auto& [number, order] : orders_) numbers.push_back(number);
  }
  for (const std::uint64_t number : numbers) Say(orders_.at(number));
}

bool Scenario::FromSlots(const Line& line) {
  const std::string& verb = line.words.at(0);
  if (verb == "done" || verb == "fail" || verb == "skip" || verb == "stopped") return End(line), true;
  if (verb == "prints") {
    const AttemptId attempt = Attempt(line.words.at(1));
    SlotOutput output;
    output.attempt = attempt;
    output.is_stderr = line.Has("stderr");
    output.text = Text(line, 2, {"stderr"}) + "\n";
    return Step(SlotSaid{.slot = places_.at(attempt).slot, .message = std::move(output)}), true;
  }
  if (verb == "died") {
    return Step(SlotDied{.slot = static_cast<std::uint32_t>(std::stoul(line.words.at(1))),
                         .exit_code = std::stoi(line.Value("code", "0")),
                         .signal = std::stoi(line.Value("signal", "0"))}),
           true;
  }
  return false;
}

void Scenario::End(const Line& line) {
  const std::string& verb = line.words.at(0);
  const std::string text = Text(line, 2, {"transient"});
  SlotDone done;
  done.attempt = Attempt(line.words.at(1));
  const Place& place = places_.at(done.attempt);
  done.execution = line.values.contains("took") ? DurationOf(line.Value("took")) : now_ - place.started;
  if (verb == "done") {
    done.outcome = Outcome::kSucceeded;
    done.result = PayloadOf(text);
  } else {
    done.outcome = verb == "fail" ? Outcome::kFailed : verb == "skip" ? Outcome::kSkipped : Outcome::kCancelled;
    done.failure.message = text;
    done.failure.exit_code = std::stoi(line.Value("exit", "0"));
    done.failure.transient = line.Has("transient");
  }
  Step(SlotSaid{.slot = place.slot, .message = std::move(done)});
}

bool Scenario::FromTime(const Line& line) {
  const std::string& verb = line.words.at(0);
  if (verb == "advance") return Advance(line), true;
  if (verb == "freeze") {
    now_ += DurationOf(line.words.at(1));
    return Step(Tick{}), true;
  }
  return false;
}

void Scenario::Advance(const Line& line) {
  const bool beacons = line.Has("alive") || line.Has("beacons");
  const bool answers = line.Has("alive") || line.Has("pongs");
  const bool talking = line.Has("talking");
  const Instant end = now_ + DurationOf(line.words.at(1));
  Instant beat = beacons || talking ? now_ + seconds(1) : kNever;
  advancing_since_ = now_;
  for (Instant next; sound_ && (next = std::min(agent_->NextWake(), beat)) <= end;) {
    now_ = std::max(now_, next);
    if (now_ >= beat) {
      if (beacons) FromBroker(SplitLine("beacon"), {});
      if (talking) Say(Pong{.nonce = 0});
      beat = now_ + seconds(1);
    }
    if (agent_->NextWake() <= now_) Step(Tick{});
    if (answers && asked_ > answered_) Say(Pong{.nonce = answered_ = asked_});
  }
  now_ = end;
  advancing_since_.reset();
}

AttemptId Scenario::Attempt(const std::string& task) {
  const auto it = attempts_.find(task);
  return it == attempts_.end() ? NewAttempt(task) : it->second;
}

std::vector<AttemptId> Scenario::Attempts(const std::vector<std::string>& tasks) {
  std::vector<AttemptId> attempts;
  for (const std::string& task : tasks) attempts.push_back(Attempt(task));
  return attempts;
}

AttemptId Scenario::NewAttempt(const std::string& task) {
  return attempts_[task] = AttemptId{EpochQualified(EpochOf(session_.value), ++next_attempt_)};
}

TaskRef Scenario::Task(const std::string& task) {
  const auto it = indices_.try_emplace(task, static_cast<std::uint32_t>(indices_.size())).first;
  return {.run = kRun, .index = it->second};
}

void Scenario::Step(Event event) {
  Actions actions;
  agent_->Step(now_, std::move(event), actions);
  const absl::Status status = agent_->CheckInvariants();
  EXPECT_TRUE(status.ok()) << status;
  sound_ &= status.ok();
  for (const Action& action : actions) {
    Learn(action);
    Write(action);
  }
}

// What a broker and the slots would know of it.
void Scenario::Learn(const Action& action) {
  if (const auto* start = std::get_if<Start>(&action.body)) {
    places_[start->execute.attempt] = {.slot = start->slot, .started = now_};
  } else if (const auto* send = std::get_if<Send>(&action.body)) {
    if (const auto* ping = std::get_if<Ping>(&send->message)) asked_ = ping->nonce;
    if (const auto* report = std::get_if<Report>(&send->message); report != nullptr && !report->reports.empty()) {
      reported_ = std::max<std::uint64_t>(reported_, report->first_number + report->reports.size() - 1);
    }
  }
}

std::string Scenario::NameOf(AttemptId attempt) const {
  for (const auto& [task, its] : attempts_) {
    if (its == attempt) return task;
  }
  return "an older attempt";
}

std::string Scenario::NamesOf(const std::vector<AttemptId>& attempts) const {
  std::string names;
  for (const AttemptId attempt : attempts) names += " " + NameOf(attempt);
  return names;
}

void Scenario::Write(const Action& action) {
  std::string text;
  if (const auto* send = std::get_if<Send>(&action.body)) {
    if (!all_ && (std::holds_alternative<Ping>(send->message) || std::holds_alternative<Beat>(send->message))) return;
    text = "to broker: " + testing::Print(send->message);
  } else if (const auto* publish = std::get_if<Publish>(&action.body)) {
    if (!all_) return;
    text = "published: " + testing::Print(publish->message);
  } else if (const auto* start = std::get_if<Start>(&action.body)) {
    SlotExecute execute = start->execute;
    EXPECT_EQ(std::exchange(execute.kill_grace, Duration{}), config_.kill_grace) << "the same for all: not printed";
    EXPECT_EQ(std::exchange(execute.max_payload, 0), kMaxPayload);
    text = absl::StrFormat("start in slot %d%s: %s", start->slot, start->in_process ? ", in this process" : "",
                           testing::Print(execute));
  } else if (const auto* terminate = std::get_if<Terminate>(&action.body)) {
    text = absl::StrFormat("terminate slot %d: %s", terminate->slot, NameOf(terminate->attempt));
  } else if (const auto* kill = std::get_if<Kill>(&action.body)) {
    text = absl::StrFormat("kill slot %d", kill->slot);
  } else if (const auto* keep = std::get_if<Keep>(&action.body)) {
    std::vector<AttemptId> attempts;
    for (const AttemptReport& report : keep->reports) attempts.push_back(report.attempt);
    text = "keep on disk:" + NamesOf(attempts);
  } else if (const auto* erase = std::get_if<Erase>(&action.body)) {
    text = "erase from disk:" + NamesOf(erase->attempts);
  } else if (std::holds_alternative<Reconnect>(action.body)) {
    text = "dial the broker";
  } else if (const auto* exit = std::get_if<Exit>(&action.body)) {
    text = absl::StrFormat("exit %d: %s", exit->code, exit->reason);
  } else if (const auto* note = std::get_if<Note>(&action.body)) {
    text = absl::StrFormat("%s: %s", note->severity == Severity::kInfo ? "note" : EnumName(note->severity), note->text);
  }
  if (advancing_since_.has_value()) text = absl::StrFormat("+%s %s", FormatDuration(now_ - *advancing_since_), text);
  out_ += text + "\n";
}

}  // namespace millrace::agent
