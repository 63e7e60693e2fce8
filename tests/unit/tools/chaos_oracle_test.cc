// SPDX-License-Identifier: Apache-2.0
// The judge of chaos runs must be able to find somebody guilty: doctored journals, each wrong in one way.
#include "tools/zmqctl/chaos_oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "story.h"
#include "tests/support/edit_job.h"

namespace millrace::zmqctl {
namespace {

using namespace testing;  // NOLINT: the words of the story
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Records = std::vector<Record>;

// What a verdict says, without the pointer into the lines.
struct Said {
  std::uint64_t lost = 0;
  std::uint64_t twice = 0;
  std::vector<std::string> order;
  std::vector<std::string> outcome;
};

Said Judged(Records records, const std::set<std::string>& may_fail = {}) {
  const std::vector<JournalLine> lines = Journal(std::move(records));
  const JournalVerdict verdict = JudgeJournal(lines, may_fail);
  return {verdict.lost, verdict.committed_twice, verdict.order.texts(), verdict.outcome.texts()};
}

Records Without(std::size_t at) {
  Records records = GoodRun();
  records.erase(records.begin() + static_cast<std::ptrdiff_t>(at));
  return records;
}

Records With(std::size_t at, Record record) {
  Records records = GoodRun();
  records.insert(records.begin() + static_cast<std::ptrdiff_t>(at), std::move(record));
  return records;
}

TEST(ChaosOracle, FindsNothingWrongInAGoodRun) {
  const std::vector<JournalLine> lines = Journal(GoodRun());
  const JournalVerdict verdict = JudgeJournal(lines, {});
  EXPECT_EQ(verdict.tasks, 4u);
  EXPECT_EQ(verdict.attempts, 5u);
  EXPECT_EQ(verdict.after_loss, 1u);
  EXPECT_EQ(verdict.lost, 0u);
  EXPECT_EQ(verdict.committed_twice, 0u);
  EXPECT_EQ(verdict.poisoned, 0u);
  EXPECT_EQ(verdict.state, RunState::kSucceeded);
  EXPECT_THAT(verdict.committed, ElementsAre(Attempt(1), Attempt(1, 2), Attempt(3), Attempt(2, 2)));
  EXPECT_THAT(verdict.order.texts(), IsEmpty());
  EXPECT_THAT(verdict.outcome.texts(), IsEmpty());
}

TEST(ChaosOracle, A51_SeesATaskThatEndedTwice) {
  const Said said = Judged(With(11, Ended(kD, Attempt(2, 2), Outcome::kCancelled)));
  EXPECT_EQ(said.twice, 1u);
  EXPECT_EQ(said.lost, 0u);
}

TEST(ChaosOracle, A51_SeesATaskWithoutAnEnd) {
  Records records = GoodRun();
  records.erase(records.end() - 2);  // the end of d
  const Said said = Judged(records);
  EXPECT_EQ(said.lost, 1u);
  EXPECT_EQ(said.twice, 0u);
  EXPECT_THAT(said.order, IsEmpty());
}

TEST(ChaosOracle, A51_SeesATaskThatDidNotWaitForWhatItNeeds) {
  // b and c are assigned without the end of a before them.
  const Said said = Judged(Without(2));
  EXPECT_THAT(said.order,
              ElementsAre(HasSubstr("'b' was assigned before 'a', which it needs, had ended"),
                          HasSubstr("'c' was assigned before 'a'"), HasSubstr("'b' was assigned before 'a'")));
}

TEST(ChaosOracle, A51_SeesATaskThatRanAfterAFailureAboveIt) {
  Records records = GoodRun();
  records[2] = Ended(kA, Attempt(1), Outcome::kFailed);
  EXPECT_THAT(Judged(records).order[0], HasSubstr("'b' was assigned although 'a', which it needs, ended as failed"));
  // Of a failure that is ignored, of one that is only waited for, nobody takes notice.
  auto& accepted = std::get<RunAccepted>(records[0]);
  EditJob(accepted, [](JobSpec& job) { job.tasks[kA].policy = 1; });
  EXPECT_THAT(Judged(records).order, IsEmpty());
  EXPECT_THAT(Judged(records).outcome, IsEmpty());
  EditJob(accepted, [](JobSpec& job) {
    job.tasks[kA].policy = 0;
    for (const std::uint32_t task : {kB, kC}) job.tasks[task].needs[0].kind = DependencyKind::kOptional;
  });
  EXPECT_THAT(Judged(records).order, IsEmpty());
}

TEST(ChaosOracle, A51_SeesAnAssignmentAfterTheEnd) {
  EXPECT_THAT(Judged(With(11, Assigned(kD, Attempt(3, 2)))).order,
              ElementsAre(HasSubstr("'d' was assigned after its end")));
}

TEST(ChaosOracle, A07_SeesASuccessOfAnAttemptThatIsNotTheCurrentOne) {
  Records records = GoodRun();
  records[8] = Ended(kB, Attempt(2));  // the zombie's
  EXPECT_THAT(Judged(records).order, ElementsAre(HasSubstr("'b' succeeded by an attempt that is not its current one")));
  records[8] = Ended(kB, AttemptId{});
  EXPECT_THAT(Judged(records).order, ElementsAre(HasSubstr("'b' succeeded by an attempt")));
}

TEST(ChaosOracle, SeesTwoAttemptsAtOnce) {
  EXPECT_THAT(Judged(Without(5)).order, ElementsAre(HasSubstr("'b' was assigned while a worker had it")));
}

TEST(ChaosOracle, SeesAnAttemptThatWasGivenOutTwice) {
  Records records = GoodRun();
  records[7] = Assigned(kB, Attempt(2));
  records[8] = Ended(kB, Attempt(2));
  EXPECT_THAT(Judged(records).order, ElementsAre(HasSubstr("of task 'b' was given out before")));
}

TEST(ChaosOracle, SeesWhatHappensAfterTheEndOfTheRun) {
  const Said said = Judged(With(12, LostAttempt(kD, Attempt(2, 2))));
  EXPECT_THAT(said.order, ElementsAre(HasSubstr("after the end of the run"), HasSubstr("that it has not")));
  EXPECT_THAT(Judged(With(12, RunIsOver())).order, ElementsAre(HasSubstr("a run ended that is not going on")));
}

TEST(ChaosOracle, SeesASubmissionThatIsMissingOrDoubled) {
  EXPECT_THAT(Judged(With(1, Accepted())).order, ElementsAre(HasSubstr("accepted a second time")));
  EXPECT_THAT(Judged({}).outcome, ElementsAre(HasSubstr("the submission is not in the journal")));
  EXPECT_THAT(Judged({Assigned(kA, Attempt(1))}).order, ElementsAre(HasSubstr("nobody has submitted")));
}

TEST(ChaosOracle, SeesARunThatDidNotEndAsItWould) {
  EXPECT_THAT(Judged(Without(11)).outcome, ElementsAre("the run has not ended"));
  Records records = GoodRun();
  records[10] = Ended(kD, Attempt(2, 2), Outcome::kFailed);
  records[11] = RunIsOver(RunState::kFailed);
  EXPECT_THAT(Judged(records).outcome,
              ElementsAre("task 'd' ended as failed", "the run ended as failed, not succeeded"));
  // The same where that is known of it, and the reverse.
  EXPECT_THAT(Judged(records, {"d"}).outcome, IsEmpty());
  EXPECT_THAT(Judged(GoodRun(), {"d"}).outcome, ElementsAre("the run ended as succeeded, not failed"));
}

TEST(ChaosOracle, SparesWhatNeedsATaskThatMayFail) {
  Records records = GoodRun();
  records[8] = Ended(kB, Attempt(1, 2), Outcome::kFailed);
  records[9] = Ended(kD, AttemptId{}, Outcome::kDependencyFailed);
  records.erase(records.begin() + 10);
  records[10] = RunIsOver(RunState::kFailed);
  EXPECT_THAT(Judged(records, {"b"}).outcome, IsEmpty());
  EXPECT_THAT(Judged(records, {"c"}).outcome, ElementsAre("task 'b' ended as failed"));
}

TEST(ChaosOracle, A08_SeesASecondTryOfWhatMustNotBeDoneTwice) {
  Records records = GoodRun();
  std::get<RunAccepted>(records[0]).job.Edit().policies[0].idempotent = false;
  EXPECT_THAT(Judged(records).order, ElementsAre(HasSubstr("'b' was assigned again, which must not be done twice")));
  // One that never started may be tried elsewhere.
  std::get<AttemptEnded>(records[5]).outcome = Outcome::kNone;
  EXPECT_THAT(Judged(records).order, IsEmpty());
  // And that it fails for this reason is as it would be.
  records[5] = Ended(kB, Attempt(2), Outcome::kLost);
  records[9] = Ended(kD, AttemptId{}, Outcome::kDependencyFailed);
  records.erase(records.begin() + 10);
  records.erase(records.begin() + 7, records.begin() + 9);
  records[8] = RunIsOver(RunState::kFailed);
  EXPECT_THAT(Judged(records).outcome, IsEmpty());
  EXPECT_THAT(Judged(records).order, IsEmpty());
  std::get<RunAccepted>(records[0]).job.Edit().policies[0].idempotent = true;
  EXPECT_THAT(Judged(records).outcome, ElementsAre("task 'b' ended as lost", "task 'd' ended as dependency_failed",
                                                   "the run ended as failed, not succeeded"));
}

TEST(ChaosOracle, A11_CountsTasksThatAreCalledPoison) {
  Records records = GoodRun();
  std::get<TaskEnded>(records[10]).failure.message = "poison: took down 3 workers: w1, w2, w3";
  std::get<TaskEnded>(records[10]).outcome = Outcome::kFailed;
  const std::vector<JournalLine> lines = Journal(records);
  EXPECT_EQ(JudgeJournal(lines, {"d"}).poisoned, 1u);
}

TEST(ChaosOracle, LongListsAreCutAndCounted) {
  Findings findings;
  for (int i = 0; i < 100; ++i) findings.Add("one more");
  EXPECT_EQ(findings.count(), 100u);
  EXPECT_LT(findings.texts().size(), 50u);
}

}  // namespace
}  // namespace millrace::zmqctl
