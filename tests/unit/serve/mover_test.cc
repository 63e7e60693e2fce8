// SPDX-License-Identifier: Apache-2.0
// Large payloads before an attempt and after it: where they belong, or a reason why not.
#include "millrace/serve/mover.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::AllOf;
using testing::HasSubstr;

SlotDependency Elsewhere(const std::string& name, const std::string& content) {
  SlotDependency need;
  need.name = name;
  need.result.digest = Sha256(content);
  need.result.size = content.size();
  return need;
}
agent::Start StartOf(std::vector<SlotDependency> needs) {
  agent::Start start;
  start.slot = 3;
  start.execute.attempt = AttemptId{7};
  start.execute.needs = std::move(needs);
  return start;
}
agent::SlotSaid DoneWith(std::string result) {
  SlotDone done;
  done.attempt = AttemptId{7};
  done.outcome = Outcome::kSucceeded;
  done.execution = std::chrono::seconds(1);
  done.result.bytes = Bytes(std::move(result));
  done.result.size = done.result.bytes.size();
  return {3, std::move(done)};
}

class MoverTest : public testing::Test {
 protected:
  void Put(const std::string& content) { blobs_.Put(Sha256(content), Bytes::Copy(content)); }
  void Fetch(agent::Start start) { mover_->Fetch(std::move(start), std::make_shared<Mover::Stage>()); }
  std::vector<Mover::Done> Await(std::size_t count) {
    std::vector<Mover::Done> all;
    EXPECT_TRUE(Eventually([&] { return mover_->done().DrainInto(all), all.size() >= count; }));
    return all;
  }
  Mover::Fetched AwaitFetched() {
    auto all = Await(1);
    auto* fetched = all.empty() ? nullptr : std::get_if<Mover::Fetched>(&all.front());
    EXPECT_NE(fetched, nullptr);
    return fetched == nullptr ? Mover::Fetched{} : std::move(*fetched);
  }
  SlotDone AwaitStored() {
    auto all = Await(1);
    auto* said = all.empty() ? nullptr : std::get_if<agent::SlotSaid>(&all.front());
    EXPECT_NE(said, nullptr);
    if (said == nullptr) return {};
    EXPECT_EQ(said->slot, 3u);
    return std::get<SlotDone>(std::move(said->message));
  }

  FakeBlobs blobs_;
  std::optional<Mover> mover_{std::in_place, blobs_, ArtifactStore{}};
};

TEST_F(MoverTest, OnlyWhatIsElsewhereNeedsFetching) {
  SlotDependency here;
  here.result.bytes = Bytes::Copy("x");
  SlotDependency nothing;  // skipped, say
  EXPECT_FALSE(Mover::NeedsFetching(StartOf({})));
  EXPECT_FALSE(Mover::NeedsFetching(StartOf({here, nothing})));
  EXPECT_TRUE(Mover::NeedsFetching(StartOf({here, Elsewhere("a", "aa")})));
}

TEST_F(MoverTest, WhatIsGivenUpIsNotPlacedAndWhatIsBeingPlacedIsNotGivenUp) {
  Mover::Stage given_up;
  EXPECT_TRUE(given_up.GiveUp());
  EXPECT_FALSE(given_up.Place());
  Mover::Stage placing;
  EXPECT_TRUE(placing.Place());
  EXPECT_FALSE(placing.GiveUp());
}

TEST_F(MoverTest, OnlyAResultOverTheInlineLimitNeedsStoring) {
  EXPECT_FALSE(Mover::NeedsStoring(DoneWith("")));
  EXPECT_FALSE(Mover::NeedsStoring(DoneWith(std::string(net::kInlineLimit, 'x'))));
  EXPECT_TRUE(Mover::NeedsStoring(DoneWith(std::string(net::kInlineLimit + 1, 'x'))));
  agent::SlotSaid stored = DoneWith("");
  std::get<SlotDone>(stored.message).result.digest = Sha256("x");
  EXPECT_FALSE(Mover::NeedsStoring(stored));
  EXPECT_FALSE(Mover::NeedsStoring({3, SlotOutput{AttemptId{7}, false, std::string(net::kInlineLimit + 1, 'x')}}));
}

TEST_F(MoverTest, EveryPayloadIsInlineAfterwards) {
  Put("first");
  Put("second");
  SlotDependency here;
  here.result.bytes = Bytes::Copy("here");
  Fetch(StartOf({Elsewhere("a", "first"), here, Elsewhere("b", "second")}));
  const Mover::Fetched fetched = AwaitFetched();
  EXPECT_TRUE(fetched.status.ok()) << fetched.status;
  EXPECT_EQ(fetched.start.slot, 3u);
  EXPECT_EQ(fetched.start.execute.attempt, AttemptId{7});
  ASSERT_EQ(fetched.start.execute.needs.size(), 3u);
  EXPECT_EQ(fetched.start.execute.needs[0].result.bytes.view(), "first");
  EXPECT_EQ(fetched.start.execute.needs[1].result.bytes.view(), "here");
  EXPECT_EQ(fetched.start.execute.needs[2].result.bytes.view(), "second");
  for (const SlotDependency& need : fetched.start.execute.needs) EXPECT_EQ(need.result.digest, std::nullopt);
  EXPECT_EQ(blobs_.fetches(), 2);
}

TEST_F(MoverTest, A37_AFetchThatFailsNamesTheDependencyAndTheReason) {
  Put("first");
  Fetch(StartOf({Elsewhere("a", "first"), Elsewhere("build[debug]", "gone")}));
  const Mover::Fetched fetched = AwaitFetched();
  EXPECT_EQ(fetched.status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(TextOf(fetched.status),
              AllOf(HasSubstr("build[debug]"), HasSubstr("4 bytes"), HasSubstr("no blob " + Sha256("gone").Hex())));
  EXPECT_EQ(fetched.start.execute.attempt, AttemptId{7});  // whose it was
}

TEST_F(MoverTest, AStoredResultIsNamedByItsDigest) {
  const std::string content(net::kInlineLimit + 1, 'x');
  mover_->Store(DoneWith(content));
  const SlotDone done = AwaitStored();
  EXPECT_EQ(done.outcome, Outcome::kSucceeded);
  EXPECT_EQ(done.result.digest, Sha256(content));
  EXPECT_EQ(done.result.size, content.size());
  EXPECT_TRUE(done.result.bytes.empty());
  EXPECT_EQ(done.execution, std::chrono::seconds(1));
  EXPECT_TRUE(blobs_.Has(Sha256(content)));
}

TEST_F(MoverTest, ShortTroubleIsWaitedOut) {
  blobs_.FailStoring(2);
  mover_->Store(DoneWith(std::string(net::kInlineLimit + 1, 'x')));
  const SlotDone done = AwaitStored();
  EXPECT_EQ(done.outcome, Outcome::kSucceeded) << done.failure.message;
  EXPECT_EQ(blobs_.stores(), 3);
}

TEST_F(MoverTest, A08_LastingTroubleIsATransientFailureWithTheReason) {
  blobs_.FailStoring(1000);
  mover_->Store(DoneWith(std::string(300'000, 'x')));
  const SlotDone done = AwaitStored();
  EXPECT_EQ(done.outcome, Outcome::kFailed);
  EXPECT_TRUE(done.failure.transient);
  EXPECT_THAT(done.failure.message, AllOf(HasSubstr("300000 bytes"), HasSubstr("the disk is full")));
  EXPECT_TRUE(done.result.bytes.empty());
  EXPECT_EQ(done.result.digest, std::nullopt);
  EXPECT_EQ(done.execution, std::chrono::seconds(1));  // it ran, after all
}

TEST_F(MoverTest, WhatIsAskedFirstIsDoneFirst) {
  for (int i = 0; i < 10; ++i) {
    Put(std::to_string(i));
    agent::Start start = StartOf({Elsewhere("a", std::to_string(i))});
    start.execute.attempt = AttemptId{static_cast<std::uint64_t>(i) + 1};
    Fetch(std::move(start));
  }
  const auto all = Await(10);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(std::get<Mover::Fetched>(all[i]).start.execute.attempt.value, i + 1);
  }
}

TEST_F(MoverTest, EndsWithoutDoingWhatStillWaits) {
  blobs_.SetClosed(true);
  constexpr int kMany = 20'000;  // more than are done before it is told to end
  for (int i = 0; i < kMany; ++i) Fetch(StartOf({Elsewhere("a", "first")}));
  ASSERT_TRUE(Eventually([&] { return blobs_.fetches() == 1; }));
  std::thread opener([&] { blobs_.SetClosed(false); });
  mover_.reset();
  opener.join();
  EXPECT_LT(blobs_.fetches(), kMany);
}

}  // namespace
}  // namespace millrace::serve
