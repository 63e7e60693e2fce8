// SPDX-License-Identifier: Apache-2.0
// Throughput: no-op in-process module tasks through a real broker and N worker processes on loopback, submitted by the
// public client, and in the same run the machine's bare ZeroMQ round trips. Prints JSON.
//   throughput [--tasks 100000] [--workers 2] [--slots 1] [--repeat 3] [--durability sync] [--keys]
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/bare_zmq.h"
#include "millrace/base/status.h"
#include "millrace/client/client.h"
#include "millrace/host/assemble.h"
#include "millrace/host/engine.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/flags.h"
#include "millrace/host/options_table.h"
#include "millrace/keys/keyring.h"
#include "millrace/log/log.h"
#include "millrace/millrace.h"
#include "millrace/net/zap.h"

namespace millrace::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Noop {
  static constexpr std::string_view kName = "noop";
  std::int64_t number = 0;
  Policy policy() const { return {.isolation = Isolation::kInProcess}; }
  absl::Status Run(Context&) const { return absl::OkStatus(); }
};

constexpr char kBrokerWord[] = "--bench-broker";
constexpr char kWorkerWord[] = "--bench-worker";

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "throughput: %s\n", TextOf(status).c_str());
  std::exit(1);
}

std::string KeysOf(const std::string& scratch) { return scratch + "/keys"; }

// The broker and the workers are this same program with the real modes of a pipeline program.
std::optional<int> MaybeRunRole(int argc, char** argv, const Registry& registry) {
  if (argc < 5) return std::nullopt;
  const std::string role = argv[1];
  Options options;
  options.work_dir = argv[2];
  options.data_dir = std::string(argv[2]) + "/data";
  log::Init("throughput", log::Level::kWarning);
  const bool with_keys = std::filesystem::exists(KeysOf(argv[2]));
  if (role == kBrokerWord) {
    if (with_keys) options.keys_dir = KeysOf(argv[2]);
    options.orchestrator_port = 0;
    options.http = false;
    const host::OptionRow* const durability = host::FindOption("durability");
    Check(durability->set(argv[4], options));
    options.history = argc < 6 || std::string(argv[5]) != "off";
    auto interrupts = host::Interrupts::Begin();
    Check(interrupts.status());
    const absl::Status status = host::ServeBroker(options, argv[3], **interrupts);
    Check(status);
    return 0;
  }
  if (role != kWorkerWord || argc < 6) return std::nullopt;
  options.orchestrator_url = argv[3];
  options.worker_id = argv[4];
  if (with_keys) options.key_file = KeysOf(argv[2]) + "/" + options.worker_id + ".key";
  options.max_parallel_modules = static_cast<std::uint32_t>(std::atoi(argv[5]));
  options.detect_tools = false;
  return RunWorker(registry, options);
}

class Child {
 public:
  explicit Child(std::vector<std::string> args) {
    args.insert(args.begin(), "/proc/self/exe");
    pid_ = fork();
    if (pid_ == 0) {
      std::vector<char*> argv;
      for (std::string& arg : args) argv.push_back(arg.data());
      argv.push_back(nullptr);
      execv("/proc/self/exe", argv.data());
      _exit(127);
    }
  }
  ~Child() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

 private:
  pid_t pid_ = 0;
};

// Seconds from the submission until the client knows that all have ended.
double RunOnce(client::Client& client, const Registry& registry, std::int64_t tasks) {
  JobSpec job;
  job.name = "throughput";
  job.modules.push_back({"noop", registry.Offered().front().fingerprint, "1"});
  job.requirements.emplace_back();
  job.policies.push_back(Noop{}.policy());
  for (std::int64_t i = 0; i < tasks; ++i) job.tasks.emplace_back().name = "noop-" + std::to_string(i);
  const auto start = Clock::now();
  const auto submitted = client.Submit(std::move(job));
  Check(submitted.status());
  const auto ended = client.Watch(submitted->run, nullptr, std::chrono::minutes(1));
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  Check(ended.status());
  if (ended->state != RunState::kSucceeded) Check(Internal("the run ended as %s", ended->root_cause));
  return seconds;
}

// One task at a time: submitted, run, recorded, its end seen.
std::vector<double> Latencies(client::Client& client, const Registry& registry, int count) {
  std::vector<double> milliseconds;
  for (int i = 0; i < count; ++i) milliseconds.push_back(RunOnce(client, registry, 1) * 1e3);
  std::sort(milliseconds.begin(), milliseconds.end());
  return milliseconds;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string AwaitEndpoint(const std::string& ready_file) {
  std::string endpoint;
  while (endpoint.empty()) {
    std::ifstream in(ready_file);
    std::getline(in, endpoint);
    usleep(1000);
  }
  return endpoint;
}

struct Setting {
  std::int64_t tasks = 100'000;
  std::int64_t workers = 2;
  std::int64_t slots = 1;
  std::int64_t repeat = 3;
  std::string durability = "sync";
  std::string history = "on";
};

struct Measured {
  double rate = 0;
  double ground = 0;
  std::vector<double> latencies;
};

// Keys for the broker, each worker and the client, where the roles look for them.
void MakeKeys(const std::string& scratch, std::int64_t workers) {
  const keys::Keyring ring(KeysOf(scratch));
  const auto broker = net::MakeKeyPair();
  Check(broker.status());
  Check(ring.Init(*broker));
  const auto add = [&](const std::string& name, Standing role) {
    const auto pair = net::MakeKeyPair();
    Check(pair.status());
    keys::AdmittedKey key;
    key.name = name;
    key.role = role;
    key.public_key = pair->public_key;
    Check(ring.Update([&](keys::KeyList& list) { return keys::AddKey(list, key, std::time(nullptr)); }));
    const keys::KeyFile file{name, std::string(StandingName(role)), *pair, broker->public_key};
    Check(keys::WriteSecret(ring.FileOf(name), keys::FormatKeyFile(file)));
  };
  add("client", Standing::kClient);
  for (std::int64_t i = 0; i < workers; ++i) add("w" + std::to_string(i + 1), Standing::kWorker);
}

Measured MeasureFleet(const Setting& setting, bool with_keys, const Registry& registry) {
  std::string scratch = (std::filesystem::temp_directory_path() / "millrace-bench.XXXXXX").string();
  if (mkdtemp(scratch.data()) == nullptr) Check(ErrnoStatus(errno, scratch));
  if (with_keys) MakeKeys(scratch, setting.workers);
  std::vector<double> bare;
  std::vector<double> rates;
  Measured measured;
  {
    const std::string ready = scratch + "/endpoint";
    const Child broker({kBrokerWord, scratch, ready, setting.durability, setting.history});
    const std::string endpoint = AwaitEndpoint(ready);
    std::vector<std::unique_ptr<Child>> children;
    for (std::int64_t i = 0; i < setting.workers; ++i) {
      children.push_back(std::make_unique<Child>(std::vector<std::string>{
          kWorkerWord, scratch, endpoint, "w" + std::to_string(i + 1), std::to_string(setting.slots)}));
    }
    Options options;
    options.orchestrator_url = endpoint;
    if (with_keys) options.key_file = KeysOf(scratch) + "/client.key";
    // Never ended: with CURVE that may hurt the next one.
    auto& context = *new net::SocketContext;
    auto remote = host::Dial(context, options);
    Check(remote.status());
    client::Client client(std::move(remote->link), *remote->blobs, host::ClientOptionsOf(options));
    Query query;
    query.kind = QueryKind::kWorkers;
    for (std::size_t live = 0; live < static_cast<std::size_t>(setting.workers);) {
      const auto answer = client.Ask(query);
      Check(answer.status());
      live = answer->workers.size();
    }
    RunOnce(client, registry, setting.tasks / 10 + 1);  // warm-up
    for (std::int64_t i = 0; i < setting.repeat; ++i) {
      rates.push_back(static_cast<double>(setting.tasks) / RunOnce(client, registry, setting.tasks));
      bare.push_back(BareRoundTripsPerSecond({}));
    }
    measured.latencies = Latencies(client, registry, 200);
  }
  std::error_code ignored;
  std::filesystem::remove_all(scratch, ignored);
  measured.rate = Median(rates);
  measured.ground = Median(bare);
  return measured;
}

int Measure(int argc, char** argv, const Registry& registry) {
  Setting setting;
  bool with_keys = false;
  host::FlagParser parser("throughput", "No-op tasks per second through a real broker and workers", host::Version());
  parser.root()
      .Option("--tasks", "N", &setting.tasks, "Tasks of one run (100000)")
      .Option("--workers", "N", &setting.workers, "Worker processes (2)")
      .Option("--slots", "N", &setting.slots, "Slots of each worker (1)")
      .Option("--repeat", "N", &setting.repeat, "Runs; medians are printed (3)")
      .Option("--durability", "NAME", &setting.durability, "Of the broker (sync)", {"sync", "async", "off"})
      .Option("--history", "NAME", &setting.history, "Whether the broker keeps one (on)", {"on", "off"})
      .Flag("--keys", &with_keys, "Measure it again with keys, and give the ratio of the two");
  if (const auto code = parser.Parse(argc, argv)) return *code;
  const Measured plain = MeasureFleet(setting, false, registry);
  const std::vector<double>& latencies = plain.latencies;
  nlohmann::ordered_json result = {{"benchmark", "throughput"},
                                   {"version", host::Version()},
                                   {"tasks", setting.tasks},
                                   {"workers", setting.workers},
                                   {"slots", setting.slots},
                                   {"repeat", setting.repeat},
                                   {"durability", setting.durability},
                                   {"history", setting.history},
                                   {"tasks_per_second", std::llround(plain.rate)},
                                   {"latency_ms_p50", latencies[latencies.size() / 2]},
                                   {"latency_ms_p99", latencies[latencies.size() * 99 / 100]},
                                   {"bare_zmq_round_trips_per_second", std::llround(plain.ground)},
                                   {"ratio", plain.rate / plain.ground}};
  if (with_keys) {
    const Measured keyed = MeasureFleet(setting, true, registry);
    result["keys_tasks_per_second"] = std::llround(keyed.rate);
    result["keys_latency_ms_p50"] = keyed.latencies[keyed.latencies.size() / 2];
    result["keys_ratio"] = keyed.rate / plain.rate;
  }
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  if (const auto code = millrace::bench::MaybeRunBareDealer(argc, argv)) return *code;
  millrace::Registry registry;
  registry.Add<millrace::bench::Noop>();
  if (const auto code = millrace::MaybeRunChild(argc, argv, registry)) return *code;
  if (const auto code = millrace::bench::MaybeRunRole(argc, argv, registry)) return *code;
  return millrace::bench::Measure(argc, argv, registry);
}
