// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/receipts.h"

#include "gmock/gmock.h"

namespace millrace::serve {
namespace {

using testing::ElementsAre;

constexpr PeerId kOne{1};
constexpr PeerId kOther{2};

Recorded Of(std::uint64_t session, std::uint64_t through, std::vector<AttemptId> dropped = {}) {
  return {.session = SessionId{session}, .through = through, .dropped = std::move(dropped)};
}

TEST(ReceiptsTest, OneForManySaysAllThatTheyHadToSay) {
  Receipts receipts;
  receipts.Add(kOne, Of(1, 3, {AttemptId{7}}));
  receipts.Add(kOther, Of(2, 1));
  receipts.Add(kOne, Of(1, 5, {AttemptId{8}}));
  const auto one = receipts.TakeFor(kOne);
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->through, 5u);
  EXPECT_THAT(one->dropped, ElementsAre(AttemptId{7}, AttemptId{8}));
  EXPECT_FALSE(receipts.TakeFor(kOne).has_value()) << "it is said once";
  EXPECT_EQ(receipts.TakeAll().at(kOther), Of(2, 1));
  EXPECT_TRUE(receipts.empty());
}

TEST(ReceiptsTest, ALaterOneNeverSaysLess) {
  Receipts receipts;
  receipts.Add(kOne, Of(1, 5));
  receipts.Add(kOne, Of(1, 4));
  EXPECT_EQ(receipts.TakeFor(kOne)->through, 5u);
}

TEST(ReceiptsTest, OfAnotherSessionNothingIsCarriedOver) {
  Receipts receipts;
  receipts.Add(kOne, Of(1, 50, {AttemptId{7}}));
  receipts.Add(kOne, Of(2, 1));
  EXPECT_EQ(*receipts.TakeFor(kOne), Of(2, 1));
}

}  // namespace
}  // namespace millrace::serve
