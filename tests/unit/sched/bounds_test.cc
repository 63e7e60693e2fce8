// SPDX-License-Identifier: Apache-2.0
// Whatever peers bring, every message that the broker makes of it fits a frame of the control channel.
#include "millrace/sched/bounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "millrace/sched/job_graph.h"
#include "millrace/wire/frame.h"
#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::HasSubstr;
using ::testing::Lt;
using ::testing::SizeIs;

constexpr auto kExhausted = static_cast<std::int32_t>(absl::StatusCode::kResourceExhausted);

// Every message sent since the last Clear, in bytes.
void ExpectAllFit(const Rig& rig) {
  for (const Send& send : rig.All<Send>()) {
    EXPECT_THAT(wire::EncodeMessage(send.message).size(), Lt(wire::kFrameLimits.max_bytes));
  }
}

TEST(BoundsTest, A48_FailuresOfAnyLengthAreCutAndTheirRowsComeInPages) {
  Rig rig;
  constexpr std::uint32_t kTasks = 300;
  rig.Join("w1", {.cpus = kTasks});
  Job job(FailMode::kKeepGoing);
  for (std::uint32_t i = 0; i < kTasks; ++i) job.Task("t" + std::to_string(i));
  rig.Submit(job.spec);
  Failure failure;
  failure.message = std::string(100'000, 'm');
  failure.output = std::string(50'000, 'o') + "\nlast words";
  for (std::uint32_t i = 0; i < kTasks; ++i) rig.End("w1", "t" + std::to_string(i), Outcome::kFailed, failure);
  rig.Clear();
  std::set<std::string> seen;
  int pages = 0;
  Answer answer;
  do {
    answer = rig.Ask(QueryKind::kTasks, "", answer.next);
    for (const TaskView& task : answer.tasks) {
      seen.insert(task.name);
      EXPECT_LE(task.failure.message.size(), kMaxFailureText);
      EXPECT_THAT(task.failure.message, HasSubstr("bytes left out"));
      EXPECT_THAT(task.failure.output, HasSubstr("last words"));
    }
    ASSERT_LT(++pages, 100);
  } while (answer.more);
  EXPECT_GT(pages, 1);
  EXPECT_THAT(seen, SizeIs(kTasks));
  EXPECT_EQ(answer.next, rig.Run().changed);
  ExpectAllFit(rig);
}

TEST(BoundsTest, A48_ManyWorkersComeInPages) {
  Rig rig;
  constexpr int kWorkers = 40;
  for (int i = 0; i < kWorkers; ++i) {
    WorkerSpec spec;
    for (int tag = 0; tag < 1000; ++tag) spec.tags.push_back("tag-" + std::string(90, 'x') + std::to_string(tag));
    spec.incarnation = 100u + static_cast<std::uint64_t>(i);
    rig.Join("w" + std::to_string(i), spec);
  }
  rig.Clear();
  std::set<std::string> seen;
  Answer answer;
  do {
    answer = rig.Ask(QueryKind::kWorkers, "", answer.next);
    ASSERT_FALSE(answer.workers.empty());
    for (const WorkerView& worker : answer.workers) EXPECT_TRUE(seen.insert(worker.name).second) << worker.name;
  } while (answer.more);
  EXPECT_THAT(seen, SizeIs(kWorkers));
  EXPECT_GT(rig.All<Send>().size(), 1u);
  ExpectAllFit(rig);
}

TEST(BoundsTest, A48_AnOfferOfTooManyWordsIsRefused) {
  Rig rig;
  WorkerSpec spec;
  spec.tags = {std::string(kMaxOfferText, 'x')};
  rig.Join("w1", spec);
  const auto refused = rig.Last<Refused>(rig.workers["w1"].peer);
  ASSERT_TRUE(refused.has_value());
  EXPECT_THAT(refused->reason, HasSubstr(std::to_string(kMaxOfferText)));
}

TEST(BoundsTest, A48_OnlyTheNewestRunsAreShownWhenThereAreTooMany) {
  Rig rig;
  rig.Join("w1");
  Job job = Job().Task("a");
  job.spec.name = std::string(kMaxName, 'n');
  Requirements rare;
  rare.tags = {std::string(kMaxRequirementText / 2, 'r')};
  job.Task("b", "", {}, rare);
  Answer last;
  for (int i = 0; i < 50; ++i) last = rig.Submit(job.spec);
  rig.Clear();
  const Answer runs = rig.Ask(QueryKind::kRuns);
  EXPECT_TRUE(runs.more);
  ASSERT_FALSE(runs.runs.empty());
  EXPECT_EQ(runs.runs.back().run, last.run);
  ExpectAllFit(rig);
}

TEST(BoundsTest, WarningsOfARunAreCounted) {
  Rig rig;
  rig.Join("w1");
  Job job;
  for (int i = 0; i < 50; ++i) {
    Requirements rare;
    rare.tags = {"tag-" + std::to_string(i)};
    job.Task("t" + std::to_string(i), "", {}, rare);
  }
  const Answer answer = rig.Submit(job.spec);
  ASSERT_THAT(answer.lines, SizeIs(kMaxWarnings + 1));
  EXPECT_THAT(answer.lines.back(), HasSubstr("30 more"));
}

TEST(BoundsTest, ManyDataAreForgottenInSeveralMessages) {
  Rig rig;
  constexpr std::uint32_t kData = kForgetParts + 1000;
  rig.Join("w1", {.cpus = 1});
  Job job;
  Policy always;
  always.always_run = true;
  for (std::uint32_t i = 0; i < kData; ++i) job.Task("t" + std::to_string(i), "", {}, {.cpus = 0});
  job.Task("join");
  for (std::uint32_t i = 0; i < kData; ++i) job.spec.tasks.back().needs.push_back({.task = i});
  rig.Submit(job.spec);
  Rig::Worker& worker = rig.workers["w1"];
  // Reports as they come, whatever was assigned, until the join has ended too.
  std::size_t at = 0;
  std::uint32_t ended = 0;
  while (ended <= kData) {
    ASSERT_LT(at, rig.actions.size()) << "nothing was assigned any more after " << ended;
    for (; at < rig.actions.size() && ended <= kData; ++at) {
      const Send* send = std::get_if<Send>(&rig.actions[at].body);
      const Assign* assign = send == nullptr ? nullptr : std::get_if<Assign>(&send->message);
      if (assign == nullptr) continue;
      Report report{.session = worker.session,
                    .orders_through = assign->number,
                    .first_number = worker.reports + 1,
                    .reports = {},
                    .started = {}};
      for (const Assignment& task : assign->tasks) {
        AttemptReport one;
        one.attempt = task.attempt;
        one.outcome = Outcome::kSucceeded;
        report.reports.push_back(std::move(one));
        ++worker.reports;
        ++ended;
      }
      Actions fresh;
      if (!report.reports.empty()) {
        rig.scheduler->Step(rig.now, Heard{.peer = worker.peer, .message = std::move(report)}, fresh);
      }
      for (Action& action : fresh) rig.actions.push_back(std::move(action));
    }
  }
  ASSERT_TRUE(rig.scheduler->CheckInvariants().ok());
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
  std::size_t forgotten = 0;
  const std::vector<Forget> forgets = rig.Sent<Forget>(worker.peer);
  for (const Forget& forget : forgets) forgotten += forget.data.size();
  EXPECT_EQ(forgotten, kData);
  EXPECT_GT(forgets.size(), 1u);
  ExpectAllFit(rig);
}

TEST(BoundsTest, A14_WhatWouldNotFitAMessageIsRefusedWithBothSizes) {
  Rig rig;
  Job job = Job().Task("a");
  job.spec.tasks[0].env["LONG"] = std::string(kMaxEnvironment, 'x');
  EXPECT_THAT(rig.Submit(job.spec).message, HasSubstr("has 262148 bytes; at most 262144"));
  job = Job().Task("a").Task("b");
  job.spec.tasks[1].needs.resize(kMaxNeeds + 1);
  EXPECT_THAT(rig.Submit(job.spec).message, HasSubstr("needs 250001 others; at most 250000"));
  Requirements wordy;
  wordy.tags = {std::string(kMaxRequirementText, 'x')};
  const Answer answer = rig.Submit(Job().Task("a", "", {}, wordy).spec);
  EXPECT_EQ(answer.code, kExhausted);
  EXPECT_THAT(answer.message, HasSubstr("at most 65536"));
  EXPECT_TRUE(rig.journal.empty());
}

}  // namespace
}  // namespace millrace::sched
