// SPDX-License-Identifier: Apache-2.0
// Artifacts as the agent knows them: what an attempt is to find, what is to be collected, what is reported.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/rig.h"

namespace millrace::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

ArtifactTree TreeOf(std::uint64_t bytes) { return {.digest = Sha256("x"), .size = 10, .bytes = bytes, .files = 1}; }

Datum Made(std::uint32_t index, const std::string& name, std::optional<ArtifactTree> artifacts) {
  Datum datum;
  datum.task = {.run = RunId{1}, .index = index};
  datum.name = name;
  datum.outcome = artifacts ? Outcome::kSucceeded : Outcome::kFailed;
  datum.artifacts = std::move(artifacts);
  return datum;
}

TEST(Artifacts, A36_AnAttemptFindsThoseOfItsDependenciesThatItNamesAndNoOthers) {
  Rig rig;
  rig.Attach();
  Assignment task = Rig::Task(9);
  for (const std::uint32_t index : {20, 21, 22, 23}) task.needs.push_back({.task = index, .parameter = -1});
  Assign assign = rig.Work({task});
  assign.data = {Made(20, "build[os=a]", TreeOf(1)), Made(21, "build[os=b]", TreeOf(2)), Made(22, "builder", TreeOf(3)),
                 Made(23, "failed", std::nullopt)};
  assign.policies[0].consumes = {{.from = "build", .artifact = "app", .into = "in"}, {.from = "failed"}};
  rig.Give(std::move(assign));
  ASSERT_THAT(rig.All<Start>(), SizeIs(1));
  const std::vector<Consumed> consumed = rig.All<Start>()[0].consumed;
  ASSERT_THAT(consumed, SizeIs(2));
  EXPECT_EQ(consumed[0].task, "build[os=a]");
  EXPECT_EQ(consumed[0].tree, TreeOf(1));
  EXPECT_EQ(consumed[1].task, "build[os=b]");
  EXPECT_EQ(consumed[1].artifact, "app");
  EXPECT_EQ(consumed[1].into, "in");
}

TEST(Artifacts, A36_WhatWasCollectedIsReportedWithASuccessOnly) {
  Rig rig;
  rig.Attach();
  Assign assign = rig.Work({Rig::Task(1), Rig::Task(2)});
  assign.policies[0].produces = {{.name = "app", .paths = {"out"}}};
  rig.Give(std::move(assign));
  ASSERT_THAT(rig.All<Start>(), SizeIs(2));
  EXPECT_EQ(rig.All<Start>()[0].produces.at(0).name, "app");
  for (const Outcome outcome : {Outcome::kSucceeded, Outcome::kFailed}) {
    SlotDone done;
    const std::uint64_t attempt = outcome == Outcome::kSucceeded ? 1 : 2;
    done.attempt = AttemptId{attempt};
    done.outcome = outcome;
    done.artifacts = TreeOf(attempt);
    rig.Do(SlotSaid{.slot = static_cast<std::uint32_t>(attempt - 1), .message = std::move(done)});
  }
  ASSERT_THAT(rig.Reports(), SizeIs(2));
  EXPECT_EQ(rig.Reports()[0].artifacts, TreeOf(1));
  EXPECT_EQ(rig.Reports()[1].artifacts, std::nullopt);
}

// What is collected after it has ended must not meet what another attempt in the same slot does.
TEST(Artifacts, A36_NothingLinesUpBehindAnAttemptThatMakesSome) {
  Rig rig;
  rig.Attach();
  Assign assign = rig.Work({Rig::Task(1), Rig::Task(2), Rig::Task(3), Rig::Task(4)});
  assign.policies[0].isolation = Isolation::kInProcess;
  assign.policies[0].produces = {{.name = "app", .paths = {"out"}}};
  rig.Give(std::move(assign));
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2));
  rig.Finish(1, 2);
  EXPECT_THAT(rig.Started(), ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace millrace::agent
