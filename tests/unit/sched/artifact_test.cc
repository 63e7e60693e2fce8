// SPDX-License-Identifier: Apache-2.0
// Artifacts as the scheduler knows them: a digest that a success brings, that dependants get, and nobody else's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "millrace/sched/artifact_check.h"
#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Policy Makes(std::vector<Produce> produces = {{.name = "app", .paths = {"out/app"}}}) {
  return {.retries = 0, .produces = std::move(produces)};
}
Policy Takes(std::vector<Consume> consumes) { return {.consumes = std::move(consumes)}; }

ArtifactTree TreeOf(const std::string& content) {
  return {.digest = Sha256(content), .size = 10, .bytes = 2000, .files = 3};
}

class ArtifactTest : public testing::Test {
 protected:
  void SucceedWith(const std::string& worker, const std::string& task, std::optional<ArtifactTree> artifacts) {
    AttemptReport report;
    report.attempt = rig.AttemptOf(worker, task);
    ASSERT_TRUE(report.attempt.valid());
    report.outcome = Outcome::kSucceeded;
    report.artifacts = std::move(artifacts);
    rig.Report_(worker, std::move(report));
  }
  std::optional<ArtifactTree> Given(const std::string& worker, const std::string& task) {
    for (const Assign& assign : rig.Sent<Assign>(rig.workers.at(worker).peer)) {
      for (const Datum& datum : assign.data) {
        if (datum.name == task) return datum.artifacts;
      }
    }
    return std::nullopt;
  }
  static JobSpec MakeAndTake() {
    return Job().Task("make", "", Makes()).Task("take", "make", Takes({{.from = "make"}})).spec;
  }

  Rig rig;
};

TEST_F(ArtifactTest, A36_ASuccessBringsThemAndDependantsGetThem) {
  rig.Join("w1", {.cpus = 2});
  rig.Submit(MakeAndTake());
  SucceedWith("w1", "make", TreeOf("x"));
  EXPECT_EQ(Given("w1", "make"), TreeOf("x"));
  EXPECT_THAT(rig.Task("make").artifacts, ElementsAre(TreeOf("x")));
  EXPECT_THAT(rig.Why("make"), AllOf(HasSubstr("3 files"), HasSubstr(Sha256("x").Hex())));
  rig.Succeed("w1", "take");
  EXPECT_THAT(rig.Task("take").artifacts, IsEmpty());
  EXPECT_EQ(rig.Run().state, RunState::kSucceeded);
}

TEST_F(ArtifactTest, A36_ASuccessWithoutThemIsAFailure) {
  rig.Join("w1", {.cpus = 2});
  rig.Submit(MakeAndTake());
  SucceedWith("w1", "make", std::nullopt);
  EXPECT_EQ(rig.Task("make").outcome, Outcome::kFailed);
  EXPECT_THAT(rig.Task("make").failure.message, HasSubstr("worker w1"));
  EXPECT_EQ(rig.Task("take").outcome, Outcome::kDependencyFailed);
}

TEST_F(ArtifactTest, A36_WhatNobodyAskedForIsNotKept) {
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("a").Task("b", "a").spec);
  SucceedWith("w1", "a", TreeOf("x"));
  EXPECT_EQ(rig.Task("a").outcome, Outcome::kSucceeded);
  EXPECT_THAT(rig.Task("a").artifacts, IsEmpty());
  EXPECT_EQ(Given("w1", "a"), std::nullopt);
}

TEST_F(ArtifactTest, A36_ThoseOfAStaleAttemptAreNeverSeen) {
  rig.Join("w1", {.cpus = 1});
  rig.Submit(MakeAndTake());
  const AttemptId stale = rig.AttemptOf("w1", "make");
  rig.Started("w1", "make");
  rig.workers["w1"].silent = true;
  rig.Join("w2", {.cpus = 1});
  rig.AdvanceBeating(minutes(2));  // the lease of w1 is over
  ASSERT_TRUE(rig.AttemptOf("w2", "make").valid());
  AttemptReport late;
  late.attempt = stale;
  late.outcome = Outcome::kSucceeded;
  late.artifacts = TreeOf("stale");
  rig.Report_("w1", late);
  EXPECT_THAT(rig.Task("make").artifacts, IsEmpty());
  SucceedWith("w2", "make", TreeOf("current"));
  rig.Report_("w1", late);
  EXPECT_THAT(rig.Task("make").artifacts, ElementsAre(TreeOf("current")));
  EXPECT_EQ(Given("w2", "make"), TreeOf("current"));
}

TEST_F(ArtifactTest, A36_TheJournalGivesThemBack) {
  rig.Join("w1", {.cpus = 2});
  rig.Submit(MakeAndTake());
  SucceedWith("w1", "make", TreeOf("x"));
  Config config = TestConfig();
  config.epoch = 2;
  Scheduler replayed(config);
  for (const Record& record : rig.journal) replayed.Apply(record);
  EXPECT_EQ(rig.scheduler->CheckSameAs(replayed), absl::OkStatus());
  for (Record& record : rig.journal) {
    if (auto* ended = std::get_if<TaskEnded>(&record)) ended->artifacts.reset();
  }
  Scheduler forgetful(config);
  for (const Record& record : rig.journal) forgetful.Apply(record);
  EXPECT_THAT(TextOf(rig.scheduler->CheckSameAs(forgetful)), HasSubstr("artifacts"));
}

TEST_F(ArtifactTest, A38_AHitIsOneOnlyWithThem) {
  Policy cached = Makes();
  cached.cached = true;
  rig.Join("w1", {.cpus = 2});
  rig.Submit(Job().Task("make", "", cached).Task("take", "make", Takes({{.from = "make"}})).spec);
  ASSERT_EQ(rig.All<Recall>().size(), 1u);
  const Recall recall = rig.All<Recall>()[0];
  EXPECT_EQ(recall.produces, cached.produces);
  rig.Step(Recalled{.task = recall.task, .result = Payload{}, .key = Sha256("key")});
  SucceedWith("w1", "make", TreeOf("x"));
  ASSERT_EQ(rig.All<Remember>().size(), 1u);
  EXPECT_EQ(rig.All<Remember>()[0].artifacts, TreeOf("x"));

  Rig other;
  other.Join("w1", {.cpus = 2});
  other.Submit(Job().Task("make", "", cached).Task("take", "make", Takes({{.from = "make"}})).spec);
  other.Step(Recalled{
      .task = other.All<Recall>()[0].task, .result = Payload{}, .key = Sha256("key"), .artifacts = TreeOf("x")});
  EXPECT_EQ(other.Task("make").outcome, Outcome::kCached);
  EXPECT_THAT(other.Task("make").artifacts, ElementsAre(TreeOf("x")));
}

std::string RefusalOf(const JobSpec& job) {
  Rig rig;
  const Answer answer = rig.Submit(job);
  EXPECT_NE(answer.code, 0);
  return answer.message;
}

TEST(ArtifactCheckTest, A36_WhatIsConsumedIsMadeBySomethingThatIsNeeded) {
  const auto refusal = [](const std::string& needs, Consume consume) {
    return RefusalOf(Job()
                         .Task("build[os=linux]", "", Makes({{.name = "docs", .paths = {"d"}}}))
                         .Task("plain")
                         .Task("take", needs, Takes({std::move(consume)}))
                         .spec);
  };
  EXPECT_THAT(refusal("plain", {.from = "build"}), AllOf(HasSubstr("'build'"), HasSubstr("add it to its needs")));
  EXPECT_THAT(refusal("build[os=linux]", {.from = "biuld"}), HasSubstr("did you mean 'build'?"));
  EXPECT_THAT(refusal("build[os=linux]", {.from = "build", .artifact = "dosc"}), HasSubstr("did you mean 'docs'?"));
  EXPECT_THAT(refusal("plain", {.from = "plain"}), HasSubstr("produces none"));
  EXPECT_THAT(refusal("plain", {.from = ""}), HasSubstr("without a name"));
  Rig rig;
  EXPECT_EQ(rig.Submit(Job()
                           .Task("build[os=linux]", "", Makes())
                           .Task("one", "build[os=linux]", Takes({{.from = "build", .artifact = "app"}}))
                           .Task("two", "build[os=linux]", Takes({{.from = "build[os=linux]"}}))
                           .spec)
                .code,
            0);
}

TEST(ArtifactCheckTest, A36_NothingOutsideOfTheWorkDirectoryCanBeNamed) {
  for (const std::string path : {"", "/etc", "../x", "a/../b", "a//b", "./a", "a/"}) {
    EXPECT_THAT(RefusalOf(Job().Task("a", "", Makes({{.name = "x", .paths = {path}}})).spec), HasSubstr("'x'")) << path;
    if (path.empty()) continue;
    EXPECT_THAT(
        RefusalOf(
            Job().Task("a", "", Makes()).Task("b", "a", Takes({{.from = "a", .artifact = "", .into = path}})).spec),
        HasSubstr("into"))
        << path;
  }
  for (const std::string name : {"", ".git", "a/b", "..", "-x"}) {
    EXPECT_THAT(RefusalOf(Job().Task("a", "", Makes({{.name = name, .paths = {"x"}}})).spec), HasSubstr("no name"));
  }
  EXPECT_THAT(RefusalOf(Job().Task("a", "", Makes({{.name = "x"}})).spec), HasSubstr("no paths"));
  EXPECT_THAT(
      RefusalOf(Job().Task("a", "", Makes({{.name = "x", .paths = {"1"}}, {.name = "x", .paths = {"2"}}})).spec),
      HasSubstr("two artifacts"));
}

TEST(ArtifactCheckTest, A48_WhatATaskSaysOfArtifactsIsBounded) {
  const auto of = [](std::size_t artifacts, std::size_t paths, std::size_t bytes) {
    std::vector<Produce> produces;
    for (std::size_t i = 0; i < artifacts; ++i) {
      produces.push_back({.name = "a" + std::to_string(i), .paths = std::vector(paths, std::string(bytes, 'x'))});
    }
    return CheckArtifacts(Makes(std::move(produces)));
  };
  EXPECT_TRUE(of(kMaxArtifacts, 1, 1).ok());
  EXPECT_EQ(of(kMaxArtifacts + 1, 1, 1).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(of(1, kMaxArtifactPaths, 1).ok());
  EXPECT_EQ(of(1, kMaxArtifactPaths + 1, 1).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(of(1, 1, kMaxArtifactPath).ok());
  EXPECT_EQ(of(1, 1, kMaxArtifactPath + 1).code(), absl::StatusCode::kInvalidArgument);
  // A name of 2 bytes and 16 around it, paths with 4 around each.
  EXPECT_TRUE(of(1, 2, 1).ok());
  Policy full = Makes({{.name = "ab", .paths = {}}});
  while (ArtifactBytes(full) + 4 + kMaxArtifactPath <= kMaxArtifactRules) {
    full.produces[0].paths.push_back(std::string(kMaxArtifactPath, 'x'));
  }
  full.produces[0].paths.push_back(std::string(kMaxArtifactRules - ArtifactBytes(full) - 4, 'x'));
  EXPECT_EQ(ArtifactBytes(full), kMaxArtifactRules);
  EXPECT_TRUE(CheckArtifacts(full).ok());
  full.produces[0].paths.back() += "x";
  EXPECT_EQ(CheckArtifacts(full).code(), absl::StatusCode::kResourceExhausted);
  Policy named = Makes({{.name = std::string(kMaxArtifactName, 'n'), .paths = {"x"}}});
  EXPECT_TRUE(CheckArtifacts(named).ok());
  named.produces[0].name += "n";
  EXPECT_FALSE(CheckArtifacts(named).ok());
}

}  // namespace
}  // namespace millrace::sched
