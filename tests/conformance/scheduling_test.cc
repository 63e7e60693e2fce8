// SPDX-License-Identifier: Apache-2.0
// Who runs what, when: slots, requirements, workers that come and go, order. Steps are held by files, so that what runs
// beside what is seen in their notes and not in a clock.
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <string>

#include "tests/conformance/conformance.h"

namespace millrace::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::size_t PlaceOf(const std::string& name, const std::vector<std::string>& names) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

// The most steps that were between their two notes at once.
int MostAtOnce(const std::vector<std::string>& notes) {
  int now = 0;
  int most = 0;
  for (const std::string& note : notes) {
    now += note.substr(0, 5) == "begin" ? 1 : -1;
    most = std::max(most, now);
  }
  return most;
}

Offer Tagged(const std::string& tag) {
  Offer offer;
  offer.tags = {tag};
  return offer;
}

Offer WithTool(const std::string& name, const std::string& version) {
  Offer offer;
  offer.tools = {{name, version}};
  return offer;
}

// Counts its executions. Most take microseconds, so that they line up behind each other; some hold the line up.
struct Tally {
  static constexpr std::string_view kName = "tally";
  static inline std::array<std::atomic<int>, 1000> ran{};
  std::int64_t number = 0;
  Policy policy() const { return {.isolation = Isolation::kInProcess}; }
  absl::Status Run(Context&) const {
    if (number % 250 == 125) poll(nullptr, 0, 10);
    ++ran[static_cast<std::size_t>(number)];
    return absl::OkStatus();
  }
};

TEST_P(Conformance, A04_ShortTasksOfAWorkersProcessRunOnceEach) {
  Registry registry = TestModules();
  registry.Add<Tally>();
  for (std::atomic<int>& ran : Tally::ran) ran = 0;
  Cluster cluster(Options(), registry);
  Pipeline pipeline;
  for (std::size_t i = 0; i < Tally::ran.size(); ++i) pipeline.Add(Tally{.number = static_cast<std::int64_t>(i)});
  const Ran ran = cluster.Run(pipeline);
  EXPECT_EQ(ran.run.state, RunState::kSucceeded);
  EXPECT_EQ(ran.run.succeeded, Tally::ran.size());
  for (std::size_t i = 0; i < Tally::ran.size(); ++i) EXPECT_EQ(Tally::ran[i], 1) << i;
}

TEST_P(Conformance, A25_AllSlotsAreUsedAtOnceAndNoMore) {
  Cluster cluster(Options(), TestModules());
  const int slots = Options().slots * cluster.workers();
  std::vector<Step> steps;
  for (int i = 0; i < 3 * slots; ++i) steps.push_back({.name = "s" + std::to_string(i), .until = "go"});
  const RunId run = cluster.Submit(StepsJob(steps)).run;
  // None of them ends before the file is there: that many run beside one another.
  WaitFor("every slot to be taken", [&] { return cluster.Begun().size() == static_cast<std::size_t>(slots); });
  for (const WorkerView& worker : cluster.Ask(QueryKind::kWorkers).workers) {
    EXPECT_EQ(worker.running, static_cast<std::uint32_t>(Options().slots)) << worker.name;
  }
  cluster.Touch("go");
  EXPECT_EQ(cluster.Follow(run).run.state, RunState::kSucceeded);
  EXPECT_EQ(MostAtOnce(cluster.Notes()), slots);
}

TEST_P(Conformance, A26_ATaskNeverGoesToAWorkerThatMissesSomething) {
  ClusterOptions options = Options();
  options.slots = 1;
  Cluster cluster(options, TestModules());
  Offer offer;
  offer.tags = {"GPU"};
  offer.tools = {{"CMake", "3.25.1"}};
  cluster.AddWorker(offer, "able");
  cluster.WaitForWorkers(static_cast<std::size_t>(cluster.workers()) + 1);
  std::vector<Step> steps;
  for (int i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    steps.push_back({.name = "any" + n});
    steps.push_back({.name = "tag" + n, .tags = {"gpu"}});
    steps.push_back({.name = "tool" + n, .tools = {"cmake>=3.20"}});
    steps.push_back({.name = "both" + n, .tags = {"Gpu"}, .tools = {"cmake<4", "CMAKE"}});
  }
  const Ran ran = cluster.Run(StepsJob(steps));
  ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  for (const TaskView& task : ran.tasks) {
    if (task.name.substr(0, 3) == "any") continue;
    EXPECT_EQ(task.worker, "able") << task.name;
  }
}

TEST_P(Conformance, A27_WhatNobodyCouldDoIsSaidAtOnceAndWhoCanIsUsedWhenItJoins) {
  Cluster cluster(Options(), TestModules());
  cluster.AddWorker(WithTool("cmake", "3.25.1"), "old");
  cluster.WaitForWorkers(static_cast<std::size_t>(cluster.workers()) + 1);
  const auto [run, warnings] =
      cluster.Submit(StepsJob({{.name = "build", .tools = {"cmake>=4"}}, {.name = "pack"}}, {{"pack", "build"}}));
  ASSERT_EQ(warnings.size(), 1u);
  for (const char* part : {"build", "cmake>=4", "3.25.1", "old"}) EXPECT_THAT(warnings[0], HasSubstr(part));
  EXPECT_EQ(cluster.TaskOf(run, "build").state, TaskState::kReady);
  cluster.AddWorker(WithTool("cmake", "4.1"), "new");
  const Ran ran = cluster.Follow(run);
  EXPECT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  EXPECT_EQ(ran.task("build").worker, "new");
}

TEST_P(Conformance, A28_TheFirstWorkerStartsTheRunAndOneThatDrainsTakesNothingNew) {
  ClusterOptions options = Options();
  options.workers = 0;
  options.slots = 1;
  Cluster cluster(options, TestModules());
  const RunId run =
      cluster
          .Submit(StepsJob(
              {{.name = "first", .until = "end-first"}, {.name = "second", .until = "end-second"}, {.name = "third"}},
              {{"third", "first"}}))
          .run;
  EXPECT_TRUE(cluster.Begun().empty());
  serve::Worker& leaving = cluster.AddWorker({}, "leaving");
  cluster.WaitForStep("first");
  cluster.AddWorker({}, "staying");
  cluster.WaitForStep("second");  // joined in the middle of the run, and has work
  Command drain;
  drain.kind = CommandKind::kDrainWorker;
  drain.target = "leaving";
  ASSERT_TRUE(cluster.client().Tell(drain).ok());
  EXPECT_EQ(cluster.WorkerNamed("leaving").state, WorkerState::kDraining);
  cluster.Touch("end-first");
  const serve::Worker::End end = leaving.Wait();
  EXPECT_EQ(end.code, 0) << end.reason;
  EXPECT_THAT(cluster.Begun("end"), ElementsAre("first"));  // its own; and what came then was left to others
  EXPECT_THAT(cluster.Begun(), UnorderedElementsAre("first", "second"));
  EXPECT_EQ(cluster.TaskOf(run, "third").state, TaskState::kAssigned);  // waits at the other worker
  cluster.Touch("end-second");
  const Ran ran = cluster.Follow(run);
  EXPECT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  EXPECT_EQ(ran.task("first").worker, "leaving");
  EXPECT_EQ(ran.task("third").worker, "staying");
}

TEST_P(Conformance, A29_PriorityThenTheLongestPathThenAge) {
  ClusterOptions options = Options();
  options.workers = 1;
  options.slots = 1;
  Cluster cluster(options, TestModules());
  const Ran ran = cluster.Run(StepsJob({{.name = "gate"},
                                        {.name = "old"},
                                        {.name = "young"},
                                        {.name = "long"},
                                        {.name = "urgent", .priority = 5},
                                        {.name = "below"},
                                        {.name = "bottom"}},
                                       {{"old", "gate"},
                                        {"young", "gate"},
                                        {"long", "gate"},
                                        {"urgent", "gate"},
                                        {"below", "long"},
                                        {"bottom", "below"}}));
  ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  const std::vector<std::string> order = cluster.Begun();
  EXPECT_EQ(PlaceOf("urgent", order), 1u) << Joined(order);
  EXPECT_EQ(PlaceOf("long", order), 2u) << Joined(order);
  EXPECT_LT(PlaceOf("old", order), PlaceOf("young", order)) << Joined(order);
}

TEST_P(Conformance, A29_WorkThatFewCanDoIsNotStarvedByWorkThatAllCan) {
  ClusterOptions options = Options();
  options.workers = 0;
  options.slots = 1;
  Cluster cluster(options, TestModules());
  cluster.AddWorker(Tagged("special"), "special");
  cluster.AddWorker(Tagged("plain"), "plain");
  cluster.WaitForWorkers(2);
  std::vector<Step> steps{{.name = "gate", .tags = {"plain"}}};
  for (int i = 0; i < 6; ++i) steps.push_back({.name = "general" + std::to_string(i)});
  for (int i = 0; i < 2; ++i) steps.push_back({.name = "special" + std::to_string(i), .tags = {"special"}});
  std::vector<std::pair<std::string, std::string>> needs;
  for (const Step& step : steps) {
    if (step.name != "gate") needs.emplace_back(step.name, "gate");
  }
  const Ran ran = cluster.Run(StepsJob(steps, needs));
  ASSERT_EQ(ran.run.state, RunState::kSucceeded) << ran.run.root_cause;
  // Behind six older ones, and yet the first that their only worker runs.
  std::vector<std::string> there;
  for (const std::string& name : cluster.Begun()) {
    if (ran.task(name).worker == "special") there.push_back(name);
  }
  EXPECT_EQ(PlaceOf("special0", there), 0u) << Joined(there);
  EXPECT_EQ(PlaceOf("special1", there), 1u) << Joined(there);
}

TEST_F(Distributed, A30_PreferringLocalBreaksTiesAndNothingElse) {
  ClusterOptions options = Options();
  options.brain.prefer_local = true;
  Cluster cluster(options, TestModules());
  cluster.AddWorker({}, "here", /*local=*/true);
  cluster.AddWorker(Tagged("gpu"), "gpu");
  cluster.WaitForWorkers(4);
  const RunId run = cluster
                        .Submit(StepsJob({{.name = "a", .until = "go"},
                                          {.name = "b", .until = "go"},
                                          {.name = "c", .until = "go"},
                                          {.name = "graphics", .until = "go", .tags = {"gpu"}}}))
                        .run;
  for (const char* name : {"a", "b", "c", "graphics"}) cluster.WaitForStep(name);
  cluster.Touch("go");
  const Ran ran = cluster.Follow(run);
  EXPECT_EQ(ran.task("a").worker, "here");
  EXPECT_EQ(ran.task("b").worker, "here");
  EXPECT_NE(ran.task("c").worker, "here");  // its slots were taken, others idled
  EXPECT_EQ(ran.task("graphics").worker, "gpu");
}

TEST_P(Conformance, A31_ADependantStartsWhenItsOwnDependenciesAreDone) {
  ClusterOptions options = Options();
  options.workers = 1;
  Cluster cluster(options, TestModules());
  const RunId run = cluster
                        .Submit(StepsJob({{.name = "slow", .until = "go"},
                                          {.name = "quick"},
                                          {.name = "quicker"},
                                          {.name = "last-of-quick"},
                                          {.name = "after-slow"}},
                                         {{"quicker", "quick"}, {"last-of-quick", "quicker"}, {"after-slow", "slow"}}))
                        .run;
  cluster.WaitForStep("last-of-quick", "end");  // the third wave, while the first has not ended
  cluster.WaitForStep("slow");
  EXPECT_EQ(PlaceOf("slow", cluster.Begun("end")), cluster.Begun("end").size());
  EXPECT_FALSE(HasEnded(cluster.RunOf(run).state));
  cluster.Touch("go");
  const Ran ran = cluster.Follow(run);
  EXPECT_EQ(ran.run.state, RunState::kSucceeded);
  EXPECT_EQ(ran.task("last-of-quick").wave, 3u);
  EXPECT_EQ(cluster.Begun().back(), "after-slow");
}

TEST_P(Conformance, A32_WorkThatWaitsAtOneWorkerIsTakenBackForOneThatIdles) {
  ClusterOptions options = Options();
  options.workers = 1;
  options.slots = 1;
  Cluster cluster(options, TestModules());
  const RunId run = cluster.Submit(StepsJob({{.name = "held", .until = "go"}, {.name = "waiting"}})).run;
  cluster.WaitForStep("held");
  WaitFor("a task to wait at w1", [&] { return cluster.WorkerNamed("w1").prefetched == 1; });
  cluster.AddWorker({}, "idle");
  cluster.WaitForStep("waiting", "end");  // while the slot it had waited for is taken
  cluster.Touch("go");
  const Ran ran = cluster.Follow(run);
  EXPECT_EQ(ran.run.state, RunState::kSucceeded);
  EXPECT_EQ(ran.task("waiting").worker, "idle");
  EXPECT_EQ(ran.task("waiting").try_number, 1u);
}

}  // namespace
}  // namespace millrace::testing
