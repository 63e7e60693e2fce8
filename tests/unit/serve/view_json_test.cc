// SPDX-License-Identifier: Apache-2.0
// Views as JSON: the keys that scripts rely on, words for enums, null for what has not happened, and any bytes in a
// text.
#include "millrace/serve/view_json.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/wire/codec.h"
#include "millrace/wire/lz4.h"

#include <nlohmann/json.hpp>

namespace millrace::serve {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> Keys(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

// Scripts read these: a key may be added, none may go or change its name.
TEST(ViewJsonTest, TheKeysStayAsTheyAre) {
  EXPECT_THAT(Keys(Json::parse(BrokerJson({}))),
              ElementsAre("version", "epoch", "uptime_s", "workers", "expected_workers", "cpus", "cpus_used",
                          "runs_active", "tasks_ready", "tasks_running", "tasks_completed", "outcomes_dropped",
                          "protocol_errors", "warnings"));
  EXPECT_THAT(Keys(Json::parse(WorkersJson(std::vector<WorkerView>(1)))[0]),
              ElementsAre("name", "host", "pid", "version", "state", "local", "heartbeat_degraded", "os", "arch",
                          "cpus", "cpus_used", "memory", "resources", "tags", "tools", "running", "prefetched",
                          "completed", "silent_s"));
  const std::vector<std::string> run_keys = Keys(Json::parse(RunJson({})));
  EXPECT_THAT(run_keys, ElementsAre("run", "name", "state", "submitted_unix_ms", "elapsed_s", "tasks", "waiting",
                                    "ready", "running", "succeeded", "cached", "failed", "ignored", "skipped",
                                    "cancelled", "waves", "root_cause", "warnings"));
  EXPECT_EQ(Keys(Json::parse(RunsJson(std::vector<RunView>(1)))[0]), run_keys);
  TaskView failed;
  failed.failure.message = "exit code 1";
  const Json task = Json::parse(TasksJson({failed}))[0];
  EXPECT_THAT(Keys(task), ElementsAre("name", "module", "state", "outcome", "ignored", "try", "wave", "worker", "host",
                                      "ready_s", "started_s", "ended_s", "execution_s", "reason", "failure"));
  EXPECT_THAT(Keys(task["failure"]), ElementsAre("message", "exception", "exit_code", "signal", "output", "worker",
                                                 "host", "try", "out_of_memory"));
  EXPECT_THAT(Keys(Json::parse(HealthJson({}, false))),
              ElementsAre("status", "workers", "load", "limits", "version", "epoch", "uptime_s", "warnings",
                          "timestamp_unix_ms"));
}

TEST(ViewJsonTest, TheKeysOfThePastStayAsTheyAre) {
  EXPECT_THAT(Keys(Json::parse(PastRunsJson(std::vector<PastRun>(1)))[0]),
              ElementsAre("run", "name", "state", "submitted_unix_ms", "elapsed_s", "tasks", "succeeded", "cached",
                          "failed", "ignored", "skipped", "cancelled", "root_cause", "ended_unix_ms", "without_tasks"));
  PastTask task;
  task.attempts.resize(1);
  const Json row = Json::parse(PastRunJson({}, {task}))["tasks"][0];
  EXPECT_THAT(Keys(row), ElementsAre("name", "module", "outcome", "ignored", "try", "worker", "started_s", "ended_s",
                                     "execution_s", "reason", "result", "attempts", "attempts_left_out"));
  EXPECT_THAT(Keys(row["attempts"][0]),
              ElementsAre("try", "worker", "assigned_s", "started_s", "ended_s", "outcome", "message"));
}

TEST(ViewJsonTest, AResultOfThePastIsAValueOrNamedByItsDigest) {
  const auto json_of = [](const Payload& result) {
    PastTask task;
    task.result = result;
    return Json::parse(PastRunJson({}, {task}))["tasks"][0];
  };
  EXPECT_EQ(json_of({})["result"], nullptr);
  const std::map<std::string, std::string> value = {{"long", std::string(5000, 'x')}};  // worth packing
  Payload packed;
  packed.bytes = wire::PackPayload(Bytes(wire::Encode(value)));
  EXPECT_EQ(json_of(packed)["result"]["long"], value.at("long"));
  packed.bytes = Bytes(std::string("\x07 is no packing"));
  EXPECT_EQ(json_of(packed)["result"], nullptr);
  Payload blob;
  blob.digest = Sha256("large");
  blob.size = 1 << 20;
  EXPECT_EQ(json_of(blob)["result_blob"], (Json{{"digest", Sha256("large").Hex()}, {"size", 1 << 20}}));
}

TEST(ViewJsonTest, EnumsAreWords) {
  TaskView task;
  task.state = TaskState::kBackingOff;
  task.outcome = Outcome::kDependencyFailed;
  EXPECT_EQ(Json::parse(TasksJson({task}))[0]["state"], "backing_off");
  EXPECT_EQ(Json::parse(TasksJson({task}))[0]["outcome"], "dependency_failed");
  RunView run;
  run.state = RunState::kCancelling;
  EXPECT_EQ(Json::parse(RunJson(run))["state"], "cancelling");
  WorkerView worker;
  worker.state = WorkerState::kDraining;
  EXPECT_EQ(Json::parse(WorkersJson({worker}))[0]["state"], "draining");
}

TEST(ViewJsonTest, WhatHasNotHappenedIsNull) {
  const Json task = Json::parse(TasksJson(std::vector<TaskView>(1)))[0];
  EXPECT_TRUE(task["outcome"].is_null());
  EXPECT_TRUE(task["started_s"].is_null());
  EXPECT_FALSE(task.contains("failure"));
  TaskView ended;
  ended.ready = Duration::zero();
  ended.ended = std::chrono::milliseconds(1500);
  EXPECT_EQ(Json::parse(TasksJson({ended}))[0]["ready_s"], 0.0);
  EXPECT_EQ(Json::parse(TasksJson({ended}))[0]["ended_s"], 1.5);
}

TEST(ViewJsonTest, ARunIsNamedAsPeopleNameIt) {
  RunView run;
  run.run = RunId{EpochQualified(3, 17)};
  EXPECT_EQ(Json::parse(RunJson(run))["run"], RunName(run.run));
}

TEST(ViewJsonTest, AnOfferIsWhole) {
  WorkerView worker;
  worker.offer.tools = {{"cmake", "3.25.1"}, {"make", ""}};
  worker.offer.tags = {"gpu"};
  worker.offer.resources = {{"licence", 2}};
  const Json json = Json::parse(WorkersJson({worker}))[0];
  EXPECT_EQ(json["tools"], (Json{{"cmake", "3.25.1"}, {"make", ""}}));
  EXPECT_EQ(json["tags"], Json::array({"gpu"}));
  EXPECT_EQ(json["resources"]["licence"], 2);
}

TEST(ViewJsonTest, AnyBytesInATextGiveValidJson) {
  const std::string awkward =
      std::string("quote \" backslash \\ tab \t newline \n nul ") + '\0' + " escape \x1b[31m </script>";
  TaskView task;
  task.name = awkward;
  task.failure.message = awkward;
  const Json json = Json::parse(TasksJson({task}))[0];
  EXPECT_EQ(json["name"], awkward);
  EXPECT_EQ(json["failure"]["message"], awkward);
  EXPECT_THAT(TasksJson({task}), testing::Not(HasSubstr("\x1b")));
}

TEST(ViewJsonTest, InvalidUtf8IsReplacedEverywhere) {
  const std::string broken = "a\xff\xc3(\xed\xa0\x80z";  // a lone byte, a cut sequence, a surrogate
  WorkerView worker;
  worker.name = broken;
  worker.offer.tags = {broken};
  worker.offer.tools = {{broken, broken}};
  worker.offer.resources = {{broken, 1}};
  RunView run;
  run.name = run.root_cause = broken;
  run.warnings = {broken};
  TaskView task;
  task.name = task.reason = task.worker = broken;
  task.failure.message = task.failure.output = broken;
  Snapshot snapshot;
  snapshot.broker.warnings = {broken};
  for (const std::string& text : {WorkersJson({worker}), RunJson(run), TasksJson({task}), HealthJson(snapshot, true)}) {
    EXPECT_TRUE(Json::accept(text)) << text;
    EXPECT_THAT(text, HasSubstr("a\xef\xbf\xbd"));
  }
}

TEST(ViewJsonTest, HealthCountsWorkersByState) {
  Snapshot snapshot;
  snapshot.workers.resize(4);
  snapshot.workers[1].state = WorkerState::kBusy;
  snapshot.workers[2].state = WorkerState::kDraining;
  snapshot.workers[3].state = WorkerState::kDraining;
  EXPECT_EQ(Json::parse(HealthJson(snapshot, false))["workers"],
            (Json{{"idle", 1}, {"busy", 1}, {"draining", 2}, {"lost", 0}}));
}

TEST(ViewJsonTest, StalledBeatsDegradedBeatsOk) {
  Snapshot snapshot;
  EXPECT_EQ(Json::parse(HealthJson(snapshot, false))["status"], "ok");
  snapshot.broker.warnings = {"no capable worker"};
  EXPECT_EQ(Json::parse(HealthJson(snapshot, false))["status"], "degraded");
  const Json stalled = Json::parse(HealthJson(snapshot, true));
  EXPECT_EQ(stalled["status"], "stalled");
  EXPECT_EQ(stalled["warnings"].size(), 2u);
}

TEST(ViewJsonTest, NoViewsAreAnEmptyArray) {
  EXPECT_EQ(WorkersJson({}), "[]");
  EXPECT_EQ(TasksJson({}), "[]");
  EXPECT_EQ(RunsJson({}), "[]");
}

}  // namespace
}  // namespace millrace::serve
