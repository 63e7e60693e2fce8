// SPDX-License-Identifier: Apache-2.0
// A task is run again with what it had, or it is said why it cannot be.
#include "millrace/host/rerun.h"

#include "gmock/gmock.h"
#include "millrace/base/status.h"
#include "millrace/store/history.h"
#include "millrace/wire/codec.h"
#include "millrace/wire/lz4.h"
#include "tests/unit/host/support.h"

#include <nlohmann/json.hpp>

namespace millrace::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr RunId kRun{EpochQualified(3, 17)};

class RerunTest : public testing::Test {
 protected:
  // The pipeline's run as a broker's history has it: `step`, which `after` needs.
  explicit RerunTest(const std::string& how = "well") : pipeline_(StepPipeline(how)) {
    job_ = pipeline_.ToJob().value();
    for (const TaskSpec& spec : job_.tasks) {
      PastTask& task = tasks_.emplace_back();
      task.view.index = static_cast<std::uint32_t>(tasks_.size() - 1);
      task.view.name = spec.name;
      task.view.module = job_.modules[spec.module].name;
      task.view.outcome = Outcome::kSucceeded;
      task.view.try_number = 2;
      submitted_.push_back({.spec = spec});
    }
    tasks_[0].result.bytes = wire::PackPayload(Bytes(wire::Encode(std::string("well"))));
    request_.run = kRun;
    request_.registry = &pipeline_.registry();
    request_.options.work_dir = folder_.path().string();
    request_.json = true;
    request_.out.file = out_.file();
    request_.err.file = err_.file();
  }

  PastSource Written(bool with_submission = true) {
    auto history = store::History::Open(folder_ / store::kHistoryName);
    EXPECT_TRUE(history.ok()) << history.status();
    PastRun run;
    run.view.run = kRun;
    run.view.state = RunState::kFailed;
    store::History::Submission submission{job_, [this](std::uint32_t i) { return submitted_[i]; }};
    submission.tables.tasks.clear();
    const auto links_at = [this](std::uint32_t i) { return PastLinks{.needs = job_.tasks[i].needs}; };
    EXPECT_TRUE(history
                    ->Write(
                        run, 2, [this](std::uint32_t i) { return tasks_[i]; }, links_at,
                        with_submission ? &submission : nullptr)
                    .ok());
    auto source = AskDisk(folder_.path(), 1u << 20);
    EXPECT_TRUE(source.ok()) << source.status();
    return *std::move(source);
  }
  absl::StatusOr<int> Again(const std::string& task, bool with_submission = true) {
    request_.task = task;
    return Rerun(Written(with_submission), request_);
  }
  std::string WhyNot(const std::string& task, bool with_submission = true) {
    const absl::StatusOr<int> done = Again(task, with_submission);
    EXPECT_FALSE(done.ok());
    return TextOf(done.status());
  }

  TemporaryDirectory folder_;
  Pipeline pipeline_;
  JobSpec job_;
  std::vector<PastTask> tasks_;
  std::vector<SubmittedTask> submitted_;
  Paper out_;
  Paper err_;
  RerunRequest request_;
};

TEST_F(RerunTest, A37_ItIsCalledWithItsInputsAndTheResultsThatItNeeded) {
  request_.task = "after";
  const absl::StatusOr<Rebuilt> rebuilt = Rebuild(Written(), request_);
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  EXPECT_EQ(rebuilt->execute.module, "after");
  EXPECT_EQ(rebuilt->execute.try_number, 3u) << "there were two";
  ASSERT_EQ(rebuilt->execute.needs.size(), 1u);
  EXPECT_EQ(rebuilt->execute.needs[0].name, "step");
  EXPECT_EQ(wire::UnpackPayload(rebuilt->execute.needs[0].result.bytes, 1000).value(),
            Bytes(wire::Encode(std::string("well"))));
  EXPECT_EQ(Again("after").value(), 0);
  const auto told = nlohmann::json::parse(out_.Text());
  EXPECT_EQ(told["outcome"], "succeeded");
  EXPECT_EQ(told["result"], 1);
}

class RerunOfAFailureTest : public RerunTest {
 protected:
  RerunOfAFailureTest() : RerunTest("error") {}
};

TEST_F(RerunOfAFailureTest, AFailureIsTheAnswerNoAndWhatItPrintsIsSeen) {
  EXPECT_EQ(Again("step[how=error]").value(), 1);
  EXPECT_THAT(err_.Text(), HasSubstr("the last words"));
  EXPECT_THAT(err_.Text(), HasSubstr("FAILED step[how=error]: the sky is green"));
  EXPECT_EQ(nlohmann::json::parse(out_.Text())["failure"]["message"], "the sky is green");
}

TEST_F(RerunTest, ADryRunRunsNothing) {
  request_.dry_run = true;
  EXPECT_EQ(Again("after").value(), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.Text())["needs"][0]["result"], "well");
  EXPECT_EQ(err_.Text(), "");
}

TEST_F(RerunTest, WhatIsNotKeptIsSaid) {
  EXPECT_THAT(WhyNot("afters"), HasSubstr("did you mean 'after'"));
  EXPECT_THAT(WhyNot("after", /*with_submission=*/false), HasSubstr("older Millrace"));
  submitted_[1].inputs_left_out = 300'000;
  EXPECT_THAT(WhyNot("after"), HasSubstr("had 300000 bytes"));
  submitted_[1].inputs_left_out = 0;
  tasks_[0].result = {.bytes = {}, .digest = Sha256("gone"), .size = 77};
  EXPECT_THAT(WhyNot("after"), HasSubstr("'step': the result of step had 77 bytes and is not kept any more"));
}

TEST_F(RerunTest, OnlyTheVeryModuleIsTakenForIt) {
  const std::uint32_t module = job_.tasks[1].module;
  job_.modules[module].fingerprint += 1;
  EXPECT_THAT(WhyNot("after"), HasSubstr("other inputs, needs or results"));
  job_.modules[module] = {.name = "elsewhere", .fingerprint = 0, .version = ""};
  EXPECT_THAT(WhyNot("after"), HasSubstr("elsewhere"));
  EXPECT_THAT(WhyNot("after"), HasSubstr("PROGRAM rerun"));
}

TEST_F(RerunTest, WhatMustNotBeDoneTwiceIsDoneWithAWarning) {
  job_.policies[job_.tasks[1].policy].idempotent = false;
  EXPECT_EQ(Again("after").value(), 0);
  EXPECT_THAT(err_.Text(), HasSubstr("note: it is not idempotent"));
}

}  // namespace
}  // namespace millrace::host
