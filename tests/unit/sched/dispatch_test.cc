// SPDX-License-Identifier: Apache-2.0
// Who gets what, and how evenly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <queue>

#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(DispatchTest, A25_EqualTasksSpreadOverWorkers) {
  Rig rig;
  rig.Join("w1", {.cpus = 4});
  rig.Join("w2", {.cpus = 4});
  Job job;
  for (int i = 0; i < 8; ++i) job.Task("t" + std::to_string(i));
  rig.Submit(job.spec);
  EXPECT_EQ(rig.Assigned("w1").size(), 4u);
  EXPECT_EQ(rig.Assigned("w2").size(), 4u);
}

// Workers that take their orders in no time and run each task for as long as it takes; returns the makespan.
Duration Makespan(int workers, std::int64_t slots, int tasks, Duration each, Duration trip) {
  Rig rig;
  for (int i = 0; i < workers; ++i) rig.Join("w" + std::to_string(i), {.cpus = slots});
  Job job;
  for (int i = 0; i < tasks; ++i) job.Task("t" + std::to_string(i));
  const Instant begin = rig.now;
  rig.Clear();
  rig.Submit(job.spec);
  struct Held {
    AttemptId attempt;
    Instant ends = kNever;
    bool running = false;
  };
  struct Arrival {
    Instant at;
    std::string worker;
    Message message;
  };
  std::map<std::string, std::vector<Held>> held;
  std::vector<Arrival> arrivals;
  std::size_t seen = 0;
  while (!HasEnded(rig.scheduler->Runs(rig.now).at(0).state) && rig.now < begin + hours(1)) {
    for (; seen < rig.actions.size(); ++seen) {
      const Send* send = std::get_if<Send>(&rig.actions[seen].body);
      if (send == nullptr) continue;
      for (const auto& [name, worker] : rig.workers) {
        if (worker.peer == send->peer) arrivals.push_back({rig.now + trip, name, send->message});
      }
    }
    Instant next = rig.scheduler->NextWake();
    for (const Arrival& arrival : arrivals) next = std::min(next, arrival.at);
    for (const auto& [name, list] : held) {
      for (const Held& one : list) next = std::min(next, one.ends);
    }
    rig.now = std::max(rig.now, next);
    if (rig.scheduler->NextWake() <= rig.now) rig.Step(Tick{});
    std::map<std::string, std::vector<AttemptReport>> reports;
    for (auto it = arrivals.begin(); it != arrivals.end();) {
      if (it->at > rig.now) {
        ++it;
        continue;
      }
      const std::string name = it->worker;
      rig.workers[name].orders_through += 1;
      if (const auto* assign = std::get_if<Assign>(&it->message)) {
        for (const Assignment& task : assign->tasks) held[name].push_back({.attempt = task.attempt});
      } else if (const auto* back = std::get_if<TakeBack>(&it->message)) {
        std::erase_if(held[name], [&](const Held& one) {
          if (one.running || std::count(back->attempts.begin(), back->attempts.end(), one.attempt) == 0) return false;
          AttemptReport report;
          report.attempt = one.attempt;
          report.kind = ReportKind::kReturned;
          reports[name].push_back(report);
          return true;
        });
      } else {
        rig.workers[name].orders_through -= 1;
      }
      it = arrivals.erase(it);
    }
    for (auto& [name, list] : held) {
      std::vector<AttemptReport> ended;  // clang 14 captures no structured binding
      std::erase_if(list, [&](const Held& one) {
        if (one.ends > rig.now) return false;
        AttemptReport report;
        report.attempt = one.attempt;
        report.outcome = Outcome::kSucceeded;
        report.execution = each;
        ended.push_back(report);
        return true;
      });
      if (!ended.empty()) reports[name] = std::move(ended);
      std::int64_t used = 0;
      for (Held& one : list) {
        if (++used > slots) break;
        if (one.running) continue;
        one.running = true;
        one.ends = rig.now + each;
      }
    }
    for (auto& [name, list] : reports) {
      Rig::Worker& worker = rig.workers[name];
      const std::uint64_t first = worker.reports + 1;
      worker.reports += list.size();
      rig.Say(worker.peer, Report{.session = worker.session,
                                  .orders_through = worker.orders_through,
                                  .first_number = first,
                                  .reports = list,
                                  .started = {}});
    }
  }
  EXPECT_EQ(rig.scheduler->Runs(rig.now).at(0).state, RunState::kSucceeded);
  return rig.now - begin;
}

TEST(DispatchTest, A25_A32_TheMakespanIsWithinFivePercentOfTheIdeal) {
  struct Case {
    int workers;
    std::int64_t slots;
    int tasks;
    Duration each;
    Duration trip;
  };
  const Case cases[] = {
      {4, 2, 80, seconds(2), milliseconds(1)},
      {3, 4, 240, milliseconds(50), milliseconds(1)},
      {5, 1, 100, milliseconds(500), milliseconds(5)},
      {2, 8, 4000, milliseconds(1), std::chrono::microseconds(200)},
  };
  for (const Case& c : cases) {
    const int at_once = c.workers * static_cast<int>(c.slots);
    const Duration ideal = c.each * ((c.tasks + at_once - 1) / at_once);
    const Duration took = Makespan(c.workers, c.slots, c.tasks, c.each, c.trip);
    EXPECT_LE(took, ideal * 105 / 100) << FormatDuration(took) << " instead of " << FormatDuration(ideal);
  }
}

TEST(DispatchTest, A26_ATaskNeverGoesToAWorkerThatMissesSomething) {
  Rig rig;
  rig.Join("w1", {.cpus = 8});
  rig.Join("w2", {.cpus = 1, .tools = {"docker:24.0"}});
  rig.Submit(Job()
                 .Task("image", "", {}, {.tools = {"Docker>=20"}})
                 .Task("push", "", {}, {.tools = {"docker"}})
                 .Task("big", "", {}, {.cpus = 8})
                 .spec);
  EXPECT_FALSE(rig.Assigned("w1").contains("image") || rig.Assigned("w1").contains("push"));
  EXPECT_TRUE(rig.Assigned("w2").contains("image"));
  EXPECT_FALSE(rig.Assigned("w2").contains("big"));
  EXPECT_TRUE(rig.Assigned("w1").contains("big"));
}

TEST(DispatchTest, A29_PriorityThenPathThenAge) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job(FailMode::kKeepGoing)
                 .Task("running")
                 .Task("waits")  // prefetched
                 .Task("old")
                 .Task("young")
                 .Task("long")
                 .Task("urgent", "", {.priority = 5})
                 .Task("below", "long")
                 .spec);
  // The first two went out before the order could matter; which they are says what it is.
  EXPECT_TRUE(rig.AttemptOf("w1", "urgent").valid());
  EXPECT_TRUE(rig.AttemptOf("w1", "long").valid());
  EXPECT_EQ(rig.Assigned("w1").size(), 2u);
  rig.Succeed("w1", "urgent");
  EXPECT_TRUE(rig.AttemptOf("w1", "running").valid());
  rig.Succeed("w1", "long");
  EXPECT_TRUE(rig.AttemptOf("w1", "waits").valid());
  EXPECT_FALSE(rig.AttemptOf("w1", "young").valid());
  EXPECT_THAT(rig.Why("young"), HasSubstr("1 tasks are ahead of it")) << "the older one";
}

TEST(DispatchTest, A29_TheLongestPathIsByWhatTasksAreExpectedToTake) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job(FailMode::kKeepGoing).Task("busy", "", {.expected = seconds(2)}).spec);
  rig.Submit(Job(FailMode::kKeepGoing)
                 .Task("many", "", {.expected = seconds(2)})
                 .Task("many2", "many", {.expected = seconds(2)})
                 .Task("many3", "many2", {.expected = seconds(2)})
                 .Task("one", "", {.expected = seconds(7)})
                 .spec);
  rig.Succeed("w1", "busy");
  EXPECT_TRUE(rig.AttemptOf("w1", "one").valid());
  EXPECT_FALSE(rig.AttemptOf("w1", "many").valid());
  rig.Succeed("w1", "one");
  EXPECT_TRUE(rig.AttemptOf("w1", "many").valid());
}

TEST(DispatchTest, A32_ALongTaskWaitsInTheBrokerAndNothingBehindIt) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  const Policy brief{.priority = 1, .expected = milliseconds(10)};
  const Policy lengthy{.expected = seconds(1) + milliseconds(1)};
  rig.Submit(Job().Task("brief", "", brief).Task("long1", "", lengthy).Task("long2", "", lengthy).spec);
  EXPECT_TRUE(rig.AttemptOf("w1", "brief").valid());
  EXPECT_TRUE(rig.AttemptOf("w1", "long1").valid());
  EXPECT_FALSE(rig.AttemptOf("w1", "long2").valid()) << "no slot is free";
  rig.Submit(Job().Task("brief2", "", brief).Task("brief3", "", brief).spec);
  EXPECT_TRUE(rig.AttemptOf("w1", "brief2").valid()) << "one waits, for the one slot that will soon be free";
  EXPECT_FALSE(rig.AttemptOf("w1", "brief3").valid()) << "none waits for that of the long one";
  for (const char* name : {"brief", "brief2", "brief3"}) rig.Succeed("w1", name);
  EXPECT_TRUE(rig.AttemptOf("w1", "long2").valid());
  rig.Submit(Job().Task("brief4", "", brief).spec);
  EXPECT_FALSE(rig.AttemptOf("w1", "brief4").valid()) << "both slots are held by long ones";
  rig.Succeed("w1", "long1");
  EXPECT_TRUE(rig.AttemptOf("w1", "brief4").valid());
}

TEST(DispatchTest, A29_ALongWideTaskKeepsItsPlaceToo) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job(FailMode::kKeepGoing).Task("running").spec);
  rig.Submit(Job(FailMode::kKeepGoing).Task("wide", "", {.expected = minutes(1)}, {.cpus = 2}).spec);
  EXPECT_TRUE(rig.AttemptOf("w1", "wide").valid()) << "it waits there";
}

TEST(DispatchTest, A29_WorkThatFewCanDoIsNotStarvedByWorkThatAllCan) {
  Rig rig;
  Job job(FailMode::kKeepGoing);
  for (int i = 0; i < 20; ++i) job.Task("common" + std::to_string(i), "", {.priority = 1});
  job.Task("rare", "", {}, {.tags = {"gpu"}});
  rig.Submit(job.spec);
  rig.Join("w1", {.cpus = 2});
  rig.Join("gpu", {.cpus = 1, .tags = {"gpu"}});
  EXPECT_TRUE(rig.AttemptOf("gpu", "rare").valid());
}

TEST(DispatchTest, A29_AWideTaskKeepsItsPlaceAmongSmallOnes) {
  Rig rig;
  rig.Join("w1", {.cpus = 4});
  rig.Submit(Job(FailMode::kKeepGoing).Task("s1").Task("s2").Task("s3").Task("s4").spec);
  for (const char* name : {"s1", "s2", "s3"}) rig.End("w1", name, Outcome::kSucceeded, {}, "", seconds(20));
  rig.Submit(Job(FailMode::kKeepGoing).Task("wide", "", {}, {.cpus = 4}).spec);
  EXPECT_TRUE(rig.AttemptOf("w1", "wide").valid()) << "it waits there";
  Job small(FailMode::kKeepGoing);
  for (int i = 0; i < 4; ++i) small.Task("small" + std::to_string(i));
  rig.Submit(small.spec);
  EXPECT_FALSE(rig.AttemptOf("w1", "small0").valid()) << "three slots are free, for the wide one";
}

TEST(DispatchTest, A30_LocalWorkersComeFirstWhenAskedFor) {
  for (const bool prefer : {false, true}) {
    Config config = TestConfig();
    config.prefer_local = prefer;
    Rig rig(config);
    rig.Join("far", {.cpus = 4});
    rig.Join("here", {.cpus = 2, .local = true});
    rig.Submit(Job().Task("a").spec);
    EXPECT_EQ(rig.AttemptOf("here", "a").valid(), prefer);
    EXPECT_EQ(rig.AttemptOf("far", "a").valid(), !prefer) << "the one with more room";
    rig.Submit(Job().Task("b", "", {}, {.cpus = 4}).spec);
    EXPECT_FALSE(rig.AttemptOf("here", "b").valid()) << "a preference never overrides a requirement";
  }
}

TEST(DispatchTest, A32_WaitingWorkIsTakenBackForAnIdleWorker) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("a").Task("b").Task("c").Task("d").spec);
  ASSERT_EQ(rig.Assigned("w1").size(), 4u);
  rig.Ack("w1");
  rig.Join("w2", {.cpus = 2});
  ASSERT_EQ(rig.Sent<TakeBack>(rig.workers["w1"].peer).size(), 1u);
  EXPECT_EQ(rig.Sent<TakeBack>(rig.workers["w1"].peer)[0].attempts.size(), 1u) << "half of what waits";
  rig.Return("w1", "d");
  EXPECT_TRUE(rig.AttemptOf("w2", "d").valid());
  EXPECT_EQ(rig.Sent<TakeBack>(rig.workers["w1"].peer).size(), 2u) << "there is room for another";
  EXPECT_EQ(rig.Task("d").try_number, 1u);  // what was given back was never tried
}

TEST(DispatchTest, PrefetchFollowsTheMeasuredSpeed) {
  Speed unknown;
  EXPECT_EQ(unknown.PrefetchTarget(4, 1024), 4u) << "one per slot while nothing is known";
  Speed slow;
  slow.Add(minutes(1), milliseconds(1));
  EXPECT_EQ(slow.PrefetchTarget(4, 1024), 0u);
  Speed quick;
  quick.Add(std::chrono::microseconds(10), milliseconds(1));
  EXPECT_EQ(quick.PrefetchTarget(4, 1024), 800u);
  EXPECT_EQ(quick.PrefetchTarget(4, 100), 100u) << "the limit";
  Speed middling;
  middling.Add(milliseconds(50), std::chrono::microseconds(100));
  EXPECT_EQ(middling.PrefetchTarget(4, 1024), 4u);
}

TEST(DispatchTest, NeverOverCapacityOfCountableResources) {
  Rig rig;
  rig.Join("w1", {.cpus = 8});
  rig.Submit(Job().Task("a", "", {}, {.resources = {{"gpu", 1}}}).spec);
  EXPECT_THAT(rig.Assigned("w1"), IsEmpty());
  EXPECT_THAT(rig.Why("a"), HasSubstr("w1 lacks 1 gpu (has 0)"));
}

TEST(DispatchTest, A11_ASuspectGetsABusyWorkerToItselfOnceItIsEmpty) {
  Rig rig;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job(FailMode::kKeepGoing).Task("s1").Task("s2").spec);
  rig.Join("w2", {.cpus = 2});
  rig.Die("w1");
  EXPECT_TRUE(rig.AttemptOf("w2", "s1").valid());
  EXPECT_FALSE(rig.AttemptOf("w2", "s2").valid()) << "alone";
  rig.Submit(Job(FailMode::kKeepGoing).Task("other").spec);
  EXPECT_FALSE(rig.AttemptOf("w2", "other").valid()) << "nothing beside a suspect";
  rig.Succeed("w2", "s1");
  EXPECT_TRUE(rig.AttemptOf("w2", "s2").valid());
  rig.Succeed("w2", "s2");
  EXPECT_TRUE(rig.AttemptOf("w2", "other").valid());
}

// Runs a first task on each worker, in no time, so that they are known to be quick and are prefetched many.
void Warm(Rig& rig, const std::vector<std::string>& workers) {
  Job job;
  for (const std::string& worker : workers) {
    rig.Join(worker);
    job.Task("for " + worker);
  }
  rig.Submit(job.spec);
  rig.now += milliseconds(1);
  for (const std::string& worker : workers) {
    const auto assigned = rig.Assigned(worker);
    ASSERT_EQ(assigned.size(), 1u);
    rig.End(worker, assigned.begin()->first, Outcome::kSucceeded, {}, "", std::chrono::microseconds(10));
  }
  rig.Clear();
}

TEST(DispatchTest, A25_PrefetchInBatchesSharesWhatThereIs) {
  Rig rig;
  Warm(rig, {"w1", "w2"});
  Job job;
  for (int i = 0; i < 100; ++i) job.Task("t" + std::to_string(i));
  rig.Submit(job.spec);
  const auto one = rig.Assigned("w1").size();
  const auto two = rig.Assigned("w2").size();
  EXPECT_EQ(one + two, 100u);
  EXPECT_LE(std::max(one, two) - std::min(one, two), 2u) << one << " and " << two;
}

// A batch of one class ends where the best task of another one is better.
TEST(DispatchTest, A25_PrefetchInBatchesKeepsTheOrderOfPriority) {
  Rig rig;
  Warm(rig, {"w1"});
  Job job;
  for (int i = 0; i < 30; ++i) {
    Requirements other;
    if (i % 3 == 0) other.os = {"linux"};  // a class of its own
    job.Task("t" + std::to_string(i), "", {.priority = 100 - i}, other);
  }
  rig.Submit(job.spec);
  std::vector<std::string> names;
  for (const Assign& assign : rig.Sent<Assign>(rig.workers.at("w1").peer)) {
    for (const Assignment& task : assign.tasks) names.push_back(task.name);
  }
  ASSERT_EQ(names.size(), 30u);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(names[static_cast<std::size_t>(i)], "t" + std::to_string(i));
}

}  // namespace
}  // namespace millrace::sched
