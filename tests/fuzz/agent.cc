// SPDX-License-Identifier: Apache-2.0
// The worker's brain, told whatever a broker and module hosts may say: bytes choose the orders, what slots do, when the
// connection breaks and how time passes. After each step its invariants hold, a slot runs one attempt at a time, what
// is kept on disk is erased once, and nothing comes after the end.
#include "millrace/agent/agent.h"

#include <algorithm>
#include <csignal>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "millrace/wire/frame.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

using agent::Heard;

constexpr int kMostEvents = 100;
// Invariants take most of the time: they are looked at after one step in eight, where the first byte says, and behind
// the last one. What one step breaks and the next ones mend is seen by the inputs that end there, or with that byte.
constexpr std::size_t kCheckedOneIn = 8;

class World {
 public:
  explicit World(fuzz::Choices choices) : choices_(choices), agent_(Settings()) {}
  void Play() {
    for (int i = 0; i < kMostEvents && !choices_.empty() && !exited_; ++i) Event();
    fuzz::Require(agent_.CheckInvariants(), "the worker's tables disagree");
  }

 private:
  struct Running {
    AttemptId attempt;
    bool in_process = false;
  };

  agent::Config Settings() {
    agent::Config config;
    config.name = "w1";
    config.incarnation = Incarnation{7};
    config.host = "h";
    const std::uint8_t first = choices_.Byte();
    config.offer.cpus = 1 + first % 4;
    phase_ = first / 4 % kCheckedOneIn;
    config.extra_slots = static_cast<std::uint32_t>(1 + choices_.Below(3));
    config.keeps_outbox = choices_.OneIn(2);
    return config;
  }
  void Event();
  void Order();
  void SlotEvent();
  void Pass();
  void Hear(Message message, bool on_heartbeat_channel = false) {
    if (up_ || on_heartbeat_channel) Step(Heard{std::move(message), on_heartbeat_channel});
  }
  void Done(std::uint32_t slot);
  void Step(agent::Event event);
  void Perform(const agent::Start& start);
  void Perform(const agent::Withdraw& withdraw);
  void Perform(const agent::Reconnect&) {
    up_ = false;
    dialing_ = true;
  }
  void Perform(const agent::Kill& kill) {
    fuzz::Require(slots_.contains(kill.slot), "a slot that was never made is killed");
  }
  void Perform(const agent::Keep& keep) {
    for (const AttemptReport& report : keep.reports) {
      fuzz::Require(kept_.insert(report.attempt).second, "a report is kept twice");
    }
  }
  void Perform(const agent::Erase& erase) {
    for (const AttemptId attempt : erase.attempts) {
      fuzz::Require(kept_.erase(attempt) == 1, "a report that is not on disk is erased");
    }
  }
  void Perform(const agent::Exit&) { exited_ = true; }
  template <class Other>
  void Perform(const Other&) {}

  Welcome SomeWelcome();
  Assign SomeAssign();
  std::uint64_t SomeNumber() { return choices_.OneIn(16) ? choices_.Number() : choices_.Below(12); }
  AttemptId SomeAttempt() { return AttemptId{1 + choices_.Below(static_cast<std::size_t>(newest_) + 2)}; }
  std::vector<AttemptId> SomeAttempts() {
    std::vector<AttemptId> some;
    for (std::size_t count = choices_.Below(4); count > 0; --count) some.push_back(SomeAttempt());
    return some;
  }
  // Mostly the next order of the session that is; else any.
  template <class M>
  M Numbered(M order) {
    order.session = choices_.OneIn(16) ? SessionId{SomeNumber()} : session_;
    order.number = choices_.OneIn(16) ? SomeNumber() : ++orders_;
    return order;
  }

  fuzz::Choices choices_;
  std::size_t phase_ = 0;  // of the steps after which invariants are looked at
  std::size_t steps_ = 0;
  agent::Agent agent_;
  Instant now_{std::chrono::seconds(100)};
  bool up_ = false;
  bool dialing_ = true;
  bool exited_ = false;
  SessionId session_;
  std::uint64_t orders_ = 0;
  std::uint64_t newest_ = 0;                            // attempt
  std::map<std::uint32_t, std::deque<Running>> slots_;  // what runs, and what is lined up behind it
  std::vector<agent::SlotSaid> withdrawn_;              // to be said before anything else
  std::set<AttemptId> kept_;
};

Welcome World::SomeWelcome() {
  Welcome welcome;
  if (!session_.valid() || choices_.OneIn(4)) {
    session_ = SessionId{session_.value + 1};
    orders_ = 0;
  }
  welcome.session = session_;
  welcome.epoch = static_cast<Epoch>(1 + choices_.Below(2));
  welcome.heartbeat_interval = std::chrono::milliseconds(choices_.OneIn(16) ? choices_.Word() : 2000);
  welcome.lease = std::chrono::milliseconds(choices_.OneIn(16) ? choices_.Word() : 30000);
  welcome.planes.heartbeat = welcome.planes.events = "x";
  welcome.keep = SomeAttempts();
  welcome.drop = SomeAttempts();
  welcome.broker = choices_.OneIn(8) ? 2 : 1;
  return welcome;
}

Assign World::SomeAssign() {
  Assign assign;
  assign.modules.push_back({.name = "m", .fingerprint = 0, .version = ""});
  assign.policies.resize(2);
  assign.policies[0].timeout = std::chrono::seconds(1 + choices_.Below(60));
  assign.policies[1].timeout = std::chrono::seconds(30);
  assign.policies[1].isolation = Isolation::kInProcess;
  for (std::size_t count = choices_.Below(6); count > 0; --count) {
    Assignment task;
    task.attempt = choices_.OneIn(16) ? SomeAttempt() : AttemptId{++newest_ % 200 + 1};
    task.task = {.run = RunId{1}, .index = static_cast<std::uint32_t>(task.attempt.value)};
    task.name = "t";
    task.policy = static_cast<std::uint32_t>(choices_.OneIn(64) ? choices_.Byte() : choices_.Below(2));
    task.module = choices_.OneIn(64) ? 3 : 0;
    task.cpus = static_cast<std::int64_t>(choices_.OneIn(64) ? choices_.Number() : choices_.Below(4));
    if (choices_.OneIn(8))
      task.needs.push_back({.task = static_cast<std::uint32_t>(choices_.Below(4)), .parameter = 0});
    assign.tasks.push_back(task);
  }
  if (choices_.OneIn(4)) {
    assign.data.resize(1);
    assign.data[0].task = {.run = RunId{1}, .index = static_cast<std::uint32_t>(choices_.Below(4))};
  }
  return assign;
}

void World::Order() {
  switch (choices_.Below(8)) {
    case 0: return Hear(Numbered(Cancel{.session = {}, .number = 0, .attempts = SomeAttempts()}));
    case 1: return Hear(Numbered(TakeBack{.session = {}, .number = 0, .attempts = SomeAttempts()}));
    case 2: return Hear(Numbered(Forget{.session = {}, .number = 0, .data = {TaskRef{RunId{1}, 1}}}));
    case 3:
      if (choices_.OneIn(8)) return Hear(Numbered(Drain{.session = {}, .number = 0, .reason = "enough"}));
      [[fallthrough]];
    default: return Hear(Numbered(SomeAssign()));
  }
}

// The front of the slot's line has ended; what is behind it begins.
void World::Done(std::uint32_t slot) {
  std::deque<Running>& line = slots_[slot];
  SlotDone done;
  done.attempt = line.front().attempt;
  done.outcome = static_cast<Outcome>(choices_.Below(9));
  done.failure.transient = choices_.OneIn(2);
  done.execution = std::chrono::milliseconds(choices_.Byte());
  line.pop_front();
  Step(agent::SlotSaid{.slot = slot, .message = done});
}

void World::SlotEvent() {
  if (slots_.empty()) return;
  const auto found = std::next(slots_.begin(), static_cast<std::ptrdiff_t>(choices_.Below(slots_.size())));
  const std::uint32_t slot = found->first;
  std::deque<Running>& line = found->second;
  switch (choices_.Below(6)) {
    case 0: {
      SlotOutput output;
      output.attempt = choices_.OneIn(8) || line.empty() ? SomeAttempt() : line.front().attempt;
      output.text = choices_.Take(choices_.Below(20));
      return Step(agent::SlotSaid{.slot = slot, .message = output});
    }
    case 1: {
      if (!line.empty() && line.front().in_process) return Done(slot);
      agent::SlotDied died{.slot = slot, .exit_code = choices_.Byte(), .signal = 0};
      if (choices_.OneIn(2)) died.signal = SIGKILL;
      if (!line.empty() && choices_.OneIn(4)) {
        died.done.emplace();
        died.done->attempt = line.front().attempt;
        died.done->outcome = static_cast<Outcome>(choices_.Below(4));
      }
      died.oom_killed = choices_.OneIn(8);
      line.clear();
      return Step(died);
    }
    default:
      if (!line.empty()) Done(slot);
  }
}

void World::Pass() {
  const std::size_t kind = choices_.Below(6);
  const Instant wake = agent_.NextWake();
  if (kind == 0 && wake != kNever) {
    now_ = std::max(now_, wake);
  } else {
    constexpr Duration kJumps[] = {std::chrono::milliseconds(1), std::chrono::milliseconds(300),
                                   std::chrono::seconds(2),      std::chrono::seconds(25),
                                   std::chrono::minutes(11),     std::chrono::hours(30)};
    now_ += kJumps[kind];
  }
  Step(agent::Tick{});
}

void World::Event() {
  if (!up_ && dialing_ && !choices_.OneIn(4)) {
    dialing_ = false;
    up_ = true;
    return Step(agent::Connected{});
  }
  switch (choices_.Below(16)) {
    case 0:
      if (!up_) return;
      up_ = false;
      return Step(agent::Disconnected{.reason = "cut"});
    case 1:
    case 2: return Hear(SomeWelcome());
    case 3:
    case 4:
    case 5: return Order();
    case 6: {
      Recorded recorded{.session = session_, .through = SomeNumber(), .dropped = SomeAttempts()};
      return Hear(recorded);
    }
    case 7:
      return Hear(Refused{
          .code = static_cast<RefusalCode>(choices_.Below(6)), .reason = "no", .retryable = !choices_.OneIn(8)});
    case 8: return Hear(Beacon{.epoch = static_cast<Epoch>(1 + choices_.Below(2)), .number = SomeNumber()}, true);
    case 9: return Hear(Pong{.nonce = SomeNumber()});
    case 10:
    case 11:
    case 12: return SlotEvent();
    case 13: return Pass();
    case 14:
      if (!choices_.OneIn(16)) return Pass();
      return Step(agent::StopAsked{.kind = static_cast<agent::StopKind>(choices_.Below(2))});
    default: {
      const auto message = wire::DecodeMessage(Bytes::Copy(choices_.Take(choices_.Below(200))));
      if (message.ok()) Hear(*message, choices_.OneIn(4));
    }
  }
}

void World::Step(agent::Event event) {
  now_ += std::chrono::microseconds(1);
  agent::Actions actions;
  agent_.Step(now_, std::move(event), actions);
  if (++steps_ % kCheckedOneIn == phase_) fuzz::Require(agent_.CheckInvariants(), "the worker's tables disagree");
  for (const agent::Action& action : actions) {
    fuzz::Require(!exited_, "something comes after the end");
    std::visit([this](const auto& body) { Perform(body); }, action.body);
  }
  if (exited_ || withdrawn_.empty()) return;
  const agent::SlotSaid said = withdrawn_.front();
  withdrawn_.erase(withdrawn_.begin());
  Step(said);
}

void World::Perform(const agent::Start& start) {
  std::deque<Running>& line = slots_[start.slot];
  fuzz::Require(line.empty() || (start.in_process && line.front().in_process), "two attempts run in one slot");
  line.push_back({.attempt = start.execute.attempt, .in_process = start.in_process});
}

void World::Perform(const agent::Withdraw& withdraw) {
  std::deque<Running>& line = slots_[withdraw.slot];
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i].attempt != withdraw.attempt) continue;
    line.erase(line.begin() + static_cast<std::ptrdiff_t>(i));
    SlotDone done;
    done.attempt = withdraw.attempt;
    done.started = false;
    withdrawn_.push_back({.slot = withdraw.slot, .message = done});
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World(fuzz::Choices(data, size)).Play();
  return 0;
}
