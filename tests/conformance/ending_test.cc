// SPDX-License-Identifier: Apache-2.0
// How tasks and runs end: tries, failures that spread or do not, teardown, cancels, losses.
#include <signal.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "millrace/model/watch.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/raw_worker.h"

namespace millrace::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

JobSpec NotIdempotent(const Pipeline& pipeline) {
  JobSpec job = pipeline.ToJob().value();
  for (Policy& policy : job.policies) {
    policy.idempotent = false;
    policy.retries = 3;
    policy.retry_on = RetryOn::kAny;
  }
  return job;
}

// The processes that End{nap} and End{sleep} write down: the shell and what it has started.
std::vector<pid_t> WaitForTree(const Cluster& cluster) {
  std::vector<pid_t> pids;
  WaitFor("the processes of the module", [&] {
    std::ifstream file(cluster.scratch() / "pid");
    pids.assign(std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>());
    return pids.size() == 3;
  });
  return pids;
}

TEST_P(Conformance, AQuestionForTheEndIsAnsweredWhenItIsThere) {
  Cluster cluster(Options(), TestModules());
  const client::Submitted submitted = cluster.Submit(Pipeline{End{.how = "nap"}});
  WaitForTree(cluster);
  std::thread canceller([&] {
    const auto other = cluster.MakeClient();
    Command cancel;
    cancel.kind = CommandKind::kCancelRun;
    cancel.run = submitted.run;
    EXPECT_TRUE(other->Tell(cancel).ok());
  });
  Query query;
  query.kind = QueryKind::kRun;
  query.run = submitted.run;
  query.since = kUntilEnded;
  const auto answer = cluster.client().Ask(query);
  canceller.join();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->runs.at(0).state, RunState::kCancelled);
}

TEST_P(Conformance, A08_WhatIsNotIdempotentHasOneTryHoweverItFails) {
  Cluster cluster(Options(), TestModules());
  for (const char* how : {"second", "crash", "error"}) {  // transient, its process killed, plain
    const Ran ran = cluster.Run(NotIdempotent(Pipeline{End{.how = how}}));
    EXPECT_EQ(ran.run.state, RunState::kFailed) << how;
    EXPECT_EQ(ran.tasks.at(0).try_number, 1u) << how;
    EXPECT_THAT(ran.tasks.at(0).reason, HasSubstr("not idempotent")) << how;
  }
}

TEST_P(Conformance, A01_A08_WhatALostWorkerHeldRunsElsewhereUnlessItIsNotIdempotent) {
  ClusterOptions options = Options();
  options.workers = 0;
  options.brain.lease = std::chrono::seconds(2);
  Cluster cluster(options, TestModules());
  Offer offer;
  offer.cpus = 2;
  offer.modules = TestModules().Offered();
  RawWorker doomed(cluster.Connect(), "doomed", offer);
  doomed.Attach();
  JobSpec job =
      StepsJob({{.name = "again"}, {.name = "once", .idempotent = false}, {.name = "after"}}, {{"after", "again"}});
  job.fail_mode = FailMode::kKeepGoing;
  const RunId run = cluster.Submit(job).run;
  for (std::size_t got = 0; got < 2;) got += doomed.Take<Assign>().tasks.size();
  doomed.Vanish();
  cluster.AddWorker({}, "heir");
  const Ran ran = cluster.Follow(run);
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_EQ(ran.task("again").outcome, Outcome::kSucceeded);
  EXPECT_EQ(ran.task("again").worker, "heir");
  EXPECT_EQ(ran.task("after").outcome, Outcome::kSucceeded);
  EXPECT_EQ(ran.task("once").outcome, Outcome::kLost);
  EXPECT_THAT(ran.task("once").reason, HasSubstr("not idempotent"));
  EXPECT_THAT(ran.task("once").failure.message, HasSubstr("doomed"));
  EXPECT_THAT(cluster.Begun(), ElementsAre("again", "after"));  // nobody ever ran the other
}

TEST_P(Conformance, A16_FailFastCancelsTheRest) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{Step{.name = "beside", .until = "never"}, End{.how = "error"}, After{}});
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_EQ(ran.run.failed, 1u);
  EXPECT_EQ(ran.run.cancelled, 1u);
  EXPECT_EQ(ran.run.skipped, 1u);
  EXPECT_EQ(ran.tasks.at(0).outcome, Outcome::kCancelled);
  EXPECT_THAT(ran.tasks.at(0).reason, HasSubstr("the sky is green"));
}

TEST_P(Conformance, A16_FailFastCancelsTheRestAlsoWhenNothingNeedsWhatFailed) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{Step{.name = "beside", .until = "never"}, End{.how = "error"}});
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_EQ(ran.tasks.at(0).outcome, Outcome::kCancelled);
}

TEST_P(Conformance, A16_KeepGoingFinishesWhatIsIndependent) {
  Cluster cluster(Options(), TestModules());
  Pipeline pipeline{Step{.name = "beside", .until = "go"}, End{.how = "error"}, After{}};
  const RunId run = cluster.Submit(std::move(pipeline).KeepGoing()).run;
  WaitFor("the failure", [&] { return cluster.RunOf(run).failed == 1; });
  cluster.Touch("go");
  const Ran ran = cluster.Follow(run);
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_EQ(ran.tasks.at(0).outcome, Outcome::kSucceeded);
  EXPECT_EQ(ran.task("after").outcome, Outcome::kDependencyFailed);
}

TEST_P(Conformance, A17_AFailingTeardownNeverHidesTheRootCause) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{End{.how = "error"}, After{.always = true, .fails = true}});
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_EQ(ran.run.failed, 2u);
  EXPECT_THAT(ran.run.root_cause, HasSubstr("the sky is green"));
  EXPECT_THAT(ran.tasks.at(1).failure.message, HasSubstr("the broom is broken"));
}

// Whatever a module does to its process, it is a failed attempt with a reason, and the worker lives.
TEST_P(Conformance, A04_EveryEndOfAModulesProcessIsAFailureOfItsTaskAlone) {
  Cluster cluster(Options(), TestModules());
  Pipeline pipeline;
  for (const char* how : {"quit", "abort", "segfault", "throw-aside", "spin"}) {
    pipeline.Add(End{.how = how, .tries = 0});
  }
  const Ran ran = cluster.Run(std::move(pipeline).KeepGoing());
  EXPECT_EQ(ran.run.failed, 5u);
  for (const TaskView& task : ran.tasks) {
    const bool timed = task.name == "end[how=spin,tries=0]";
    EXPECT_EQ(task.outcome, timed ? Outcome::kTimedOut : Outcome::kFailed) << task.name;
    EXPECT_EQ(task.try_number, 1u) << task.name;
    EXPECT_THAT(task.failure.message, HasSubstr(timed ? "limit 300ms" : "module process died: ")) << task.name;
    EXPECT_FALSE(task.failure.out_of_memory);
  }
  EXPECT_EQ(ran.task("end[how=quit,tries=0]").failure.exit_code, 3);
  EXPECT_EQ(ran.task("end[how=throw-aside,tries=0]").failure.signal, SIGABRT);
  EXPECT_EQ(cluster.Run(Pipeline{End{}}).run.state, RunState::kSucceeded);
}

TEST_P(Conformance, A04_WhatGoesOverItsMemoryLimitFailsForThatReasonOnce) {
  Cluster cluster(Options(), TestModules());
  Pipeline pipeline{End{.how = "eat"}, End{.how = "eat-in-a-shell"}, End{}};
  const Ran ran = cluster.Run(std::move(pipeline).KeepGoing());
  EXPECT_EQ(ran.run.failed, 2u);
  for (const char* name : {"end[how=eat]", "end[how=eat-in-a-shell]"}) {
    const TaskView& task = ran.task(name);
    EXPECT_EQ(task.outcome, Outcome::kFailed) << name;
    EXPECT_TRUE(task.failure.out_of_memory) << name;
    EXPECT_FALSE(task.failure.crashed) << name;
    EXPECT_THAT(task.failure.message, HasSubstr("out of memory: used ")) << name;
    EXPECT_THAT(task.failure.message, HasSubstr(", limit 64MiB (memory_limit)")) << name;
    EXPECT_EQ(task.try_number, 1u) << name;
  }
  EXPECT_EQ(ran.task("end").outcome, Outcome::kSucceeded) << "its neighbour";
  // Who says that it is worth it has its tries.
  const Ran again = cluster.Run(Pipeline{End{.how = "eat", .tries = 1}});
  EXPECT_EQ(again.tasks.at(0).try_number, 2u);
}

TEST_P(Conformance, A18_ATimeoutIsForEachAttempt) {
  Cluster cluster(Options(), TestModules());
  const Ran ran = cluster.Run(Pipeline{End{.how = "sleep", .tries = 1}});
  EXPECT_EQ(ran.tasks.at(0).outcome, Outcome::kTimedOut);
  EXPECT_EQ(ran.tasks.at(0).try_number, 2u);
}

TEST_P(Conformance, A18_TimeInTheQueueDoesNotCount) {
  ClusterOptions options = Options();
  options.workers = 1;
  options.slots = 1;
  Cluster cluster(options, TestModules());
  const RunId run =
      cluster.Submit(StepsJob({{.name = "holds", .until = "go"}, {.name = "queued", .timeout_ms = 1000}})).run;
  WaitFor("a wait longer than the timeout",
          [&] { return cluster.RunOf(run).elapsed > std::chrono::milliseconds(1500); });
  cluster.Touch("go");
  EXPECT_EQ(cluster.Follow(run).run.state, RunState::kSucceeded);
}

TEST_P(Conformance, A20_A17_ACancelReachesWhatRunsAndTeardownStillRuns) {
  Cluster cluster(Options(), TestModules());
  const RunId run = cluster.Submit(Pipeline{End{.how = "nap"}, After{.always = true}}).run;
  const std::vector<pid_t> pids = WaitForTree(cluster);
  const Duration asked = cluster.RunOf(run).elapsed;
  cluster.Cancel(run);
  const Ran ran = cluster.Follow(run);
  EXPECT_EQ(ran.run.state, RunState::kCancelled);
  EXPECT_EQ(ran.task("end[how=nap]").outcome, Outcome::kCancelled);
  EXPECT_LT(ran.task("end[how=nap]").ended - asked, std::chrono::seconds(20));  // ten times what is promised
  EXPECT_EQ(ran.task("after[always=true]").outcome, Outcome::kSucceeded);
  for (const pid_t pid : pids) {
    WaitFor(std::to_string(pid) + " to be gone", [&] { return kill(pid, 0) != 0; });
  }
}

TEST_P(Conformance, A04_ArgumentsThatDoNotDecodeEndInOneOutcome) {
  Cluster cluster(Options(), TestModules());
  JobSpec job = Pipeline{Produce{}, Produce{.bytes = 1}}.ToJob().value();
  job.tasks[0].inputs = Bytes(std::string("\xc1 is never valid"));
  job.fail_mode = FailMode::kKeepGoing;
  const Ran ran = cluster.Run(job);
  EXPECT_EQ(ran.run.state, RunState::kFailed);
  EXPECT_EQ(ran.tasks.at(0).outcome, Outcome::kFailed);
  EXPECT_THAT(ran.tasks.at(0).failure.message, HasSubstr("inputs"));
  EXPECT_EQ(ran.tasks.at(1).outcome, Outcome::kSucceeded);
}

TEST_P(Conformance, A46_TwoRunsAtOnceKnowNothingOfEachOther) {
  ClusterOptions options = Options();
  options.slots = 4;
  Cluster cluster(options, TestModules());
  const JobSpec job =
      StepsJob({{.name = "a", .until = "go"}, {.name = "b", .until = "go"}, {.name = "c"}}, {{"c", "a"}, {"c", "b"}});
  const RunId given_up = cluster.Submit(job).run;
  const RunId kept = cluster.Submit(job).run;
  EXPECT_NE(given_up, kept);
  WaitFor("both runs to run", [&] { return cluster.Begun().size() == 4; });
  cluster.Cancel(given_up);
  EXPECT_EQ(cluster.Follow(given_up).run.state, RunState::kCancelled);
  EXPECT_FALSE(HasEnded(cluster.RunOf(kept).state));
  cluster.Touch("go");
  const Ran ran = cluster.Follow(kept);
  EXPECT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  EXPECT_EQ(ran.run.succeeded, 3u);
  for (const std::string& note : cluster.Notes()) {
    if (note.substr(0, 3) != "end") continue;
    EXPECT_THAT(note, HasSubstr(RunName(kept)));
  }
}

}  // namespace
}  // namespace millrace::testing
