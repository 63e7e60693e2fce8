// SPDX-License-Identifier: Apache-2.0
// What clients ask and are told, and which record each answer waits for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "millrace/model/watch.h"
#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr auto kInvalid = static_cast<std::int32_t>(absl::StatusCode::kInvalidArgument);
constexpr auto kNotFound = static_cast<std::int32_t>(absl::StatusCode::kNotFound);
constexpr auto kPrecondition = static_cast<std::int32_t>(absl::StatusCode::kFailedPrecondition);

TEST(ClientsTest, A14_ARefusedJobChangesNothing) {
  Rig rig;
  rig.Join("w1");
  Job job = Job().Task("a").Task("b", "a");
  job.spec.tasks[0].needs.push_back({.task = 1});
  const Answer answer = rig.Submit(job.spec, 5);
  EXPECT_EQ(answer.code, kInvalid);
  EXPECT_THAT(answer.message, HasSubstr("a -> b -> a"));
  EXPECT_FALSE(answer.run.valid());
  EXPECT_TRUE(rig.journal.empty());
  EXPECT_EQ(rig.Submit(Job().Task("a").spec, 5).code, 0) << "the token was not used up";
}

Hello OfAClient() {
  Hello hello;
  hello.role = Role::kClient;
  return hello;
}

Query UntilEnded(const Rig& rig, std::uint64_t request) {
  Query query;
  query.request = request;
  query.kind = QueryKind::kRun;
  query.run = rig.run;
  query.since = kUntilEnded;
  return query;
}

TEST(ClientsTest, WhoeverWaitsForTheEndIsToldOnceItIsThere) {
  Rig rig;
  rig.Join("w1");
  const PeerId one{699};
  const PeerId other{700};
  const PeerId gone{701};
  for (const PeerId peer : {one, other, gone}) rig.Say(peer, OfAClient());
  rig.Submit(Job().Task("a").spec);
  for (const PeerId peer : {one, other, gone}) rig.Say(peer, UntilEnded(rig, 50));
  rig.Say(other, UntilEnded(rig, 51));  // instead of the one before
  rig.Say(other, OfAClient());          // again: it waits still
  rig.Step(PeerGone{.peer = gone});
  EXPECT_THAT(rig.Sent<Answer>(one), SizeIs(0));
  rig.Succeed("w1", "a");
  ASSERT_THAT(rig.Sent<Answer>(one), SizeIs(1));
  EXPECT_EQ(rig.Last<Answer>(one)->request, 50u);
  EXPECT_EQ(rig.Last<Answer>(one)->runs.at(0).state, RunState::kSucceeded);
  ASSERT_THAT(rig.Sent<Answer>(other), SizeIs(1));
  EXPECT_EQ(rig.Last<Answer>(other)->request, 51u);
  EXPECT_THAT(rig.Sent<Answer>(gone), SizeIs(0));
  for (const Action& action : rig.actions) {
    const Send* send = std::get_if<Send>(&action.body);
    if (send != nullptr && send->peer == other && std::holds_alternative<Answer>(send->message)) {
      EXPECT_EQ(action.after, rig.journal.size()) << "not before the end is durable";
    }
  }
  // Of a run that has ended, and of one that there is not, the answer comes at once.
  rig.Say(other, UntilEnded(rig, 52));
  EXPECT_EQ(rig.Last<Answer>(other)->request, 52u);
  Query unknown = UntilEnded(rig, 53);
  unknown.run = RunId{99};
  rig.Say(other, unknown);
  EXPECT_EQ(rig.Last<Answer>(other)->code, kNotFound);
}

TEST(ClientsTest, A09_AnswersWaitForWhatTheyReveal) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").Task("b", "a").spec);
  rig.Succeed("w1", "a");
  std::uint64_t position = 0;
  std::uint64_t accepted = 0;
  std::uint64_t ended = 0;
  for (const Action& action : rig.actions) {
    if (const Append* append = std::get_if<Append>(&action.body)) {
      ++position;
      if (std::holds_alternative<RunAccepted>(append->record)) accepted = position;
      if (std::holds_alternative<TaskEnded>(append->record)) ended = position;
    }
    const Send* send = std::get_if<Send>(&action.body);
    if (send == nullptr) continue;
    if (std::holds_alternative<Answer>(send->message)) {
      EXPECT_EQ(action.after, accepted);
    } else if (std::holds_alternative<Recorded>(send->message)) {
      EXPECT_EQ(action.after, ended);
    }
    if (const auto* assign = std::get_if<Assign>(&send->message)) {
      EXPECT_EQ(action.after, assign->tasks[0].name == "a" ? accepted : ended);
    }
  }
  EXPECT_GT(ended, accepted);
}

TEST(ClientsTest, A02_A27_AnImpossibleRequirementIsSaidAndFailsInTime) {
  Rig rig;
  rig.Join("w1", {.tools = {"cmake:3.20"}});
  const Answer answer = rig.Submit(Job().Task("image", "", {}, {.tools = {"docker", "cmake>=3.25"}}).spec);
  ASSERT_THAT(answer.lines, SizeIs(1));
  EXPECT_THAT(answer.lines[0], HasSubstr("no known worker could run 'image'"));
  EXPECT_THAT(answer.lines[0], HasSubstr("w1 lacks tool docker, tool cmake>=3.25 (has 3.20)"));
  EXPECT_THAT(rig.Why("image"), HasSubstr("no worker can run it"));
  rig.AdvanceBeating(minutes(5) - seconds(1));
  EXPECT_EQ(rig.Task("image").state, TaskState::kReady);
  rig.AdvanceBeating(seconds(2));
  EXPECT_EQ(rig.Task("image").outcome, Outcome::kFailed);
  EXPECT_THAT(rig.Task("image").failure.message, HasSubstr("w1 lacks tool docker"));
  EXPECT_EQ(rig.Run().state, RunState::kFailed);
}

TEST(ClientsTest, A02_TheCapabilityTimeoutCountsFromTheLossOfTheLastCapableWorker) {
  Rig rig;
  rig.Join("w1", {.tags = {"gpu"}});
  rig.Submit(Job(FailMode::kKeepGoing).Task("a", "", {}, {.tags = {"gpu"}}).Task("b", "", {}, {.tags = {"gpu"}}).spec);
  rig.AdvanceBeating(minutes(4));
  rig.Die("w1");
  rig.Advance(minutes(4));
  EXPECT_EQ(rig.Task("a").state, TaskState::kReady);
  rig.Advance(minutes(2));
  EXPECT_EQ(rig.Task("a").outcome, Outcome::kFailed);
  EXPECT_EQ(rig.Task("b").outcome, Outcome::kFailed);
  EXPECT_THAT(rig.Task("a").failure.message, HasSubstr("no worker is known"));
}

TEST(ClientsTest, A12_FewerWorkersThanExpectedIsLoud) {
  Config config = TestConfig();
  config.expect_workers = 3;
  Rig rig(config);
  rig.Join("w1");
  EXPECT_THAT(rig.scheduler->Broker(rig.now).warnings.at(0), HasSubstr("1 of 3 expected workers"));
  EXPECT_THAT(rig.Submit(Job().Task("a").spec).lines.at(0), HasSubstr("1 of 3 expected workers"));
  EXPECT_THAT(rig.Run().warnings.at(0), HasSubstr("1 of 3 expected workers"));
}

TEST(ClientsTest, A44_WhyNamesTheBlockingDependency) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").Task("b", "a").Task("c").Task("d").spec);
  EXPECT_THAT(rig.Why("b"), HasSubstr("waits for 'a', which is assigned on worker w1"));
  EXPECT_THAT(rig.Why("a"), HasSubstr("is assigned to worker w1"));
  rig.Started("w1", "a");
  EXPECT_THAT(rig.Why("a"), HasSubstr("is running on worker w1"));
  EXPECT_THAT(rig.Why("d"), HasSubstr("1 workers can run it, 0 of them have room now"));
  const Answer answer = rig.Ask(QueryKind::kWhy, "dd");
  EXPECT_EQ(answer.code, kNotFound);
  EXPECT_THAT(answer.message, HasSubstr("no task 'dd'"));
}

TEST(ClientsTest, RowsComeInPagesAndOnlyWhatHasChanged) {
  Rig rig;
  rig.Join("w1");
  Job job(FailMode::kKeepGoing);
  for (int i = 0; i < 25; ++i) job.Task("t" + std::to_string(i));
  rig.Submit(job.spec);
  std::set<std::string> seen;
  std::uint64_t since = 0;
  int pages = 0;
  for (bool more = true; more; ++pages) {
    const Answer page = rig.Ask(QueryKind::kTasks, "", since, 10);
    for (const TaskView& task : page.tasks) EXPECT_TRUE(seen.insert(task.name).second);
    since = page.next;
    more = page.more;
  }
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(seen.size(), 25u);
  EXPECT_THAT(rig.Ask(QueryKind::kTasks, "", since).tasks, SizeIs(0));
  rig.Started("w1", "t0");
  const Answer changed = rig.Ask(QueryKind::kTasks, "", since);
  ASSERT_THAT(changed.tasks, SizeIs(1));
  EXPECT_EQ(changed.tasks[0].name, "t0");
  EXPECT_EQ(changed.tasks[0].state, TaskState::kRunning);
}

TEST(ClientsTest, ResultsAndWhyThereIsNone) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job(FailMode::kKeepGoing).Task("good").Task("bad").spec);
  EXPECT_EQ(rig.Ask(QueryKind::kResult, "good").code, kPrecondition);
  rig.Succeed("w1", "good", "42");
  rig.Fail("w1", "bad");
  EXPECT_EQ(rig.Ask(QueryKind::kResult, "good").result.bytes.view(), "42");
  const Answer none = rig.Ask(QueryKind::kResult, "bad");
  EXPECT_EQ(none.code, kPrecondition);
  EXPECT_THAT(none.message, HasSubstr("exit code 1"));
  EXPECT_EQ(rig.Ask(QueryKind::kResult, "ugly").code, kNotFound);
  EXPECT_THAT(rig.Tell(CommandKind::kDrainWorker, "w2").message, HasSubstr("did you mean 'w1'"));
}

TEST(ClientsTest, ChangesAreAnnouncedAtMostEveryFiftyMillisecondsAndAtTheEnd) {
  Rig rig;
  rig.Join("w1");
  Job job;
  for (int i = 0; i < 10; ++i) job.Task("t" + std::to_string(i));
  rig.Submit(job.spec);
  const auto announced = [&rig] {
    std::vector<Changed> all;
    for (const Broadcast& broadcast : rig.All<Broadcast>()) {
      if (const auto* changed = std::get_if<Changed>(&broadcast.message)) all.push_back(*changed);
    }
    return all;
  };
  EXPECT_THAT(announced(), SizeIs(1));
  for (int i = 0; i < 9; ++i) rig.Succeed("w1", "t" + std::to_string(i));
  EXPECT_THAT(announced(), SizeIs(1));
  rig.Advance(milliseconds(50));
  EXPECT_THAT(announced(), SizeIs(2));
  rig.Succeed("w1", "t9");
  ASSERT_THAT(announced(), SizeIs(3)) << "the end is never late";
  EXPECT_TRUE(announced().back().ended);
  EXPECT_EQ(announced().back().changed, rig.Run().changed);
}

TEST(ClientsTest, TasksThatHaveNotChangedYetAreListedInPagesToo) {
  Rig rig;
  rig.Join("w1");
  Job job;
  job.Task("first");
  for (int i = 0; i < 50; ++i) job.Task("t" + std::to_string(i), "first");
  rig.Submit(job.spec);
  std::set<std::string> seen;
  Answer answer;
  do {
    answer = rig.Ask(QueryKind::kTasks, "", answer.next, 7);
    for (const TaskView& task : answer.tasks) seen.insert(task.name);
  } while (answer.more);
  EXPECT_THAT(seen, SizeIs(51));
}

TEST(ClientsTest, ATaskWhoseStartWasNotToldHasStartedBeforeItsEnd) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  rig.Advance(seconds(3));
  rig.End("w1", "a", Outcome::kSucceeded, {}, "", seconds(1));
  EXPECT_EQ(rig.Task("a").started, seconds(2));
  EXPECT_EQ(rig.Task("a").ended, seconds(3));
}

TEST(ClientsTest, A35_AResultGoesToAWorkerOnceAndIsForgottenAfterTheLastDependant) {
  Rig rig;
  rig.Join("w1", {.cpus = 4});
  rig.Submit(Job().Task("a").Task("b", "a").Task("c", "a").Task("d", "a b c").spec);
  rig.Succeed("w1", "a", "the result");
  rig.Succeed("w1", "b");
  rig.Succeed("w1", "c");
  rig.Succeed("w1", "d");
  int data = 0;
  for (const Assign& assign : rig.Sent<Assign>(rig.workers["w1"].peer)) {
    for (const Datum& datum : assign.data) data += datum.name == "a" ? 1 : 0;
  }
  EXPECT_EQ(data, 1);
  ASSERT_THAT(rig.Sent<Forget>(rig.workers["w1"].peer), SizeIs(1));
  EXPECT_THAT(rig.Sent<Forget>(rig.workers["w1"].peer)[0].data, SizeIs(3));
}

}  // namespace
}  // namespace millrace::sched
