// SPDX-License-Identifier: Apache-2.0
// One agent against a broker, a network and slots that misbehave as a seed says: messages lost, doubled, late and out
// of order, connections cut, brokers restarted, leases expired, hosts crashed, deaf or unkillable threads. Then the
// faults stop, and every attempt must have come to exactly one end.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <functional>
#include <map>
#include <set>

#include "millrace/base/random.h"
#include "tests/unit/agent/rig.h"

namespace millrace::agent {
namespace {

enum class Fate { kAssigned, kReported, kRevoked };

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), agent_(MakeConfig(seed)) {
    loss_ = random_.Below(3) == 0 ? 0 : 0.2 * random_.Unit();
    doubling_ = random_.Below(3) == 0 ? 0 : 0.3 * random_.Unit();
    cut_ = random_.Below(2) == 0 ? 0 : 0.02 * random_.Unit();
    restart_ = random_.Below(3) == 0 ? 0.005 : 0;
    reorder_ = random_.Below(2) == 0;
    crash_ = random_.Below(2) == 0 ? 0 : 0.2 * random_.Unit();
    quick_ = random_.Below(2) == 0;
  }

  void Run() {
    After(milliseconds(10), [this] { Dial(); });
    for (Duration at = seconds(1); at < seconds(120); at += milliseconds(1 + random_.Below(400))) {
      After(at, [this] { Stir(); });
    }
    for (Duration at = seconds(1); at < minutes(12); at += seconds(2)) {
      After(at, [this] { BrokerTick(); });
    }
    After(seconds(120), [this] { Calm(); });
    Play(Instant(minutes(12)));
    Judge();
  }
  std::uint64_t lined_up() const { return lined_up_; }

 private:
  static Config MakeConfig(std::uint64_t seed) {
    Random random(seed * 77);
    Config config = Rig::Defaults();
    config.offer.cpus = static_cast<std::int64_t>(1 + random.Below(4));
    config.seed = seed;
    config.keeps_outbox = random.Below(2) == 0;
    return config;
  }
  bool Chance(double p) { return p > 0 && random_.Unit() < p; }
  void After(Duration wait, std::function<void()> what) { queue_.emplace(now_ + wait, std::move(what)); }
  Duration SomeDelay() { return std::chrono::microseconds(100 + random_.Below(50000)); }

  void Play(Instant end) {
    while (!::testing::Test::HasFailure()) {
      const Instant wake = agent_.NextWake();
      const Instant next = std::min(wake, queue_.empty() ? kNever : queue_.begin()->first);
      if (next > end) break;
      now_ = std::max(now_, next);
      if (wake <= now_) {
        Step(Tick{});
        continue;
      }
      auto node = queue_.extract(queue_.begin());
      node.mapped()();
    }
  }

  void Step(Event event) {
    Actions actions;
    agent_.Step(now_, std::move(event), actions);
    const absl::Status sound = agent_.CheckInvariants();
    EXPECT_TRUE(sound.ok()) << sound.message();
    for (Action& action : actions) {
      std::visit([this](auto& body) { Perform(body); }, action.body);
    }
  }

  // ---- what the agent does ----
  void Perform(Send& send) { Carry(std::move(send.message), true); }
  void Perform(Publish& publish) { Carry(std::move(publish.message), false); }
  void Perform(Note&) {}
  void Perform(Keep& keep) {
    for (const AttemptReport& report : keep.reports) {
      EXPECT_TRUE(kept_.insert(report.attempt.value).second) << report.attempt.value << " is kept twice";
    }
  }
  void Perform(Erase& erase) {
    for (const AttemptId attempt : erase.attempts) EXPECT_EQ(kept_.erase(attempt.value), 1u) << attempt.value;
  }
  void Perform(Exit& exit) { ADD_FAILURE() << "exits with " << exit.code << ": " << exit.reason; }
  void Perform(Reconnect&) {
    up_ = false;
    ++connection_;
    After(SomeDelay(), [this, connection = connection_] {
      if (connection == connection_) Dial();
    });
  }
  void Perform(Start& start) {
    if (start.in_process) in_process_.insert(start.execute.attempt.value);
    if (!slots_.contains(start.slot)) return Begin(start);
    EXPECT_TRUE(start.in_process) << "slot " << start.slot << " is taken";
    ++lined_up_;
    lines_[start.slot].push_back(start);
  }
  void Perform(Withdraw& withdraw) {
    std::deque<Start>& line = lines_[withdraw.slot];
    const auto found = std::find_if(line.begin(), line.end(), [&withdraw](const Start& start) {
      return start.execute.attempt == withdraw.attempt;
    });
    if (found == line.end()) return;
    line.erase(found);
    After(Duration::zero(), [this, withdraw] {
      SlotDone done;
      done.attempt = withdraw.attempt;
      done.started = false;
      Step(SlotSaid{.slot = withdraw.slot, .message = done});
    });
  }
  void Begin(const Start& start) {
    const std::uint64_t attempt = start.execute.attempt.value;
    EXPECT_TRUE(started_.insert(attempt).second) << "attempt " << attempt << " started twice";
    EXPECT_TRUE(slots_.try_emplace(start.slot, attempt).second) << "slot " << start.slot << " is taken";
    const std::uint32_t slot = start.slot;
    if (random_.Below(3) == 0) {
      SlotOutput output;
      output.attempt = AttemptId{attempt};
      output.text = "hello\n";
      After(Duration::zero(), [=, this] { Step(SlotSaid{.slot = slot, .message = output}); });
    }
    if (!start.in_process && Chance(crash_)) {
      After(SomeDelay(), [=, this] { Die(slot, attempt, SIGSEGV); });
    } else if (!Chance(crash_ / 2)) {  // else it runs until it is stopped
      const bool quick = start.in_process && quick_ && !Chance(0.05);
      const Duration run = quick                   ? Duration(std::chrono::microseconds(1 + random_.Below(40)))
                           : random_.Below(2) == 0 ? SomeDelay()
                                                   : Duration(seconds(random_.Below(20)));
      After(run, [=, this] { End(slot, attempt, Outcome::kSucceeded, run); });
    }
  }
  void Perform(Terminate& terminate) {
    if (random_.Below(3) == 0 && !quiet_) return;  // deaf
    After(SomeDelay(), [this, terminate] {
      End(terminate.slot, terminate.attempt.value, random_.Below(4) == 0 ? Outcome::kSucceeded : Outcome::kFailed,
          seconds(5));
    });
  }
  void Perform(Kill& kill) {
    const auto found = slots_.find(kill.slot);
    ASSERT_NE(found, slots_.end());
    EXPECT_FALSE(in_process_.contains(found->second));
    killed_.insert(found->second);
    if (random_.Below(5) == 0 && !quiet_) return;  // it takes another one
    After(SomeDelay(), [this, slot = kill.slot, attempt = found->second] { Die(slot, attempt, SIGKILL); });
  }

  // ---- slots ----
  // No more faults; deaf threads hear at last.
  void Calm() {
    loss_ = doubling_ = cut_ = restart_ = crash_ = 0;
    quiet_ = true;
    const std::map<std::uint32_t, std::uint64_t> running = slots_;
    for (const auto& [slot, attempt] : running) {
      if (in_process_.contains(attempt)) End(slot, attempt, Outcome::kSucceeded, seconds(1));
    }
  }
  void End(std::uint32_t slot, std::uint64_t attempt, Outcome outcome, Duration execution) {
    const auto found = slots_.find(slot);
    if (found == slots_.end() || found->second != attempt || !ended_.insert(attempt).second) return;
    if (!killed_.contains(attempt)) slots_.erase(found);
    if (std::deque<Start>& line = lines_[slot]; !slots_.contains(slot) && !line.empty()) {
      const Start next = std::move(line.front());
      line.pop_front();
      Begin(next);  // its slot's thread does not wait for anybody
    }
    SlotDone done;
    done.attempt = AttemptId{attempt};
    done.outcome = outcome;
    done.execution = execution;
    Step(SlotSaid{.slot = slot, .message = done});
  }
  void Die(std::uint32_t slot, std::uint64_t attempt, int signal) {
    const auto found = slots_.find(slot);
    if (found == slots_.end() || found->second != attempt) return;
    slots_.erase(found);
    ended_.insert(attempt);
    Step(SlotDied{.slot = slot, .exit_code = 0, .signal = signal});
  }

  // ---- network ----
  void Dial() {
    up_ = true;
    ++connection_;
    Step(Connected{});
  }
  void Cut() {
    if (!up_) return;
    up_ = false;
    ++connection_;
    if (random_.Below(3) > 0) Step(Disconnected{"cut"});
  }
  // A message on its way; what is under way on a connection that ends is lost.
  void Carry(Message message, bool to_broker_control) {
    if (to_broker_control && !up_) return;
    for (int copies = Chance(loss_) ? 0 : Chance(doubling_) ? 2 : 1; copies > 0; --copies) {
      const Duration delay = reorder_ ? SomeDelay() : milliseconds(1);
      After(delay, [this, message, to_broker_control, connection = connection_] {
        if (!to_broker_control || connection == connection_) BrokerHears(message);
      });
    }
  }
  void ToAgent(Message message, bool on_heartbeat_channel = false) {
    if (!on_heartbeat_channel && !up_) return;
    for (int copies = Chance(loss_) ? 0 : Chance(doubling_) ? 2 : 1; copies > 0; --copies) {
      const Duration delay = reorder_ ? SomeDelay() : milliseconds(1);
      After(delay, [this, message, on_heartbeat_channel, connection = connection_] {
        if (!on_heartbeat_channel && connection != connection_) return;
        Step(Heard{.message = message, .on_heartbeat_channel = on_heartbeat_channel});
      });
    }
  }

  // ---- broker ----
  void Stir() {
    if (Chance(cut_)) Cut();
    if (Chance(restart_)) {
      ++epoch_;
      session_ = {};
      Cut();
    }
    if (!session_.valid()) return;
    const std::uint64_t kind = random_.Below(10);
    std::vector<AttemptId> some;
    for (const auto& [attempt, fate] : fates_) {
      if (fate == Fate::kAssigned && random_.Below(4) == 0) some.push_back(AttemptId{attempt});
    }
    if (kind == 0) {
      Order(Cancel{.session = {}, .number = 0, .attempts = some});
    } else if (kind == 1) {
      Order(TakeBack{.session = {}, .number = 0, .attempts = some});
    } else if (open() < 12) {
      Assign assign;
      assign.modules.push_back({.name = "m", .fingerprint = 0, .version = ""});
      assign.policies.resize(2);
      for (Policy& policy : assign.policies) policy.timeout = seconds(4 + random_.Below(10));
      assign.policies[1].isolation = Isolation::kInProcess;
      for (std::uint64_t count = 1 + random_.Below(quick_ ? 12 : 4); count > 0; --count) {
        Assignment task = Rig::Task(++last_attempt_, static_cast<std::int64_t>(random_.Below(4)));
        task.policy = random_.Below(quick_ ? 2 : 6) == 0 ? 1 : 0;
        fates_[last_attempt_] = Fate::kAssigned;
        assign.tasks.push_back(std::move(task));
      }
      Order(std::move(assign));
    }
  }
  std::size_t open() const {
    std::size_t count = 0;
    for (const auto& [attempt, fate] : fates_) count += fate == Fate::kAssigned;
    return count;
  }
  template <class M>
  void Order(M order) {
    order.session = session_;
    order.number = ++orders_sent_;
    orders_.emplace(order.number, order);
    ToAgent(std::move(order));
  }
  void Resend(std::uint64_t through) {
    orders_.erase(orders_.begin(), orders_.upper_bound(through));
    for (const auto& [number, order] : orders_) ToAgent(order);
  }
  void BrokerTick() {
    Beacon beacon;
    beacon.epoch = epoch_;
    ToAgent(beacon, true);
    if (session_.valid() && now_ - heard_ > seconds(30)) session_ = {};  // its attempts are revoked with the next hello
  }
  void BrokerHears(const Message& message) {
    if (const auto* hello = std::get_if<Hello>(&message)) return Greet(*hello);
    if (const auto* ping = std::get_if<Ping>(&message)) return ToAgent(Pong{ping->nonce});
    const auto* report = std::get_if<Report>(&message);
    const auto* beat = std::get_if<Beat>(&message);
    if (report == nullptr && beat == nullptr) return;
    const SessionId session = report != nullptr ? report->session : beat->session;
    if (session != session_ || !session.valid()) {
      return ToAgent(Refused{.code = RefusalCode::kUnknownSession, .reason = "", .retryable = true});
    }
    heard_ = now_;
    if (beat != nullptr) {
      if (beat->orders_through < orders_sent_) Resend(beat->orders_through);
      reports_made_ = std::max(reports_made_, beat->reports_through);
      return;
    }
    Take(*report);
  }
  void Greet(const Hello& hello) {
    heard_ = now_;
    const bool fresh = !session_.valid();
    if (fresh) {
      session_ = SessionId{EpochQualified(epoch_, ++sessions_)};
      orders_.clear();
      orders_sent_ = 0;
    }
    Welcome welcome;
    welcome.session = session_;
    welcome.epoch = epoch_;
    welcome.heartbeat_interval = seconds(2);
    welcome.lease = seconds(30);
    welcome.planes.heartbeat = welcome.planes.events = "x";
    std::set<std::uint64_t> held;
    for (const Held& one : hello.held) {
      held.insert(one.attempt.value);
      Fate& fate = fates_[one.attempt.value];
      if (fresh && fate == Fate::kAssigned && random_.Below(4) == 0) fate = Fate::kRevoked;
      (fate == Fate::kAssigned ? welcome.keep : welcome.drop).push_back(one.attempt);
    }
    for (auto& [attempt, fate] : fates_) {
      if (fresh && fate == Fate::kAssigned && !held.contains(attempt)) fate = Fate::kRevoked;
    }
    ToAgent(std::move(welcome));
    Resend(0);
  }
  void Take(const Report& report) {
    if (report.reports.empty()) return Resend(report.orders_through);
    Recorded recorded;
    recorded.session = session_;
    std::uint64_t number = report.first_number;
    for (const AttemptReport& one : report.reports) {
      if (number > reports_through_ + 1) break;
      if (number++ <= reports_through_) continue;
      ++reports_through_;
      EXPECT_TRUE(reported_.insert(one.attempt.value).second) << "two reports of attempt " << one.attempt.value;
      const auto found = fates_.find(one.attempt.value);
      ASSERT_NE(found, fates_.end());
      if (found->second == Fate::kAssigned) {
        found->second = Fate::kReported;
        EXPECT_TRUE(one.kind == ReportKind::kReturned || one.outcome != Outcome::kNone);
        EXPECT_FALSE(one.kind == ReportKind::kReturned && started_.contains(one.attempt.value));
      } else {
        recorded.dropped.push_back(one.attempt);
      }
    }
    recorded.through = reports_through_;
    ToAgent(std::move(recorded));
  }

  void Judge() {
    for (const auto& [attempt, fate] : fates_) {
      EXPECT_NE(fate, Fate::kAssigned) << "attempt " << attempt << " has no end";
    }
    EXPECT_TRUE(session_.valid());
    EXPECT_EQ(reports_made_, reports_through_);
    EXPECT_TRUE(kept_.empty()) << "what is recorded is still on disk";
    for (const auto& [slot, attempt] : slots_) {
      EXPECT_TRUE(in_process_.contains(attempt)) << "attempt " << attempt << " still runs in slot " << slot;
    }
  }

  Random random_;
  Agent agent_;
  Instant now_{};
  std::multimap<Instant, std::function<void()>> queue_;
  double loss_ = 0, doubling_ = 0, cut_ = 0, restart_ = 0, crash_ = 0;
  bool reorder_ = false, quiet_ = false, up_ = false, quick_ = false;
  std::uint64_t lined_up_ = 0;
  std::uint64_t connection_ = 0;

  std::map<std::uint32_t, std::uint64_t> slots_;
  std::map<std::uint32_t, std::deque<Start>> lines_;  // behind what runs there
  std::set<std::uint64_t> started_, ended_, killed_, in_process_, reported_, kept_;

  Epoch epoch_ = 1;
  SessionId session_;
  std::uint32_t sessions_ = 0;
  std::uint64_t orders_sent_ = 0, reports_through_ = 0, reports_made_ = 0, last_attempt_ = 0;
  std::map<std::uint64_t, Message> orders_;
  std::map<std::uint64_t, Fate> fates_;
  Instant heard_{};
};

TEST(Random, A04_EveryAttemptTakenComesToExactlyOneEnd) {
  std::uint64_t lined_up = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    world.Run();
    lined_up += world.lined_up();
    if (HasFailure()) break;
  }
  EXPECT_GT(lined_up, 500u);
}

}  // namespace
}  // namespace millrace::agent
