// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "story.h"
#include "tests/support/edit_job.h"

namespace millrace::zmqctl {
namespace {

using namespace testing;  // NOLINT: the words of the story
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The slot `slot` of the process `worker`.
std::string Line(const char* word, const char* task, AttemptId attempt, int worker = 100, int slot = 1) {
  return absl::StrFormat("%s %s %d 40265-%d-777-%d\n", word, task, attempt.value, worker, slot);
}
std::string Begin(const char* task, AttemptId attempt, int worker = 100, int slot = 1) {
  return Line("begin", task, attempt, worker, slot);
}
std::string End(const char* task, AttemptId attempt, int worker = 100, int slot = 1) {
  return Line("end", task, attempt, worker, slot);
}

struct StepsTest : ::testing::Test {
  StepsVerdict Judged(const std::string& text) {
    const absl::StatusOr<std::vector<TaskStep>> steps = ParseSteps(text);
    EXPECT_TRUE(steps.ok()) << steps.status();
    return JudgeSteps(*steps, JudgeJournal(lines_, {}), 2);
  }
  std::vector<std::string> Broken(const std::string& text) { return Judged(text).broken.texts(); }

  // As the journal of the story has it: b's first attempt is killed with its worker.
  std::string a_ = Begin("a", Attempt(1)) + End("a", Attempt(1));
  std::string b_lost_ = Begin("b", Attempt(2), 100, 1);
  std::string c_ = Begin("c", Attempt(3), 200, 1) + End("c", Attempt(3), 200, 1);
  std::string b_ = Begin("b", Attempt(1, 2), 300, 1) + End("b", Attempt(1, 2), 300, 1);
  std::string d_ = Begin("d", Attempt(2, 2), 300, 1) + End("d", Attempt(2, 2), 300, 1);
  std::vector<JournalLine> lines_ = Journal(GoodRun());
};

TEST_F(StepsTest, FindsNothingWrongInAGoodRun) {
  const StepsVerdict verdict = Judged(a_ + b_lost_ + c_ + b_ + d_);
  EXPECT_EQ(verdict.executions, 5u);
  EXPECT_EQ(verdict.reexecutions, 1u);
  EXPECT_EQ(verdict.most_at_once, 1);
  EXPECT_THAT(verdict.broken.texts(), IsEmpty());
}

TEST_F(StepsTest, A51_SeesAnAttemptThatBeganTwice) {
  EXPECT_THAT(Broken(a_ + b_lost_ + Begin("b", Attempt(2), 200, 1) + End("b", Attempt(2), 200, 1) + c_ + b_ + d_),
              ElementsAre(HasSubstr("of 'b' was begun twice")));
}

TEST_F(StepsTest, A08_SeesWhatMustNotBeDoneTwice) {
  std::get<RunAccepted>(lines_[0].record).job.Edit().policies[0].idempotent = false;
  EXPECT_THAT(Broken(a_ + b_lost_ + c_ + b_ + d_), ElementsAre("'b' was begun again, which must not be done twice"));
}

TEST_F(StepsTest, A51_SeesATaskThatBeganBeforeWhatItNeedsHadEnded) {
  EXPECT_THAT(Broken(Begin("a", Attempt(1)) + c_ + End("a", Attempt(1)) + b_ + d_),
              ElementsAre("order: 'c' began before the attempt of 'a' that counts had ended"));
  // That another attempt has ended is not enough.
  EXPECT_THAT(
      Broken(a_ + Begin("b", Attempt(2)) + End("b", Attempt(2)) + c_ + Begin("b", Attempt(1, 2), 300, 1) +
             Begin("d", Attempt(2, 2), 300, 2) + End("b", Attempt(1, 2), 300, 1) + End("d", Attempt(2, 2), 300, 2)),
      ElementsAre("order: 'd' began before the attempt of 'b' that counts had ended"));
}

TEST_F(StepsTest, A51_SeesASuccessThatNeverCameToItsEnd) {
  EXPECT_THAT(Broken(a_ + c_ + b_ + Begin("d", Attempt(2, 2))),
              ElementsAre("'d' succeeded by an attempt that has not come to its end"));
}

TEST_F(StepsTest, A51_SeesMoreAtOnceThanAWorkerHasSlots) {
  const std::string two = Begin("b", Attempt(1, 2), 100, 1) + Begin("c", Attempt(3), 100, 2);
  const std::string ends = End("b", Attempt(1, 2), 100, 1) + End("c", Attempt(3), 100, 2);
  EXPECT_THAT(Broken(a_ + two + ends + d_), IsEmpty());
  EXPECT_THAT(Broken(a_ + two + Begin("b", Attempt(9), 100, 3) + ends + d_),
              ElementsAre("limit: 3 of 2 slots of a worker were in use when 'b' began"));
  // Another worker has slots of its own, and one that was killed and started again is another worker.
  EXPECT_THAT(Broken(a_ + two + Begin("b", Attempt(9), 101, 1) + ends + d_), IsEmpty());
  // A task that takes two.
  EditJob(std::get<RunAccepted>(lines_[0].record), [](JobSpec& job) { job.tasks[kB].requirements = 1; });
  EXPECT_THAT(Broken(a_ + two + ends + d_), ElementsAre(HasSubstr("limit: 3 of 2 slots")));
}

TEST_F(StepsTest, ASlotThatBeginsAnewHasBeenFreed) {
  // Stopped without a word; the slot goes on with something else.
  EXPECT_THAT(Broken(a_ + Begin("b", Attempt(2), 100, 1) + Begin("c", Attempt(3), 100, 1) +
                     End("c", Attempt(3), 100, 1) + b_ + d_),
              IsEmpty());
}

TEST_F(StepsTest, A51_SeesTwoAtOnceInASlot) {
  EXPECT_THAT(Broken(a_ + Begin("b", Attempt(1, 2), 100, 1) + Begin("c", Attempt(3), 100, 1) +
                     End("b", Attempt(1, 2), 100, 1) + End("c", Attempt(3), 100, 1) + d_),
              ElementsAre("limit: 'b' ended when something else ran in its slot"));
}

TEST_F(StepsTest, SeesATaskThatNobodyHasSubmitted) {
  EXPECT_THAT(Broken(a_ + c_ + b_ + d_ + Begin("e", Attempt(7))), ElementsAre(HasSubstr("'e' was run")));
}

TEST(ParseSteps, ReadsNamesWithBlanks) {
  const auto steps = ParseSteps("begin m[x=a b] 4294967297 1-2-3-4\nend m[x=a b] 4294967297 1-2-3-4\n");
  ASSERT_TRUE(steps.ok()) << steps.status();
  ASSERT_EQ(steps->size(), 2u);
  EXPECT_TRUE(steps->front().begins);
  EXPECT_FALSE(steps->back().begins);
  EXPECT_EQ(steps->front().task, "m[x=a b]");
  EXPECT_EQ(steps->front().attempt, Attempt(1));
  EXPECT_EQ(steps->front().slot, "1-2-3-4");
}

TEST(ParseSteps, RefusesWhatIsNone) {
  for (const char* text : {"begin a 1", "begin a", "begin", "began a 1 s", "begin a x s", "end 1 s", " ", "begin  "}) {
    EXPECT_FALSE(ParseSteps(std::string("begin a 1 s\n") + text + "\n").ok()) << "'" << text << "'";
  }
  EXPECT_THAT(ParseSteps("begin a 1 s\nrubbish\n").status().message(), HasSubstr("line 2"));
  EXPECT_TRUE(ParseSteps("")->empty());
}

}  // namespace
}  // namespace millrace::zmqctl
