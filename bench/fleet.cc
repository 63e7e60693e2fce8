// SPDX-License-Identifier: Apache-2.0
#include "bench/fleet.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/host/assemble.h"
#include "millrace/host/engine.h"
#include "millrace/host/options_table.h"
#include "millrace/keys/keyring.h"
#include "millrace/log/log.h"
#include "millrace/millrace.h"
#include "millrace/net/zap.h"

namespace millrace::bench {
namespace {

constexpr char kBrokerWord[] = "--bench-broker";
constexpr char kWorkerWord[] = "--bench-worker";
constexpr std::chrono::seconds kStartPatience(60);

std::string KeysOf(const std::string& scratch) { return scratch + "/keys"; }
std::string WorkerName(std::int64_t index) { return "w" + std::to_string(index + 1); }

// The words after the role: scratch folder, ready file, durability, history, runs kept.
int RunBroker(Options options, char** words) {
  const std::string durability = words[2];
  options.orchestrator_port = 0;
  options.http = false;
  options.history = std::string_view(words[3]) != "off";
  options.runs_kept = static_cast<std::uint32_t>(std::atoi(words[4]));
  options.capability_timeout = std::chrono::hours(1);  // tasks that nobody can run wait on purpose
  Check(host::FindOption("durability")->set(durability, options));
  auto interrupts = host::Interrupts::Begin();
  Check(interrupts.status());
  Check(host::ServeBroker(options, words[1], **interrupts));
  return 0;
}

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
  for (std::int64_t i = 0; i < workers; ++i) add(WorkerName(i), Standing::kWorker);
}

// Between two looks at something that has no descriptor to wait on.
void LookAgainSoon() { poll(nullptr, 0, 2); }

std::string AwaitEndpoint(const std::string& ready_file) {
  std::string endpoint;
  for (const auto start = Clock::now(); endpoint.empty(); LookAgainSoon()) {
    if (Clock::now() - start > kStartPatience) Check(Unavailable("the broker did not start within 60 s"));
    std::ifstream in(ready_file);
    std::getline(in, endpoint);
  }
  return endpoint;
}

void AwaitWorkers(client::Client& client, std::int64_t workers) {
  for (const auto start = Clock::now(); true; LookAgainSoon()) {
    const auto there = static_cast<std::int64_t>(Checked(client.Workers()).size());
    if (there >= workers) return;
    if (Clock::now() - start > kStartPatience) {
      Check(Unavailable("%d of %d workers came within 60 s", there, workers));
    }
  }
}

}  // namespace

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench: %s\n", TextOf(status).c_str());
  std::exit(1);
}

std::optional<int> MaybeRunRole(int argc, char** argv, const Registry& registry) {
  if (argc < 6) return std::nullopt;
  const std::string role = argv[1];
  const std::string scratch = argv[2];
  Options options;
  options.work_dir = scratch;
  options.data_dir = scratch + "/data";
  const bool with_keys = std::filesystem::exists(KeysOf(scratch));
  if (role == kBrokerWord && argc == 7) {
    log::Init("bench", log::Level::kWarning);
    if (with_keys) options.keys_dir = KeysOf(scratch);
    return RunBroker(std::move(options), argv + 2);
  }
  if (role != kWorkerWord) return std::nullopt;
  log::Init("bench", log::Level::kWarning);
  options.orchestrator_url = argv[3];
  options.worker_id = argv[4];
  options.state_dir = scratch + "/state";
  if (with_keys) options.key_file = KeysOf(scratch) + "/" + options.worker_id + ".key";
  options.max_parallel_modules = static_cast<std::uint32_t>(std::atoi(argv[5]));
  options.detect_tools = false;
  return RunWorker(registry, options);
}

Child::Child(std::vector<std::string> args) {
  args.insert(args.begin(), "/proc/self/exe");
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) Check(ErrnoStatus(errno, "fork"));
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) execv("/proc/self/exe", argv.data());
    _exit(127);
  }
}

Child::~Child() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

struct Caller::Connection {
  host::RemoteBroker remote;
  client::Client client;
};

Caller::Caller(const Options& options) {
  // One for each, since all sockets of a context have its keys. Never ended: with CURVE that may hurt the next.
  auto& context = *new net::SocketContext;
  host::RemoteBroker remote = Checked(host::Dial(context, options, /*changes=*/false));
  std::unique_ptr<net::Link> link = std::move(remote.link);
  net::BlobAccess& blobs = *remote.blobs;
  client::ClientOptions client_options = host::ClientOptionsOf(options);
  client_options.patience = std::chrono::minutes(10);  // a million tasks in a slow build take their time
  client_options.ask_again = std::chrono::minutes(10);
  connection_.reset(new Connection{std::move(remote), client::Client(std::move(link), blobs, client_options)});
}

Caller::~Caller() = default;

client::Client& Caller::client() { return connection_->client; }

Fleet::Fleet(const FleetOptions& options) {
  scratch_ = (std::filesystem::temp_directory_path() / "millrace-bench.XXXXXX").string();
  if (mkdtemp(scratch_.data()) == nullptr) Check(ErrnoStatus(errno, scratch_));
  if (options.keys) MakeKeys(scratch_, options.workers);
  const std::string ready = scratch_ + "/endpoint";
  using Args = std::vector<std::string>;
  broker_ = std::make_unique<Child>(
      Args{kBrokerWord, scratch_, ready, options.durability, options.history, std::to_string(options.runs_kept)});
  dialled_.orchestrator_url = AwaitEndpoint(ready);
  if (options.keys) dialled_.key_file = KeysOf(scratch_) + "/client.key";
  for (std::int64_t i = 0; i < options.workers; ++i) {
    workers_.push_back(std::make_unique<Child>(
        Args{kWorkerWord, scratch_, dialled_.orchestrator_url, WorkerName(i), std::to_string(options.slots)}));
  }
  caller_ = Dial();
  AwaitWorkers(client(), options.workers);
}

Fleet::~Fleet() {
  caller_.reset();
  workers_.clear();
  broker_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(scratch_, ignored);
}

Ran RunJob(client::Client& client, JobSpec job) {
  const auto start = Clock::now();
  const client::Submitted submitted = Checked(client.Submit(std::move(job)));
  Ran ran{submitted.run, SecondsSince(start)};
  const RunView view = Checked(client.Watch(submitted.run, nullptr, std::chrono::minutes(1)));
  ran.ended = SecondsSince(start);
  if (view.state != RunState::kSucceeded) Check(Internal("the run of '%s' failed: %s", view.name, view.root_cause));
  return ran;
}

}  // namespace millrace::bench
