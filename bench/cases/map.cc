// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/bare_zmq.h"
#include "bench/cases/cases.h"
#include "bench/cases/jobs.h"
#include "millrace/base/status.h"

namespace millrace::bench {
namespace {

bool Wants(const CaseOptions& options, const std::string& variant) {
  return options.variants.empty() ||
         std::find(options.variants.begin(), options.variants.end(), variant) != options.variants.end();
}

template <class M>
double Rate(Fleet& fleet, std::int64_t tasks) {
  return static_cast<double>(tasks) / RunJob(fleet.client(), FlatJob<M>(tasks)).ended;
}

// The median of tasks one by one, in microseconds, both kinds in turns.
std::pair<double, double> Singles(Fleet& fleet, std::int64_t count) {
  std::vector<double> in_process;
  std::vector<double> isolated;
  for (std::int64_t i = 0; i < count; ++i) {
    in_process.push_back(RunJob(fleet.client(), FlatJob<Token>(1)).ended * 1e6);
    isolated.push_back(RunJob(fleet.client(), FlatJob<IsolatedToken>(1)).ended * 1e6);
  }
  return {Median(std::move(in_process)), Median(std::move(isolated))};
}

}  // namespace

Report RunMap(const CaseOptions& options) {
  Report report("map");
  report.Parameter("tasks", options.tasks);
  report.Parameter("rounds", options.rounds);
  report.Parameter("workers", 2);
  report.Parameter("submitted", "explicit");
  for (const std::string& variant : options.variants) {
    if (variant != "sync" && variant != "isolated" && variant != "keys" && variant != "in-process") {
      Check(InvalidArgument("the case map has no variant '%s', but in-process, sync, isolated, keys", variant));
    }
  }
  const bool isolated = Wants(options, "isolated");
  Fleet plain({});
  std::unique_ptr<Fleet> sync;
  if (Wants(options, "sync")) sync = std::make_unique<Fleet>(FleetOptions{.durability = "sync"});
  std::unique_ptr<Fleet> keyed;
  if (Wants(options, "keys")) keyed = std::make_unique<Fleet>(FleetOptions{.keys = true});
  const std::int64_t warm_up = options.tasks / 10 + 1;
  Rate<Token>(plain, warm_up);
  if (isolated) Rate<IsolatedToken>(plain, warm_up);
  if (sync) Rate<Token>(*sync, warm_up);
  if (keyed) Rate<Token>(*keyed, warm_up);
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    const double ground = BareRoundTripsPerSecond({.round_trips = static_cast<std::uint64_t>(options.round_trips)});
    const double rate = Rate<Token>(plain, options.tasks);
    report.Add("bare_round_trips_per_second", ground);
    report.Add("in_process_tasks_per_second", rate);
    report.Add("in_process_to_bare_ratio", rate / ground);
    const auto add = [&](const std::string& name, double other) {
      report.Add(name + "_tasks_per_second", other);
      report.Add(name + "_to_in_process_ratio", other / rate);
    };
    if (sync) add("sync", Rate<Token>(*sync, options.tasks));
    if (keyed) add("keys", Rate<Token>(*keyed, options.tasks));
    if (!isolated) continue;
    add("isolated", Rate<IsolatedToken>(plain, options.tasks));
    const auto [fast, slow] = Singles(plain, options.singles);
    report.Add("in_process_single_us", fast);
    report.Add("isolated_single_us", slow);
    report.Add("isolated_single_to_in_process_latency_ratio", slow / fast);
  }
  return report;
}

}  // namespace millrace::bench
