// SPDX-License-Identifier: Apache-2.0
// From options to parts: every setting reaches the brain it is for, and what cannot be is refused by its name.
#include "millrace/host/assemble.h"

#include "gmock/gmock.h"
#include "millrace/base/status.h"
#include "tests/unit/host/support.h"

namespace millrace::host {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const Registry& Modules() {
  static const Pipeline pipeline = StepPipeline("well");
  return pipeline.registry();
}
serve::WorkerOptions MustBe(const Options& options, bool local = false) {
  auto worker = WorkerOptionsOf(options, Modules(), local);
  EXPECT_TRUE(worker.ok()) << worker.status();
  return worker.ok() ? *std::move(worker) : serve::WorkerOptions{};
}

TEST(AssembleTest, A45_EveryBrokerSettingReachesTheBrain) {
  Options options;
  options.data_dir = "/data";
  options.no_cache = true;
  options.worker_heartbeat_interval = std::chrono::seconds(1);
  options.worker_heartbeat_timeout = std::chrono::seconds(2);
  options.capability_timeout = std::chrono::seconds(3);
  options.remote_execution_timeout = std::chrono::seconds(4);
  options.max_retry_attempts = 5;
  options.crash_limit = 6;
  options.expect_workers = 7;
  options.max_payload_size = 8;
  options.enable_compression = false;
  options.prefer_local_execution = true;
  options.prefetch_limit = 9;
  options.run_retention = std::chrono::seconds(10);
  options.runs_kept = 11;
  options.durability = Durability::kAsync;
  options.history = false;
  options.history_age = std::chrono::seconds(14);
  options.history_runs = 15;
  options.history_size = 16;
  options.bind = "::1";
  options.orchestrator_port = 12;
  options.http = false;
  options.http_port = 13;
  options.insecure_allow_plaintext_on = "10.0.0.1";
  const serve::BrokerOptions broker = BrokerOptionsOf(options, true);
  EXPECT_EQ(broker.data_dir, "/data");
  EXPECT_FALSE(broker.cache);
  EXPECT_EQ(broker.durability, Durability::kAsync);
  EXPECT_FALSE(broker.history);
  EXPECT_EQ(broker.history_limits.age, std::chrono::seconds(14));
  EXPECT_EQ(broker.history_limits.runs, 15u);
  EXPECT_EQ(broker.history_limits.bytes, 16u);
  EXPECT_EQ(broker.brain.heartbeat_interval, std::chrono::seconds(1));
  EXPECT_EQ(broker.brain.lease, std::chrono::seconds(2));
  EXPECT_EQ(broker.brain.capability_timeout, std::chrono::seconds(3));
  EXPECT_EQ(broker.brain.execution_timeout, std::chrono::seconds(4));
  EXPECT_EQ(broker.brain.max_retry_attempts, 5);
  EXPECT_EQ(broker.brain.crash_limit, 6u);
  EXPECT_EQ(broker.brain.expect_workers, 7u);
  EXPECT_EQ(broker.brain.max_payload, 8u);
  EXPECT_FALSE(broker.brain.compression);
  EXPECT_TRUE(broker.brain.prefer_local);
  EXPECT_EQ(broker.brain.prefetch_limit, 9u);
  EXPECT_EQ(broker.brain.run_retention, std::chrono::seconds(10));
  EXPECT_EQ(broker.brain.runs_kept, 11u);
  EXPECT_EQ(broker.brain.version, Version());
  ASSERT_TRUE(broker.network.has_value());
  EXPECT_EQ(broker.network->bind, "::1");
  EXPECT_EQ(broker.network->port, 12);
  EXPECT_FALSE(broker.network->http);
  EXPECT_EQ(broker.network->http_port, 13);
  EXPECT_EQ(broker.network->insecure_allow_plaintext_on, "10.0.0.1");
}

TEST(AssembleTest, WithoutANetworkNobodyIsExpected) {
  Options options;
  options.expect_workers = 7;
  const serve::BrokerOptions broker = BrokerOptionsOf(options, false);
  EXPECT_FALSE(broker.network.has_value());
  EXPECT_EQ(broker.brain.expect_workers, 0u);
}

TEST(AssembleTest, A45_EveryWorkerSettingReachesTheBrain) {
  Options options;
  options.worker_id = "w1";
  options.max_parallel_modules = 3;
  options.tags = {"gpu"};
  options.installed_tools = {"docker", "cmake=3.25.1", "odd=a=b"};
  options.detect_tools = false;
  options.os = "macos";
  options.arch = "aarch64";
  options.memory = 5;
  options.resources = {{"licence", 2}};
  options.broker_lost_timeout = std::chrono::seconds(6);
  options.kill_grace = std::chrono::seconds(7);
  options.drain_timeout = std::chrono::seconds(8);
  options.in_process = true;
  options.work_dir = "/tmp/../tmp";
  const serve::WorkerOptions worker = MustBe(options);
  EXPECT_EQ(worker.brain.name, "w1");
  EXPECT_EQ(worker.brain.offer.cpus, 3);
  EXPECT_EQ(worker.brain.offer.tags, options.tags);
  EXPECT_EQ(worker.brain.offer.tools, (std::vector<Tool>{{"docker", ""}, {"cmake", "3.25.1"}, {"odd", "a=b"}}));
  EXPECT_EQ(worker.brain.offer.os, "macos");
  EXPECT_EQ(worker.brain.offer.arch, "aarch64");
  EXPECT_EQ(worker.brain.offer.memory, 5);
  EXPECT_EQ(worker.brain.offer.resources, options.resources);
  EXPECT_EQ(worker.brain.offer.modules, Modules().Offered());
  EXPECT_EQ(worker.brain.broker_lost_timeout, std::chrono::seconds(6));
  EXPECT_EQ(worker.brain.kill_grace, std::chrono::seconds(7));
  EXPECT_EQ(worker.brain.drain_timeout, std::chrono::seconds(8));
  EXPECT_TRUE(worker.in_process);
  EXPECT_FALSE(worker.confinement.new_privileges);
  EXPECT_FALSE(worker.brain.hosts_only);
  EXPECT_EQ(worker.brain.work_dir, "/tmp");
  EXPECT_EQ(worker.registry, &Modules());
}

TEST(AssembleTest, LimitsOfTasksReachTheirHostsOrRefuseTheStart) {
  Options options;
  options.detect_tools = false;
  options.new_privileges = true;
  options.task_limits = {{"files", 64}};
  const serve::WorkerOptions worker = MustBe(options);
  EXPECT_TRUE(worker.confinement.new_privileges);
  EXPECT_EQ(worker.confinement.limits, options.task_limits);
  EXPECT_TRUE(worker.brain.hosts_only);
  options.task_limits = {{"files", std::int64_t{1} << 40}};
  EXPECT_THAT(TextOf(WorkerOptionsOf(options, Modules(), false).status()), HasSubstr("--task-limit files="));
}

TEST(AssembleTest, WhatIsNotSaidIsDetected) {
  Options options;
  options.detect_tools = false;
  const serve::WorkerOptions worker = MustBe(options);
  EXPECT_EQ(worker.brain.offer.os, "linux");
  EXPECT_NE(worker.brain.offer.arch, "");
  EXPECT_GT(worker.brain.offer.cpus, 0);
  EXPECT_GT(worker.brain.offer.memory, 0);
  EXPECT_THAT(worker.brain.offer.tools, testing::IsEmpty());
  EXPECT_EQ(worker.brain.name, worker.brain.host + "-" + std::to_string(getpid()));
  EXPECT_FALSE(worker.brain.local);
  const serve::WorkerOptions local = MustBe(options, true);
  EXPECT_EQ(local.brain.name, "local");
  EXPECT_TRUE(local.brain.local);
}

// Where its next process looks for what this one left: only who keeps its name has one.
TEST(AssembleTest, A09_AWorkerWithANameOfItsOwnKeepsItsOutcomes) {
  Options options;
  options.detect_tools = false;
  options.state_dir = "/state";
  EXPECT_EQ(MustBe(options).state_dir, "");
  options.worker_id = "w1";
  EXPECT_EQ(MustBe(options).state_dir, "/state/workers/w1");
  EXPECT_EQ(MustBe(options, /*local=*/true).state_dir, "");
  options.state_dir.clear();
  EXPECT_EQ(MustBe(options).state_dir, "");
}

TEST(AssembleTest, WhatSomebodySaysOfAToolBeatsWhatIsFound) {
  Options options;
  options.installed_tools = {"git=1.0-mine", "sh=mine", "bash=mine", "make=mine", "python3=mine"};
  std::size_t said = 0;
  for (const Tool& tool : MustBe(options).brain.offer.tools) {
    for (const std::string& text : options.installed_tools) {
      if (text.substr(0, text.find('=')) != tool.name) continue;
      ++said;
      EXPECT_THAT(tool.version, HasSubstr("mine")) << tool.name;
    }
  }
  EXPECT_EQ(said, options.installed_tools.size());  // each once
}

TEST(AssembleTest, EveryLifeOfAWorkerIsAnotherIncarnation) {
  Options options;
  options.detect_tools = false;
  const Incarnation first = MustBe(options).brain.incarnation;
  EXPECT_TRUE(first.valid());
  EXPECT_NE(first, MustBe(options).brain.incarnation);
}

TEST(AssembleTest, AWorkDirectoryThatIsNotThereIsRefusedByItsName) {
  Options options;
  options.work_dir = "/nowhere/at/all";
  const auto worker = WorkerOptionsOf(options, Modules(), false);
  ASSERT_FALSE(worker.ok());
  EXPECT_THAT(TextOf(worker.status()), AllOf(HasSubstr("--work-dir"), HasSubstr("/nowhere/at/all")));
}

TEST(AssembleTest, WithoutABrokersAddressTheErrorSaysHowToGiveIt) {
  net::SocketContext context;
  const auto none = Dial(context, {});
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(TextOf(none.status()), AllOf(HasSubstr("--orchestrator"), HasSubstr("ORCHESTRATOR_URL")));
  Options options;
  options.orchestrator_url = "ftp://build-1";
  const auto bad = Dial(context, options);
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(TextOf(bad.status()), HasSubstr("ftp://build-1"));
}

TEST(AssembleTest, TheReadyFileIsWholeOrNotThere) {
  TemporaryDirectory folder;
  ASSERT_TRUE(WriteReadyFile(folder / "ready", "tcp://127.0.0.1:8080").ok());
  std::string text;
  std::getline(std::ifstream(folder / "ready"), text);
  EXPECT_EQ(text, "tcp://127.0.0.1:8080");
  ASSERT_TRUE(WriteReadyFile(folder / "ready", "tcp://127.0.0.1:9").ok());  // replaced
  std::getline(std::ifstream(folder / "ready"), text);
  EXPECT_EQ(text, "tcp://127.0.0.1:9");
  EXPECT_FALSE(std::filesystem::exists(folder / "ready.tmp"));
  EXPECT_TRUE(WriteReadyFile("", "tcp://127.0.0.1:8080").ok());
  const absl::Status missing = WriteReadyFile(folder / "no/such/folder", "x");
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(TextOf(missing), HasSubstr("no/such/folder"));
}

TEST(AssembleTest, TheVersionIsKnown) { EXPECT_NE(Version(), ""); }

}  // namespace
}  // namespace millrace::host
