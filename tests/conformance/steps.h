// SPDX-License-Identifier: Apache-2.0
// Steps: modules that write down when they begin and end, and end when they are let. A test holds them with a file that
// is not there yet, and sees what ran beside what without measuring time.
#pragma once

#include <poll.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "millrace/api/api.h"

namespace millrace::testing {

struct Step {
  static constexpr std::string_view kName = "step";
  std::string name{};
  std::string until{};  // runs until this file is there; "" = ends at once
  std::vector<std::string> tags{};
  std::vector<std::string> tools{};
  std::int32_t priority = 0;
  bool idempotent = true;
  std::int64_t timeout_ms = 0;

  Requirements requirements() const { return {.tools = tools, .tags = tags}; }
  Policy policy() const {
    Policy policy;
    policy.priority = priority;
    policy.idempotent = idempotent;
    policy.timeout = std::chrono::milliseconds(timeout_ms);
    return policy;
  }
  absl::Status Run(Context& context) const {
    Note(context, "begin");
    while (!until.empty() && !std::filesystem::exists(std::filesystem::path(context.work_dir()) / until)) {
      if (context.stop_token().stop_requested()) return absl::CancelledError("stopped");
      poll(nullptr, 0, 5);  // between looks at the file
    }
    Note(context, "end");
    return absl::OkStatus();
  }

 private:
  void Note(const Context& context, const char* what) const {
    std::ofstream log(std::filesystem::path(context.work_dir()) / "steps", std::ios::app);
    log << absl::StrFormat("%s %s %s\n", what, RunName(context.run()), name) << std::flush;
  }
};

// A job of steps, each named as it says, with who needs whom: {"package", "build"}.
inline JobSpec StepsJob(const std::vector<Step>& steps,
                        const std::vector<std::pair<std::string, std::string>>& needs = {}) {
  Pipeline pipeline;
  for (const Step& step : steps) pipeline.Add(step);
  JobSpec job = pipeline.ToJob().value();
  std::map<std::string, std::uint32_t> index;
  for (std::uint32_t i = 0; i < steps.size(); ++i) {
    job.tasks[i].name = steps[i].name;
    index[steps[i].name] = i;
  }
  for (const auto& [dependant, needed] : needs) {
    job.tasks[index.at(dependant)].needs.push_back({index.at(needed), DependencyKind::kRequired, -1});
  }
  return job;
}

}  // namespace millrace::testing
