// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos.h"

#include <poll.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "millrace/base/names.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/client/client.h"
#include "millrace/host/assemble.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/report.h"
#include "millrace/yaml/pipeline.h"
#include "tools/zmqctl/chaos_fleet.h"
#include "tools/zmqctl/chaos_nemesis.h"
#include "tools/zmqctl/chaos_oracle.h"
#include "tools/zmqctl/chaos_score.h"
#include "tools/zmqctl/chaos_settings.h"
#include "tools/zmqctl/chaos_steps.h"
#include "tools/zmqctl/chaos_wires.h"

namespace millrace::zmqctl {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kJoinPatience = seconds(60);
constexpr Duration kStopPatience = seconds(15);

// Lines that stay, and on a terminal one below them that is drawn again. Any thread.
class Teller {
 public:
  Teller(host::Console console, bool quiet) : console_(console), quiet_(quiet) {}
  ~Teller() { Show(""); }

  void Say(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (quiet_) return;
    Erase();
    console_.Write(absl::StrFormat("%7.1fs  %s\n", SinceStart(), line));
    Draw();
  }
  void Show(std::string live) {
    const std::lock_guard lock(mutex_);
    if (quiet_ || !console_.live) return;
    Erase();
    live_ = host::Clip(live, static_cast<std::size_t>(console_.columns - 1));
    Draw();
  }

 private:
  double SinceStart() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void Erase() const {
    if (!live_.empty()) console_.Write("\r\x1b[K");
  }
  void Draw() const { console_.Write(live_); }

  const host::Console console_;
  const bool quiet_;
  const Clock::time_point start_ = Clock::now();
  std::mutex mutex_;
  std::string live_;
};

struct Network {
  std::uint16_t port = 0;
  std::vector<std::string> hosts;  // of the workers' wires
  std::unique_ptr<Wires> wires;
};

// Ports that are free on the broker's address, and addresses of our own on which they are free as well.
absl::StatusOr<Network> OpenNetwork(std::size_t workers) {
  constexpr int kTries = 100;
  Random dice(EntropyFromSystem());
  absl::Status last;
  for (int i = 0; i < kTries; ++i) {
    Network network;
    // Below those that the system hands out by itself.
    network.port = static_cast<std::uint16_t>(12000 + 20 * dice.Below(1000));
    std::vector<std::uint16_t> ports;
    for (int plane = 0; plane < 4; ++plane) ports.push_back(static_cast<std::uint16_t>(network.port + plane));
    const std::string prefix = absl::StrFormat("127.%d.%d.", 1 + dice.Below(254), dice.Below(256));
    for (std::size_t worker = 1; worker <= workers; ++worker) network.hosts.push_back(prefix + std::to_string(worker));
    if (last = Wires::Start({"127.0.0.1"}, ports).status(); !last.ok()) continue;
    auto wires = Wires::Start(network.hosts, ports);
    if (last = wires.status(); !last.ok()) continue;
    network.wires = *std::move(wires);
    return network;
  }
  return last;
}

absl::StatusOr<fs::path> MakeFolder() {
  std::string name = (fs::temp_directory_path() / "millrace-chaos.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) return ErrnoStatus(errno, name);
  return fs::path(name);
}

// One run from the submission to its end, seen by a client.
class Run {
 public:
  Run(const ChaosSettings& settings, client::Client& client, Teller& teller)
      : settings_(settings), client_(client), teller_(teller) {}

  absl::Status AwaitWorkers(const Fleet& fleet, const std::atomic<bool>& interrupted);
  // Fills in all of the card but what the journal and the steps say.
  absl::Status Do(JobSpec job, Fleet& fleet, Wires& wires, const std::atomic<bool>& interrupted, ScoreCard& card);
  // Every success that was told is in the journal.
  void CompareWith(const JournalVerdict& journal, Findings& findings) const;

 private:
  void OnChange(const RunView& run, std::span<const TaskView> changed, Findings& findings);

  const ChaosSettings& settings_;
  client::Client& client_;
  Teller& teller_;
  Clock::time_point begin_ = Clock::now();
  std::vector<Seen> seen_;
  std::map<std::uint32_t, TaskView> ended_;
};

absl::Status Run::AwaitWorkers(const Fleet& fleet, const std::atomic<bool>& interrupted) {
  const Clock::time_point give_up = Clock::now() + kJoinPatience;
  while (Clock::now() < give_up) {
    if (interrupted) return absl::CancelledError("interrupted");
    MILLRACE_ASSIGN_OR_RETURN(const bool is_up, fleet.IsUp());
    if (is_up) {
      MILLRACE_ASSIGN_OR_RETURN(const std::vector<WorkerView> workers, client_.Workers());
      if (workers.size() == settings_.workers) return absl::OkStatus();
    }
    constexpr int kLookAgainMs = 50;
    poll(nullptr, 0, kLookAgainMs);
  }
  return Unavailable("broker and workers did not come together within %s", FormatDuration(kJoinPatience));
}

void Run::OnChange(const RunView& run, std::span<const TaskView> changed, Findings& findings) {
  const Duration now = Clock::now() - begin_;
  for (const TaskView& task : changed) {
    seen_.push_back({now, task.index, task.state, task.worker, task.try_number});
    if (const auto it = ended_.find(task.index); it != ended_.end() && it->second.outcome != task.outcome) {
      findings.Add(absl::StrFormat("'%s' was told to have ended as %s, and then as %s", task.name,
                                   EnumName(it->second.outcome), EnumName(task.outcome)));
    }
    if (task.state == TaskState::kEnded) ended_[task.index] = task;
  }
  teller_.Show(absl::StrFormat("         %d of %d tasks have ended, %d are with workers", ended_.size(), run.tasks,
                               run.running));
}

absl::Status Run::Do(JobSpec job, Fleet& fleet, Wires& wires, const std::atomic<bool>& interrupted, ScoreCard& card) {
  MILLRACE_ASSIGN_OR_RETURN(const client::Submitted submitted, client_.Submit(std::move(job)));
  begin_ = Clock::now();
  teller_.Say(absl::StrFormat("run %s is submitted; faults for up to %s, seed %d", RunName(submitted.run),
                              FormatDuration(settings_.duration), settings_.seed));
  std::atomic<bool> too_long = false;
  Nemesis::Options options;
  options.faults =
      DrawFaults(settings_.rates, {settings_.workers, settings_.lease, settings_.duration}, settings_.seed);
  options.begin = begin_;
  options.end = settings_.duration;
  options.patience = settings_.patience;
  options.seed = settings_.seed;
  options.on_patience_over = [this, &too_long] {
    too_long = true;
    client_.Interrupt();
  };
  options.say = [this](const std::string& line) { teller_.Say(line); };
  Nemesis nemesis(fleet, wires, std::move(options));
  constexpr milliseconds kBrokerPatience = std::chrono::hours(24);  // ours is kept by the nemesis
  const auto ended = client_.Watch(
      submitted.run, [&](const RunView& run, std::span<const TaskView> changed) { OnChange(run, changed, card.watch); },
      kBrokerPatience);
  card.elapsed = Clock::now() - begin_;
  card.story = nemesis.Rest();
  card.recoveries = MeasureRecoveries(seen_, card.story.deaths);
  if (interrupted) return absl::CancelledError("interrupted");
  if (too_long) {
    card.watch.Add(
        absl::StrFormat("the run has not ended %s after the last fault", FormatDuration(settings_.patience)));
  } else if (!ended.ok()) {
    card.watch.Add("the broker no longer answers for the run: " + TextOf(ended.status()));
  }
  return absl::OkStatus();
}

void Run::CompareWith(const JournalVerdict& journal, Findings& findings) const {
  for (const auto& [index, task] : ended_) {
    if (task.outcome != Outcome::kSucceeded) continue;
    if (index >= journal.committed.size() || !journal.committed[index]) {
      findings.Add("'" + task.name + "' was told to have succeeded, of which the journal knows nothing");
    }
  }
}

absl::Status JudgeSteps(const ChaosSettings& settings, ScoreCard& card) {
  if (settings.steps.empty() || card.journal.job == nullptr) return absl::OkStatus();
  std::ifstream file(settings.steps, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  MILLRACE_ASSIGN_OR_RETURN_AS(parsed, const std::vector<TaskStep> steps, ParseSteps(text));
  card.steps = JudgeSteps(steps, card.journal, settings.slots);
  if (card.steps->executions == 0) card.steps->broken.Add(settings.steps.string() + " holds no step");
  return absl::OkStatus();
}

absl::StatusOr<int> PlayIn(const fs::path& folder, const ChaosSettings& settings, JobSpec job,
                           const ChaosArguments& arguments, Options options, host::Interrupts& interrupts) {
  FleetOptions fleet_options;
  MILLRACE_ASSIGN_OR_RETURN(fleet_options.programs, FindPrograms());
  MILLRACE_ASSIGN_OR_RETURN(Network network, OpenNetwork(settings.workers));
  fleet_options.folder = folder;
  fleet_options.work_dir = settings.work_dir;
  fleet_options.port = network.port;
  fleet_options.hosts = network.hosts;
  fleet_options.slots = settings.slots;
  fleet_options.heartbeat = settings.heartbeat;
  fleet_options.lease = settings.lease;
  fleet_options.crash_limit = settings.crash_limit;
  fleet_options.detect_tools = std::any_of(job.requirements.begin(), job.requirements.end(),
                                           [](const Requirements& wanted) { return !wanted.tools.empty(); });
  if (!settings.steps.empty()) std::ofstream(settings.steps, std::ios::trunc);
  Teller teller(host::ConsoleFor(stderr, options), arguments.quiet);
  Fleet fleet(std::move(fleet_options));
  for (std::size_t member = 0; member < fleet.size(); ++member) {
    MILLRACE_RETURN_IF_ERROR(fleet.Start(member));
    if (member < 2) teller.Say(fleet.CommandLine(member));
  }
  options.orchestrator_url = absl::StrFormat("tcp://127.0.0.1:%d", network.port);
  net::SocketContext context;
  MILLRACE_ASSIGN_OR_RETURN(host::RemoteBroker remote, host::Dial(context, options));
  client::ClientOptions client_options = host::ClientOptionsOf(options);
  client_options.patience = seconds(60);  // a broker that was killed is back long before
  client_options.look_again = milliseconds(500);
  client::Client client(std::move(remote.link), *remote.blobs, client_options);
  std::atomic<bool> interrupted = false;
  interrupts.SetHandler([&](int) {
    interrupted = true;
    client.Interrupt();
  });
  ScoreCard card;
  card.seed = settings.seed;
  Run run(settings, client, teller);
  absl::Status done = run.AwaitWorkers(fleet, interrupted);
  if (done.ok()) done = run.Do(std::move(job), fleet, *network.wires, interrupted, card);
  interrupts.SetHandler({});
  MILLRACE_RETURN_IF_ERROR(done);
  fleet.Stop(kStopPatience);
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<JournalLine> lines, ReadJournal(fleet.data_dir().string()));
  card.journal = JudgeJournal(lines, settings.expect_failure);
  run.CompareWith(card.journal, card.watch);
  MILLRACE_RETURN_IF_ERROR(JudgeSteps(settings, card));
  teller.Show("");
  const host::Console out = host::ConsoleFor(stdout, options);
  out.Write(arguments.json ? ScoreJson(card) : ScoreText(card, out));
  return card.clean() ? host::kSucceeded : host::kRunFailed;
}

}  // namespace

absl::StatusOr<int> Chaos(const ChaosArguments& arguments, const Options& options, host::Interrupts& interrupts) {
  const absl::StatusOr<ChaosSettings> settings = CheckChaos(arguments, options);
  if (!settings.ok()) {
    std::fprintf(stderr, "zmqctl: %s\n", TextOf(settings.status()).c_str());
    return host::kUsage;
  }
  MILLRACE_ASSIGN_OR_RETURN(JobSpec job, yaml::LoadPipeline(arguments.file));
  MILLRACE_ASSIGN_OR_RETURN(const fs::path folder, MakeFolder());
  const absl::StatusOr<int> code = PlayIn(folder, *settings, std::move(job), arguments, options, interrupts);
  const bool interrupted = code.status().code() == absl::StatusCode::kCancelled;
  if (arguments.keep || !(interrupted || (code.ok() && *code == host::kSucceeded))) {
    std::fprintf(stderr, "journal and logs: %s\nthe same faults again: %s\n", folder.c_str(),
                 settings->command.c_str());
  } else {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  return code;
}

}  // namespace millrace::zmqctl
