// SPDX-License-Identifier: Apache-2.0
// Slots with real module hosts and threads: every end of a module is told once, and the slot is good for the next.
#include "millrace/serve/slot_set.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/api/host.h"
#include "millrace/exec/tree.h"
#include "millrace/wire/lz4.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::AllOf;
using testing::HasSubstr;

enum class Where { kHost, kThread };

// Slots and the loop around them; what they have said is in `events`.
class Bench {
 public:
  explicit Bench(std::uint32_t slots = 2, std::string work_dir = "", bool new_privileges = false) {
    SlotSet::Options options;
    options.slots = slots;
    options.registry = &TestModules();
    options.host_args = {kModuleHostWord};
    options.confinement.new_privileges = new_privileges;
    options.secrets.directory = secrets().string();
    options.work_dir = work_dir.empty() ? folder_.path().string() : std::move(work_dir);
    options.max_frame = 64u << 20;
    set_.emplace(std::move(options));
  }

  AttemptId Start(std::uint32_t slot, Where where, const std::string& how, const std::string& module = "play",
                  std::int64_t memory_limit = 0, SecretNames secrets = {}) {
    agent::Start start;
    start.secrets = std::move(secrets);
    start.memory_limit = memory_limit;
    start.slot = slot;
    start.in_process = where == Where::kThread;
    start.execute.attempt = AttemptId{++last_attempt_};
    start.execute.task = {RunId{1}, 0};
    start.execute.name = how;
    start.execute.module = module;
    start.execute.inputs.bytes = PlayInputs(how);
    start.execute.work_dir = folder_.path().string();
    start.execute.kill_grace = std::chrono::milliseconds(100);
    set_->Start(std::move(start));
    set_->Flush();
    return AttemptId{last_attempt_};
  }
  SlotSet& slots() { return *set_; }
  const std::filesystem::path& secrets() const { return secrets_.path(); }
  void Drop() { set_.reset(); }

  // Polls until `done` or for half a minute.
  template <class Done>
  bool Until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::vector<net::PollItem> items;
      set_->AppendPollItems(items);
      EXPECT_TRUE(poller_.Wait(items, deadline).ok());
      std::vector<agent::SlotSaid> by_threads;
      std::vector<agent::Event> by_hosts;
      set_->Collect(by_threads, by_hosts);
      std::move(by_threads.begin(), by_threads.end(), std::back_inserter(events));
      std::move(by_hosts.begin(), by_hosts.end(), std::back_inserter(events));
    }
    return true;
  }
  const SlotDone* FindDone(AttemptId attempt) const {
    for (const agent::Event& event : events) {
      const auto* said = std::get_if<agent::SlotSaid>(&event);
      const auto* done = said == nullptr ? nullptr : std::get_if<SlotDone>(&said->message);
      if (done != nullptr && done->attempt == attempt) return done;
    }
    return nullptr;
  }
  SlotDone AwaitDone(AttemptId attempt) {
    EXPECT_TRUE(Until([&] { return FindDone(attempt) != nullptr; })) << "attempt " << attempt.value;
    const SlotDone* done = FindDone(attempt);
    return done == nullptr ? SlotDone{} : *done;
  }
  std::vector<agent::SlotDied> Deaths() const {
    std::vector<agent::SlotDied> deaths;
    for (const agent::Event& event : events) {
      if (const auto* died = std::get_if<agent::SlotDied>(&event)) deaths.push_back(*died);
    }
    return deaths;
  }
  std::string Printed(AttemptId attempt, bool is_stderr) const {
    std::string text;
    for (const agent::Event& event : events) {
      const auto* said = std::get_if<agent::SlotSaid>(&event);
      const auto* output = said == nullptr ? nullptr : std::get_if<SlotOutput>(&said->message);
      if (output != nullptr && output->attempt == attempt && output->is_stderr == is_stderr) text += output->text;
    }
    return text;
  }

  std::vector<agent::Event> events;

 private:
  TemporaryDirectory folder_;
  TemporaryDirectory secrets_;
  std::optional<SlotSet> set_;
  net::Poller poller_;
  std::uint64_t last_attempt_ = 0;
};

class SlotSetTest : public testing::TestWithParam<Where> {};
INSTANTIATE_TEST_SUITE_P(Where, SlotSetTest, testing::Values(Where::kHost, Where::kThread),
                         [](const auto& where) { return where.param == Where::kHost ? "Host" : "Thread"; });

TEST_P(SlotSetTest, AValueComesBackWithItsAttempt) {
  Bench bench;
  const AttemptId attempt = bench.Start(1, GetParam(), "well");
  const SlotDone done = bench.AwaitDone(attempt);
  EXPECT_EQ(done.outcome, Outcome::kSucceeded) << done.failure.message;
  EXPECT_FALSE(done.result.bytes.empty());
  EXPECT_GT(done.execution, Duration::zero());
}

TEST_P(SlotSetTest, CommandsGainNoPrivilegesUnlessTheyMay) {
  for (const bool may : {false, true}) {
    if (may && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) GTEST_SKIP() << "we may not gain any ourselves";
    Bench bench(1, "", may);
    const AttemptId attempt = bench.Start(0, GetParam(), "privileges");
    ASSERT_EQ(bench.AwaitDone(attempt).outcome, Outcome::kSucceeded);
    EXPECT_EQ(bench.Printed(attempt, false), may ? "NoNewPrivs:\t0\n" : "NoNewPrivs:\t1\n");
  }
}

TEST_P(SlotSetTest, A41_ASecretIsKnownToTheTaskAndNotShown) {
  Bench bench;
  std::ofstream(bench.secrets() / "the-token") << "correct-horse-battery\n";
  std::filesystem::permissions(bench.secrets() / "the-token", std::filesystem::perms::owner_read);
  const AttemptId attempt = bench.Start(1, GetParam(), "secret", "play", 0, {{"TOKEN", "the-token"}});
  const SlotDone done = bench.AwaitDone(attempt);
  ASSERT_EQ(done.outcome, Outcome::kSucceeded) << done.failure.message;
  EXPECT_EQ(bench.Printed(attempt, false), "command: ***\n***\n");
  // On a thread, the standard streams are the worker's.
  EXPECT_EQ(bench.Printed(attempt, true), GetParam() == Where::kHost ? "module: ***" : "");
  EXPECT_EQ(DecodeValue<std::string>(wire::UnpackPayload(done.result.bytes, 1000).value()).value(),
            "command: ***\n***\n");

  // One that cannot be had fails the task for good, before anything of it runs.
  const SlotDone failed = bench.AwaitDone(bench.Start(1, GetParam(), "secret", "play", 0, {{"TOKEN", "another"}}));
  EXPECT_EQ(failed.outcome, Outcome::kFailed);
  EXPECT_FALSE(failed.failure.transient);
  EXPECT_THAT(failed.failure.message, HasSubstr("the secret 'another' is not known here"));
  // The next one has none.
  EXPECT_EQ(bench.AwaitDone(bench.Start(1, GetParam(), "well")).outcome, Outcome::kSucceeded);
}

TEST_P(SlotSetTest, A04_A37_AModuleThatThrowsIsAFailureWithItsType) {
  Bench bench;
  const SlotDone done = bench.AwaitDone(bench.Start(0, GetParam(), "throw"));
  EXPECT_EQ(done.outcome, Outcome::kFailed);
  EXPECT_THAT(done.failure.message, HasSubstr("thrown on purpose"));
  EXPECT_THAT(done.failure.exception, HasSubstr("runtime_error"));
  // The slot is as good as before.
  EXPECT_EQ(bench.AwaitDone(bench.Start(0, GetParam(), "well")).outcome, Outcome::kSucceeded);
  EXPECT_TRUE(bench.Deaths().empty());
}

TEST_P(SlotSetTest, A04_AModuleThatIsNotKnownIsAFailureThatNamesIt) {
  Bench bench;
  const SlotDone done = bench.AwaitDone(bench.Start(0, GetParam(), "well", "plya"));
  EXPECT_EQ(done.outcome, Outcome::kFailed);
  EXPECT_THAT(done.failure.message, AllOf(HasSubstr("plya"), HasSubstr("play")));
}

TEST_P(SlotSetTest, WhatIsPrintedComesBeforeTheEndAndByStream) {
  Bench bench;
  const AttemptId attempt = bench.Start(0, GetParam(), "print");
  EXPECT_EQ(bench.AwaitDone(attempt).outcome, Outcome::kSucceeded);
  EXPECT_EQ(bench.Printed(attempt, false), "a line\n");
  EXPECT_EQ(bench.Printed(attempt, true), "an error\n");
  const auto* last = std::get_if<agent::SlotSaid>(&bench.events.back());
  ASSERT_NE(last, nullptr);
  EXPECT_TRUE(std::holds_alternative<SlotDone>(last->message));
}

TEST_P(SlotSetTest, TerminateAsksOneModuleToStop) {
  Bench bench;
  const AttemptId first = bench.Start(0, GetParam(), "wait");
  const AttemptId second = bench.Start(1, GetParam(), "wait");
  ASSERT_TRUE(
      bench.Until([&] { return !bench.Printed(first, false).empty() && !bench.Printed(second, false).empty(); }));
  bench.slots().Terminate(0, first);
  EXPECT_EQ(bench.AwaitDone(first).outcome, Outcome::kCancelled);
  EXPECT_EQ(bench.FindDone(second), nullptr);
  bench.slots().Terminate(1, second);
  EXPECT_EQ(bench.AwaitDone(second).outcome, Outcome::kCancelled);
  EXPECT_EQ(bench.AwaitDone(bench.Start(0, GetParam(), "well")).outcome, Outcome::kSucceeded);
}

// As when it comes with the order to start, or right behind it.
TEST(SlotSetThreadTest, A20_AStopBeforeTheThreadHasComeToItIsNotLost) {
  Bench bench;
  const AttemptId first = bench.Start(0, Where::kThread, "wait");
  const AttemptId second = bench.Start(0, Where::kThread, "wait");
  bench.slots().Terminate(0, second);
  const SlotDone done = bench.AwaitDone(second);
  EXPECT_EQ(done.outcome, Outcome::kCancelled);
  EXPECT_TRUE(done.started);
  EXPECT_EQ(done.failure.message, "stopped before it started");
  bench.slots().Terminate(0, first);
  EXPECT_EQ(bench.AwaitDone(first).outcome, Outcome::kCancelled);
}

// A stop that comes late must not hit the attempt that runs there now.
TEST_P(SlotSetTest, TerminateOfAnEarlierAttemptStopsNothing) {
  Bench bench;
  const AttemptId earlier = bench.Start(0, GetParam(), "well");
  bench.AwaitDone(earlier);
  const AttemptId now = bench.Start(0, GetParam(), "wait");
  ASSERT_TRUE(bench.Until([&] { return !bench.Printed(now, false).empty(); }));
  bench.slots().Terminate(0, earlier);
  // By the time that another slot has done something, the stop would have arrived.
  bench.AwaitDone(bench.Start(1, GetParam(), "well"));
  EXPECT_EQ(bench.FindDone(now), nullptr);
  bench.slots().Terminate(0, now);
  EXPECT_EQ(bench.AwaitDone(now).outcome, Outcome::kCancelled);
}

TEST_P(SlotSetTest, EndsWhileAModuleRuns) {
  Bench bench;
  const AttemptId attempt = bench.Start(0, GetParam(), "wait");
  ASSERT_TRUE(bench.Until([&] { return !bench.Printed(attempt, false).empty(); }));
  bench.Drop();  // returns
}

TEST(SlotSetHostTest, A04_AHostThatExitsOrCrashesIsADeathAndTheNextAttemptRuns) {
  Bench bench;
  bench.Start(0, Where::kHost, "exit");
  ASSERT_TRUE(bench.Until([&] { return bench.Deaths().size() == 1; }));
  EXPECT_EQ(bench.Deaths()[0].slot, 0u);
  EXPECT_EQ(bench.Deaths()[0].exit_code, 3);
  bench.Start(0, Where::kHost, "crash");
  ASSERT_TRUE(bench.Until([&] { return bench.Deaths().size() == 2; }));
  EXPECT_EQ(bench.Deaths()[1].signal, SIGKILL);
  EXPECT_EQ(bench.AwaitDone(bench.Start(0, Where::kHost, "well")).outcome, Outcome::kSucceeded);
}

TEST(SlotSetHostTest, A04_AHostOverItsMemoryLimitDiesForThatReasonAndTheNextHasItsOwn) {
  constexpr std::int64_t kLimit = 64 << 20;
  Bench bench(1);
  const AttemptId eats = bench.Start(0, Where::kHost, "eat", "play", kLimit);
  ASSERT_TRUE(bench.Until([&] { return bench.Deaths().size() == 1; }));
  EXPECT_GT(bench.Deaths()[0].memory_used, kLimit);
  EXPECT_FALSE(bench.Deaths()[0].oom_killed || bench.Deaths()[0].done.has_value());
  EXPECT_EQ(bench.FindDone(eats), nullptr);
  const AttemptId unlimited = bench.Start(0, Where::kHost, "eat");
  ASSERT_TRUE(bench.Until([&] { return bench.Printed(unlimited, false) == "full\n"; }));
  bench.slots().Kill(0);
  ASSERT_TRUE(bench.Until([&] { return bench.Deaths().size() == 2; }));
  EXPECT_EQ(bench.Deaths()[1].memory_used, 0);
}

TEST(SlotSetHostTest, A04_AKilledSupervisorIsADeathThatSaysSo) {
  Bench bench(1);
  const AttemptId attempt = bench.Start(0, Where::kHost, "wait");
  ASSERT_TRUE(bench.Until([&] { return !bench.Printed(attempt, false).empty(); }));
  const std::vector<pid_t> below = exec::Descendants(getpid());  // the supervisor is the one child of ours
  ASSERT_FALSE(below.empty());
  kill(below.front(), SIGKILL);
  ASSERT_TRUE(bench.Until([&] { return !bench.Deaths().empty(); }));
  EXPECT_TRUE(bench.Deaths()[0].supervisor_lost);
  EXPECT_EQ(bench.AwaitDone(bench.Start(0, Where::kHost, "well")).outcome, Outcome::kSucceeded);
}

TEST(SlotSetHostTest, A20_KillEndsWhatDoesNotListenAndNothingElse) {
  Bench bench;
  const AttemptId deaf = bench.Start(0, Where::kHost, "deaf");
  const AttemptId other = bench.Start(1, Where::kHost, "wait");
  ASSERT_TRUE(bench.Until([&] { return !bench.Printed(deaf, false).empty() && !bench.Printed(other, false).empty(); }));
  bench.slots().Terminate(0, deaf);
  bench.slots().Kill(0);
  ASSERT_TRUE(bench.Until([&] { return !bench.Deaths().empty(); }));
  EXPECT_EQ(bench.Deaths()[0].slot, 0u);
  EXPECT_EQ(bench.Deaths()[0].signal, SIGKILL);
  EXPECT_EQ(bench.FindDone(deaf), nullptr);
  bench.slots().Terminate(1, other);
  EXPECT_EQ(bench.AwaitDone(other).outcome, Outcome::kCancelled);
  EXPECT_EQ(bench.AwaitDone(bench.Start(0, Where::kHost, "well")).outcome, Outcome::kSucceeded);
}

TEST(SlotSetHostTest, OneHostServesManyAttempts) {
  Bench bench(1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(bench.AwaitDone(bench.Start(0, Where::kHost, "well")).outcome, Outcome::kSucceeded);
  }
  EXPECT_TRUE(bench.Deaths().empty());
}

TEST(SlotSetHostTest, KillOfASlotThatNeverRanIsNothing) {
  Bench bench;
  bench.slots().Kill(0);
  bench.slots().Terminate(1, AttemptId{7});
  bench.slots().Kill(99);
  bench.slots().Terminate(99, AttemptId{7});
  EXPECT_EQ(bench.AwaitDone(bench.Start(0, Where::kHost, "well")).outcome, Outcome::kSucceeded);
}

TEST(SlotSetHostTest, A04_AHostThatCannotBeStartedEndsItsAttempt) {
  Bench bench(1, "/nowhere/at/all");
  const AttemptId attempt = bench.Start(0, Where::kHost, "well");
  ASSERT_TRUE(bench.Until([&] { return bench.FindDone(attempt) != nullptr || !bench.Deaths().empty(); }));
  if (const SlotDone* done = bench.FindDone(attempt)) {
    EXPECT_EQ(done->outcome, Outcome::kFailed);
    EXPECT_TRUE(done->failure.transient);
  }
}

TEST(SlotSetThreadTest, HostAndThreadOfOneSlotDoNotDisturbEachOther) {
  Bench bench(1);
  const AttemptId hosted = bench.Start(0, Where::kHost, "well");
  const AttemptId threaded = bench.Start(0, Where::kThread, "throw");
  EXPECT_EQ(bench.AwaitDone(hosted).outcome, Outcome::kSucceeded);
  EXPECT_EQ(bench.AwaitDone(threaded).outcome, Outcome::kFailed);
}

}  // namespace
}  // namespace millrace::serve
