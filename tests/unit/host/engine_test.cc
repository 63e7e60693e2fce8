// SPDX-License-Identifier: Apache-2.0
// The modes as functions, each with a real broker and real workers in this process.
#include "millrace/host/engine.h"

#include <thread>

#include "gmock/gmock.h"
#include "millrace/base/status.h"
#include "millrace/net/context.h"
#include "millrace/serve/broker.h"
#include "tests/unit/host/support.h"

namespace millrace::host {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class EngineTest : public testing::Test {
 protected:
  RunRequest Request(const std::string& how) {
    pipelines_.push_back(std::make_unique<Pipeline>(StepPipeline(how)));
    RunRequest request;
    auto job = pipelines_.back()->ToJob();
    EXPECT_TRUE(job.ok()) << job.status();
    request.job = *std::move(job);
    request.registry = &pipelines_.back()->registry();
    request.options.data_dir = folder_ / "data";
    request.options.work_dir = folder_.path().string();
    request.options.max_parallel_modules = 2;
    request.options.detect_tools = false;
    request.options.orchestrator_port = 0;
    request.console.file = paper_.file();
    return request;
  }

  TemporaryDirectory folder_;
  Paper paper_;
  std::vector<std::unique_ptr<Pipeline>> pipelines_;
};

TEST_F(EngineTest, AStandaloneRunIsGreenAndItsProgressIsTold) {
  const auto summary = RunStandalone(Request("well"));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->ok());
  ASSERT_EQ(summary->tasks.size(), 2u);
  EXPECT_EQ(summary->tasks[0].worker, "local");
  EXPECT_THAT(paper_.Text(), AllOf(HasSubstr("wave 1 of 2\ndone      step"), HasSubstr("done      after")));
}

TEST_F(EngineTest, A03_AFailureIsASummaryThatIsNotOk) {
  const auto summary = RunStandalone(Request("error"));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_FALSE(summary->ok());
  EXPECT_EQ(summary->run.state, RunState::kFailed);
  ASSERT_EQ(summary->tasks.size(), 2u);
  EXPECT_THAT(summary->tasks[0].failure.message, HasSubstr("the sky is green"));
  EXPECT_THAT(summary->tasks[0].failure.output, HasSubstr("the last words"));
  EXPECT_EQ(summary->tasks[1].outcome, Outcome::kDependencyFailed);
  EXPECT_THAT(paper_.Text(), HasSubstr("FAILED    step"));
}

TEST_F(EngineTest, QuietIsQuiet) {
  RunRequest request = Request("well");
  request.quiet = true;
  const auto summary = RunStandalone(std::move(request));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->tasks.size(), 2u);
  EXPECT_THAT(paper_.Text(), IsEmpty());
}

TEST_F(EngineTest, AWorkDirectoryThatIsNotThereIsAnErrorBeforeTheRun) {
  RunRequest request = Request("well");
  request.options.work_dir = "/nowhere/at/all";
  const auto summary = RunStandalone(std::move(request));
  ASSERT_FALSE(summary.ok());
  EXPECT_THAT(TextOf(summary.status()), HasSubstr("--work-dir"));
}

TEST_F(EngineTest, AnOrchestratorThatPrefersItselfNeedsNobody) {
  RunRequest request = Request("well");
  request.options.prefer_local_execution = true;
  request.ready_file = folder_ / "ready";
  const auto summary = RunOrchestrator(std::move(request));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->ok());
  std::string endpoint;
  std::getline(std::ifstream(folder_ / "ready"), endpoint);
  EXPECT_THAT(endpoint, StartsWith("tcp://127.0.0.1:"));
}

TEST_F(EngineTest, A05_AnOrchestratorRunsOnWorkersThatAttachAndReleasesThem) {
  RunRequest request = Request("well");
  request.ready_file = folder_ / "ready";
  std::thread worker([&] {
    ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(folder_ / "ready"); }));
    Options options = Request("well").options;
    std::getline(std::ifstream(folder_ / "ready"), options.orchestrator_url);
    options.worker_id = "w1";
    auto interrupts = Interrupts::Begin();
    ASSERT_TRUE(interrupts.ok()) << interrupts.status();
    EXPECT_EQ(ServeWorker(options, pipelines_.front()->registry(), **interrupts), 0);
  });
  const auto summary = RunOrchestrator(std::move(request));
  worker.join();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->ok()) << summary->run.root_cause;
  EXPECT_EQ(summary->tasks.at(0).worker, "w1");
}

TEST_F(EngineTest, AReadyFileThatCannotBeWrittenIsAnErrorBeforeTheRun) {
  RunRequest request = Request("well");
  request.ready_file = "/nowhere/at/all/ready";
  const auto summary = RunOrchestrator(std::move(request));
  ASSERT_FALSE(summary.ok());
  EXPECT_THAT(TextOf(summary.status()), HasSubstr("/nowhere/at/all/ready"));
}

TEST_F(EngineTest, A46_ADataDirectoryInUseIsAnErrorBeforeTheRun) {
  net::SocketContext context;
  serve::BrokerOptions other;
  other.data_dir = folder_ / "data";
  other.network.emplace();
  other.network->port = 0;
  const auto holder = serve::Broker::Start(&context, std::move(other));
  ASSERT_TRUE(holder.ok()) << holder.status();
  const auto summary = RunOrchestrator(Request("well"));
  ASSERT_FALSE(summary.ok());
  EXPECT_EQ(summary.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EngineTest, WithoutABrokersAddressThereIsNothingToRunOn) {
  EXPECT_EQ(RunOnBroker(Request("well")).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(SubmitToBroker(Request("well")).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace millrace::host
