// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/view_json.h"

#include <nlohmann/json.hpp>

#include "millrace/base/fields.h"
#include "millrace/base/ids.h"
#include "millrace/wire/json.h"
#include "millrace/wire/lz4.h"

namespace millrace::serve {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostOfAResult = 128u << 20;  // bytes: of one that is not by digest

// Times in JSON are seconds; -1 of a view ("has not happened") is null.
Json Seconds(Duration duration) {
  if (duration < Duration::zero()) return nullptr;
  return std::chrono::duration<double>(duration).count();
}

// What modules print may hold any bytes: invalid UTF-8 is replaced, never an exception.
std::string Dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

Json ToJson(const BrokerView& broker) {
  return {{"version", broker.version},
          {"epoch", broker.epoch},
          {"uptime_s", Seconds(broker.uptime)},
          {"workers", broker.workers},
          {"expected_workers", broker.expected_workers},
          {"cpus", broker.cpus},
          {"cpus_used", broker.cpus_used},
          {"runs_active", broker.runs_active},
          {"tasks_ready", broker.tasks_ready},
          {"tasks_running", broker.tasks_running},
          {"tasks_completed", broker.tasks_completed},
          {"outcomes_dropped", broker.outcomes_dropped},
          {"protocol_errors", broker.protocol_errors},
          {"warnings", broker.warnings}};
}

Json ToJson(const WorkerView& worker) {
  Json tools = Json::object();
  for (const Tool& tool : worker.offer.tools) tools[tool.name] = tool.version;
  return {{"name", worker.name},
          {"host", worker.host},
          {"pid", worker.pid},
          {"version", worker.version},
          {"state", EnumName(worker.state)},
          {"local", worker.local},
          {"heartbeat_degraded", worker.heartbeat_degraded},
          {"os", worker.offer.os},
          {"arch", worker.offer.arch},
          {"cpus", worker.offer.cpus},
          {"cpus_used", worker.cpus_used},
          {"memory", worker.offer.memory},
          {"resources", worker.offer.resources},
          {"tags", worker.offer.tags},
          {"tools", tools},
          {"running", worker.running},
          {"prefetched", worker.prefetched},
          {"completed", worker.completed},
          {"silent_s", Seconds(worker.silent_for)}};
}

Json ToJson(const RunView& run) {
  return {{"run", RunName(run.run)},
          {"name", run.name},
          {"state", EnumName(run.state)},
          {"submitted_unix_ms", run.submitted_unix_ms},
          {"elapsed_s", Seconds(run.elapsed)},
          {"tasks", run.tasks},
          {"waiting", run.waiting},
          {"ready", run.ready},
          {"running", run.running},
          {"succeeded", run.succeeded},
          {"cached", run.cached},
          {"failed", run.failed},
          {"ignored", run.ignored},
          {"skipped", run.skipped},
          {"cancelled", run.cancelled},
          {"waves", run.waves},
          {"root_cause", run.root_cause},
          {"warnings", run.warnings}};
}

Json ToJson(const TaskView& task) {
  Json json = {{"name", task.name},
               {"module", task.module},
               {"state", EnumName(task.state)},
               {"outcome", task.outcome == Outcome::kNone ? Json(nullptr) : Json(EnumName(task.outcome))},
               {"ignored", task.ignored},
               {"try", task.try_number},
               {"wave", task.wave},
               {"worker", task.worker},
               {"host", task.host},
               {"ready_s", Seconds(task.ready)},
               {"started_s", Seconds(task.started)},
               {"ended_s", Seconds(task.ended)},
               {"execution_s", Seconds(task.execution)},
               {"reason", task.reason}};
  if (!task.failure.message.empty()) {
    json["failure"] = {{"message", task.failure.message},
                       {"exception", task.failure.exception},
                       {"exit_code", task.failure.exit_code},
                       {"signal", task.failure.signal},
                       {"output", task.failure.output},
                       {"worker", task.failure.worker},
                       {"host", task.failure.host},
                       {"try", task.failure.try_number},
                       {"out_of_memory", task.failure.out_of_memory}};
  }
  for (const ArtifactTree& tree : task.artifacts) {
    json["artifacts"] = {{"digest", tree.digest.Hex()}, {"bytes", tree.bytes}, {"files", tree.files}};
  }
  return json;
}

// What only a scheduler that holds the run can tell is left out.
Json ToJson(const PastRun& past) {
  Json json = ToJson(past.view);
  for (const char* name : {"waiting", "ready", "running", "waves", "warnings"}) json.erase(name);
  json["ended_unix_ms"] = past.ended_unix_ms;
  json["without_tasks"] = past.without_tasks;
  return json;
}

Json ToJson(const PastAttempt& attempt) {
  return {{"try", attempt.try_number},
          {"worker", attempt.worker},
          {"assigned_s", Seconds(attempt.assigned)},
          {"started_s", Seconds(attempt.started)},
          {"ended_s", Seconds(attempt.ended)},
          {"outcome", EnumName(attempt.outcome)},
          {"message", attempt.message}};
}

Json ResultJson(const Payload& result) {
  if (result.digest) return {{"digest", result.digest->Hex()}, {"size", result.size}};
  const absl::StatusOr<Bytes> value = wire::UnpackPayload(result.bytes, kMostOfAResult);
  if (result.bytes.empty() || !value.ok()) return nullptr;
  const absl::StatusOr<std::string> json = wire::MsgpackToJson(value->view());
  return json.ok() ? Json::parse(*json, nullptr, /*allow_exceptions=*/false) : Json(nullptr);
}

Json ToJson(const PastTask& past) {
  Json json = ToJson(past.view);
  for (const char* name : {"state", "wave", "ready_s", "host"}) json.erase(name);
  json[past.result.digest ? "result_blob" : "result"] = ResultJson(past.result);
  json["attempts"] = Json::array();
  for (const PastAttempt& attempt : past.attempts) json["attempts"].push_back(ToJson(attempt));
  json["attempts_left_out"] = past.attempts_left_out;
  return json;
}

template <class View>
std::string ArrayJson(const std::vector<View>& views) {
  Json array = Json::array();
  for (const View& view : views) array.push_back(ToJson(view));
  return Dump(array);
}

}  // namespace

std::string HealthJson(const Snapshot& snapshot, bool stalled) {
  Json by_state = {{"idle", 0}, {"busy", 0}, {"draining", 0}, {"lost", 0}};
  for (const WorkerView& worker : snapshot.workers) {
    Json& count = by_state[std::string(EnumName(worker.state))];
    count = count.get<int>() + 1;
  }
  std::vector<std::string> warnings = snapshot.broker.warnings;
  if (stalled) warnings.push_back("the broker's loop has not turned for over 15 s");
  const char* status = stalled ? "stalled" : (warnings.empty() ? "ok" : "degraded");
  return Dump({{"status", status},
               {"workers", by_state},
               {"load",
                {{"cpus", snapshot.broker.cpus},
                 {"cpus_used", snapshot.broker.cpus_used},
                 {"tasks_ready", snapshot.broker.tasks_ready},
                 {"tasks_running", snapshot.broker.tasks_running}}},
               {"limits", {{"expected_workers", snapshot.broker.expected_workers}}},
               {"version", snapshot.broker.version},
               {"epoch", snapshot.broker.epoch},
               {"uptime_s", Seconds(snapshot.broker.uptime)},
               {"warnings", warnings},
               {"timestamp_unix_ms", snapshot.unix_ms}});
}

std::string BrokerJson(const BrokerView& broker) { return Dump(ToJson(broker)); }
std::string WorkersJson(const std::vector<WorkerView>& workers) { return ArrayJson(workers); }
std::string RunsJson(const std::vector<RunView>& runs) { return ArrayJson(runs); }
std::string RunJson(const RunView& run) { return Dump(ToJson(run)); }
std::string TasksJson(const std::vector<TaskView>& tasks) { return ArrayJson(tasks); }
std::string PastRunsJson(const std::vector<PastRun>& runs) { return ArrayJson(runs); }

std::string PastRunJson(const PastRun& run, const std::vector<PastTask>& tasks) {
  Json json = ToJson(run);
  // The number of them gives way to the tasks themselves.
  json["tasks"] = Json::array();
  for (const PastTask& task : tasks) json["tasks"].push_back(ToJson(task));
  return Dump(json);
}

}  // namespace millrace::serve
