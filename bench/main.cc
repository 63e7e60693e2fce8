// SPDX-License-Identifier: Apache-2.0
// millrace-bench CASE: one case of the benchmarks, against its ground in the same run; prints JSON. bench/run runs all
// of them and makes a page of it.
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "bench/bare_zmq.h"
#include "bench/cases/cases.h"
#include "bench/fleet.h"
#include "bench/modules.h"
#include "bench/spawn_loop.h"
#include "millrace/base/status.h"
#include "millrace/host/assemble.h"
#include "millrace/host/flags.h"
#include "millrace/millrace.h"
#include "modules/command.h"

namespace millrace::bench {
namespace {

struct Case {
  const char* name;
  const char* summary;
  Report (*run)(const CaseOptions&);
  std::int64_t tasks;  // of one round
  std::int64_t least;
};

constexpr Case kCases[] = {
    {"map", "No-op tasks with 16 bytes of input each, against bare round trips", &RunMap, 200'000, 1},
    {"dag", "A random graph, three dependencies a task, against as many independent tasks", &RunDag, 1'000'000, 1},
    {"commands", "Runs of /bin/true on two slots, against a bare loop that spawns it", &RunCommands, 5000, 2},
    {"latency", "One task, and a chain of tasks, against bare round trips", &RunLatency, 1000, 1},
    {"metg", "METG(50 %) of Task Bench's patterns: the finest tasks that are worth it", &RunMetg, 0, 0},
    {"memory", "What a waiting task costs the broker", &RunMemory, 1'000'000, 100},
    {"accept", "How long a large job takes to be accepted, and others' questions meanwhile", &RunAccept, 1'000'000, 1},
    {"bulk", "A large result over one hop, against a bare message of that size", &RunBulk, 0, 0},
};

void Declare(const Case& entry, host::Command& command, CaseOptions& options) {
  const std::string name = entry.name;
  if (entry.tasks > 0) {
    command.Option("--tasks", "N", &options.tasks, "Of one round (" + std::to_string(entry.tasks) + ")");
  }
  command.Option("--rounds", "N", &options.rounds, "Figures are medians of so many (5)");
  if (name == "map" || name == "latency" || name == "bulk") {
    command.Option("--singles", "N", &options.singles, "Measured one by one in a round (200)");
  }
  if (name == "map") {
    command.Option("--round-trips", "N", &options.round_trips, "Of bare ZeroMQ in a round (2000000)");
    command.Option("--variant", "NAME", &options.variants, "in-process, sync, isolated, keys; several (all)");
  }
  if (name == "metg") {
    command.Option("--width", "N", &options.width, "Points of a step (1024)");
    command.Option("--steps", "N", &options.steps, "Of the graph (16)");
    command.Option("--variant", "PATTERN", &options.variants,
                   "trivial, stencil_1d, fft, tree, random_nearest; several (all)");
  }
  if (name == "bulk") command.Option("--bytes", "N", &options.bytes, "Of the result (67108864)");
}

void CheckAtLeast(const std::string& option, std::int64_t least, std::int64_t value) {
  if (value < least) Check(InvalidArgument("%s must be at least %d, not %d", option, least, value));
}

int Run(int argc, char** argv) {
  CaseOptions options;
  host::FlagParser parser("millrace-bench", "One case of the benchmarks; bench/run runs all of them", host::Version());
  std::vector<std::pair<const Case*, const host::Command*>> commands;
  for (const Case& entry : kCases) {
    host::Command& command = parser.root().Add(entry.name, entry.summary);
    Declare(entry, command, options);
    commands.emplace_back(&entry, &command);
  }
  parser.root().Example("millrace-bench map --tasks 10000 --variant sync",
                        "tasks a second, with and without a journal");
  if (const auto code = parser.Parse(argc, argv)) return *code;
  for (const auto& [entry, command] : commands) {
    if (!command->chosen()) continue;
    if (options.tasks == 0) options.tasks = entry->tasks;
    CheckAtLeast("--tasks", entry->least, options.tasks);
    CheckAtLeast("--rounds", 1, options.rounds);
    CheckAtLeast("--singles", 1, options.singles);
    CheckAtLeast("--round-trips", 1, options.round_trips);
    CheckAtLeast("--bytes", 1, options.bytes);
    CheckAtLeast("--width", 2, options.width);
    CheckAtLeast("--steps", 1, options.steps);
    std::printf("%s\n", entry->run(options).Json().c_str());
    return 0;
  }
  Check(InvalidArgument("name a case: millrace-bench --help lists them"));
  return 64;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  namespace bench = millrace::bench;
  if (const auto code = bench::MaybeRunBarePeer(argc, argv)) return *code;
  millrace::Registry registry;
  registry.Add<bench::Token>().Add<bench::IsolatedToken>().Add<bench::Node>().Add<bench::Spin>().Add<bench::Blob>();
  registry.Add<millrace::modules::Command>();
  if (const auto code = millrace::MaybeRunChild(argc, argv, registry)) return *code;
  if (const auto code = bench::MaybeRunSpawnLoop(argc, argv)) return *code;
  if (const auto code = bench::MaybeRunRole(argc, argv, registry)) return *code;
  return bench::Run(argc, argv);
}
