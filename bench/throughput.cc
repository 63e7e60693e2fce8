// SPDX-License-Identifier: Apache-2.0
// Throughput: no-op in-process module tasks through a real broker and N worker processes on loopback, submitted by the
// public client, and in the same run the machine's bare ZeroMQ round trips. Prints JSON.
//   throughput [--tasks 100000] [--workers 2] [--slots 1] [--repeat 3] [--durability sync] [--keys]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/bare_zmq.h"
#include "bench/fleet.h"
#include "bench/samples.h"
#include "millrace/host/assemble.h"
#include "millrace/host/flags.h"
#include "millrace/millrace.h"

namespace millrace::bench {
namespace {

struct Noop {
  static constexpr std::string_view kName = "noop";
  std::int64_t number = 0;
  Policy policy() const { return {.isolation = Isolation::kInProcess}; }
  absl::Status Run(Context&) const { return absl::OkStatus(); }
};

// Seconds from the submission until the client knows that all have ended.
double RunOnce(client::Client& client, std::int64_t tasks) {
  JobSpec job = JobOf<Noop>("throughput");
  for (std::int64_t i = 0; i < tasks; ++i) job.tasks.emplace_back().name = "noop-" + std::to_string(i);
  return RunJob(client, std::move(job)).ended;
}

// One task at a time: submitted, run, recorded, its end seen.
std::vector<double> Latencies(client::Client& client, int count) {
  std::vector<double> milliseconds;
  for (int i = 0; i < count; ++i) milliseconds.push_back(RunOnce(client, 1) * 1e3);
  return milliseconds;
}

struct Setting {
  std::int64_t tasks = 100'000;
  std::int64_t repeat = 3;
  FleetOptions fleet{.durability = "sync"};
};

struct Measured {
  double rate = 0;
  double ground = 0;
  std::vector<double> latencies;
};

Measured MeasureFleet(const Setting& setting, bool with_keys) {
  std::vector<double> bare;
  std::vector<double> rates;
  FleetOptions options = setting.fleet;
  options.keys = with_keys;
  Fleet fleet(options);
  RunOnce(fleet.client(), setting.tasks / 10 + 1);  // warm-up
  for (std::int64_t i = 0; i < setting.repeat; ++i) {
    rates.push_back(static_cast<double>(setting.tasks) / RunOnce(fleet.client(), setting.tasks));
    bare.push_back(BareRoundTripsPerSecond({}));
  }
  return {Median(rates), Median(bare), Latencies(fleet.client(), 200)};
}

int Measure(int argc, char** argv) {
  Setting setting;
  bool with_keys = false;
  host::FlagParser parser("throughput", "No-op tasks per second through a real broker and workers", host::Version());
  parser.root()
      .Option("--tasks", "N", &setting.tasks, "Tasks of one run (100000)")
      .Option("--workers", "N", &setting.fleet.workers, "Worker processes (2)")
      .Option("--slots", "N", &setting.fleet.slots, "Slots of each worker (1)")
      .Option("--repeat", "N", &setting.repeat, "Runs; medians are printed (3)")
      .Option("--durability", "NAME", &setting.fleet.durability, "Of the broker (sync)", {"sync", "async", "off"})
      .Option("--history", "NAME", &setting.fleet.history, "Whether the broker keeps one (on)", {"on", "off"})
      .Flag("--keys", &with_keys, "Measure it again with keys, and give the ratio of the two");
  if (const auto code = parser.Parse(argc, argv)) return *code;
  const Measured plain = MeasureFleet(setting, false);
  nlohmann::ordered_json result = {{"benchmark", "throughput"},
                                   {"version", host::Version()},
                                   {"tasks", setting.tasks},
                                   {"workers", setting.fleet.workers},
                                   {"slots", setting.fleet.slots},
                                   {"repeat", setting.repeat},
                                   {"durability", setting.fleet.durability},
                                   {"history", setting.fleet.history},
                                   {"tasks_per_second", std::llround(plain.rate)},
                                   {"latency_ms_p50", Quantile(plain.latencies, 0.5)},
                                   {"latency_ms_p99", Quantile(plain.latencies, 0.99)},
                                   {"bare_zmq_round_trips_per_second", std::llround(plain.ground)},
                                   {"ratio", plain.rate / plain.ground}};
  if (with_keys) {
    const Measured keyed = MeasureFleet(setting, true);
    result["keys_tasks_per_second"] = std::llround(keyed.rate);
    result["keys_latency_ms_p50"] = Quantile(keyed.latencies, 0.5);
    result["keys_ratio"] = keyed.rate / plain.rate;
  }
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  if (const auto code = millrace::bench::MaybeRunBarePeer(argc, argv)) return *code;
  millrace::Registry registry;
  registry.Add<millrace::bench::Noop>();
  if (const auto code = millrace::MaybeRunChild(argc, argv, registry)) return *code;
  if (const auto code = millrace::bench::MaybeRunRole(argc, argv, registry)) return *code;
  return millrace::bench::Measure(argc, argv);
}
