// SPDX-License-Identifier: Apache-2.0
#include "bench/dag.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "millrace/base/status.h"

namespace millrace::bench {
namespace {

using Json = nlohmann::json;

Duration Seconds(double seconds) { return Duration(std::llround(std::max(seconds, 0.0) * 1e9)); }

// Parents are said by name; a task may come before them.
class Names {
 public:
  std::uint32_t Of(const std::string& name) {
    return indexes_.emplace(name, static_cast<std::uint32_t>(indexes_.size())).first->second;
  }

 private:
  std::map<std::string, std::uint32_t> indexes_;
};

DagTask& At(Dag& dag, std::uint32_t index) {
  if (dag.tasks.size() <= index) dag.tasks.resize(index + 1);
  return dag.tasks[index];
}

void ReadWorkflow(const Json& json, Dag& dag) {
  Names names;
  for (const Json& task : json.at("workflow").at("specification").at("tasks")) {
    const std::uint32_t index = names.Of(task.at("id"));
    At(dag, index);
    for (const Json& parent : task.value("parents", Json::array())) {
      const std::uint32_t need = names.Of(parent);
      At(dag, index).needs.push_back(need);
    }
    for (const Json& child : task.value("children", Json::array())) At(dag, names.Of(child)).needs.push_back(index);
  }
  for (const Json& task : json.at("workflow").at("execution").at("tasks")) {
    At(dag, names.Of(task.at("id"))).takes = Seconds(task.value("runtimeInSeconds", 0.0));
  }
}

void ReadLines(std::istream& in, Dag& dag) {
  Names names;
  for (std::string line; std::getline(in, line);) {
    const Json task = Json::parse(line);
    if (task.contains("meta")) continue;
    const std::uint32_t index = names.Of(task.at("id"));
    At(dag, index).takes = Seconds(task.at("sec"));
    for (const Json& need : task.at("deps")) At(dag, index).needs.push_back(names.Of(need));
  }
}

// A number of tasks, not counting the two that only mark the begin and the end; then number, time, needs of each.
void ReadStandardGraph(std::istream& in, Duration unit, Dag& dag) {
  std::size_t count = 0;
  in >> count;
  std::uint32_t index = 0;
  std::int64_t time = 0;
  std::size_t needs = 0;
  for (std::size_t i = 0; i < count + 2 && in >> index >> time >> needs; ++i) {
    At(dag, index).takes = time * unit;
    dag.tasks[index].needs.resize(needs);
    for (std::uint32_t& need : dag.tasks[index].needs) in >> need;
  }
}

}  // namespace

absl::StatusOr<Dag> ReadDag(const std::filesystem::path& file, Duration stg_unit) {
  std::ifstream in(file);
  if (!in) return NotFound("cannot read %s", file.string());
  Dag dag;
  dag.name = file.stem().string();
  try {
    if (file.extension() == ".json") {
      ReadWorkflow(Json::parse(in), dag);
    } else if (file.extension() == ".jsonl") {
      ReadLines(in, dag);
    } else if (file.extension() == ".stg") {
      ReadStandardGraph(in, stg_unit, dag);
    } else {
      return InvalidArgument("%s: a graph is a .json, .jsonl or .stg file", file.string());
    }
  } catch (const Json::exception& error) {
    return InvalidArgument("%s: %s", file.string(), error.what());
  }
  for (DagTask& task : dag.tasks) {
    std::sort(task.needs.begin(), task.needs.end());
    task.needs.erase(std::unique(task.needs.begin(), task.needs.end()), task.needs.end());
    if (!task.needs.empty() && task.needs.back() >= dag.tasks.size()) {
      return InvalidArgument("%s: a task needs number %d, and there is none", file.string(), task.needs.back());
    }
  }
  if (TopologicalOrder(dag).size() != dag.tasks.size() || dag.tasks.empty()) {
    return InvalidArgument("%s: no tasks, or a circle", file.string());
  }
  return dag;
}

JobSpec JobOf(const Dag& dag, bool expected) {
  JobSpec job;
  job.name = dag.name;
  job.modules.push_back({.name = "work", .fingerprint = 0, .version = "1"});
  job.requirements.emplace_back();
  std::map<Duration, std::uint32_t> policies;
  for (std::size_t i = 0; i < dag.tasks.size(); ++i) {
    // What takes no time is not the same as what nobody knows.
    const Duration takes = expected ? std::max(dag.tasks[i].takes, Duration(1)) : Duration::zero();
    const auto [at, fresh] = policies.emplace(takes, static_cast<std::uint32_t>(policies.size()));
    if (fresh) job.policies.emplace_back().expected = takes;
    TaskSpec& task = job.tasks.emplace_back();
    task.name = "t" + std::to_string(i);
    task.policy = at->second;
    for (const std::uint32_t need : dag.tasks[i].needs) task.needs.push_back({.task = need});
  }
  return job;
}

std::vector<std::uint32_t> TopologicalOrder(const Dag& dag) {
  std::vector<std::size_t> unmet;
  std::vector<std::vector<std::uint32_t>> dependants(dag.tasks.size());
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < dag.tasks.size(); ++i) {
    unmet.push_back(dag.tasks[i].needs.size());
    for (const std::uint32_t need : dag.tasks[i].needs) dependants[need].push_back(i);
    if (unmet[i] == 0) order.push_back(i);
  }
  for (std::size_t at = 0; at < order.size(); ++at) {
    for (const std::uint32_t dependant : dependants[order[at]]) {
      if (--unmet[dependant] == 0) order.push_back(dependant);
    }
  }
  return order;
}

}  // namespace millrace::bench
