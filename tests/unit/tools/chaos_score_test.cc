// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "story.h"

namespace millrace::zmqctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ScoreCard CardOf(const std::vector<JournalLine>& lines) {
  ScoreCard card;
  card.seed = 4711;
  card.journal = JudgeJournal(lines, {});
  return card;
}

host::Console Plain() { return {.file = stdout, .colour = false, .live = false, .columns = 80}; }

TEST(ScoreCard, IsCleanWhenNothingIsBroken) {
  const auto lines = testing::Journal(testing::GoodRun());
  const ScoreCard card = CardOf(lines);
  EXPECT_TRUE(card.clean());
  EXPECT_THAT(ScoreText(card, Plain()), HasSubstr("score             clean\n"));
  EXPECT_THAT(ScoreText(card, Plain()), Not(HasSubstr("BROKEN")));
  EXPECT_THAT(ScoreText(card, Plain()), HasSubstr("re-executions     1 at most\n"));
  EXPECT_THAT(ScoreJson(card), HasSubstr("\"clean\": true"));
  EXPECT_THAT(ScoreJson(card), HasSubstr("\"seed\": 4711"));
}

TEST(ScoreCard, A51_IsNotCleanOverAnyOneThing) {
  auto records = testing::GoodRun();
  const auto good = testing::Journal(records);
  records.erase(records.end() - 2);
  const auto lost = testing::Journal(records);
  EXPECT_FALSE(CardOf(lost).clean());
  EXPECT_THAT(ScoreText(CardOf(lost), Plain()), HasSubstr("BROKEN            1 tasks were lost\n"));
  EXPECT_THAT(ScoreText(CardOf(lost), Plain()), HasSubstr("NOT CLEAN"));
  EXPECT_THAT(ScoreJson(CardOf(lost)), HasSubstr("\"clean\": false"));
  const auto breaks = [&](auto change) {
    ScoreCard card = CardOf(good);
    card.steps.emplace();
    EXPECT_TRUE(card.clean());
    change(card);
    return !card.clean();
  };
  EXPECT_TRUE(breaks([](ScoreCard& card) { card.journal.committed_twice = 1; }));
  EXPECT_TRUE(breaks([](ScoreCard& card) { card.journal.order.Add("x"); }));
  EXPECT_TRUE(breaks([](ScoreCard& card) { card.journal.outcome.Add("x"); }));
  EXPECT_TRUE(breaks([](ScoreCard& card) { card.steps->broken.Add("x"); }));
  EXPECT_TRUE(breaks([](ScoreCard& card) { card.watch.Add("x"); }));
  EXPECT_TRUE(breaks([](ScoreCard& card) { card.story.defects.push_back("x"); }));
  EXPECT_FALSE(breaks([](ScoreCard& card) { card.story.notes.push_back("x"); }));
}

}  // namespace
}  // namespace millrace::zmqctl
