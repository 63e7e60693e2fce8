// SPDX-License-Identifier: Apache-2.0
// Replay: how fast the end of tasks can be journalled, how long a broker takes to be ready again on the journal of one
// large run, before and after a compaction, and how long that holds up acknowledgements. The records are those that a
// broker writes; the broker is the real one. Prints JSON.
//   replay [--tasks 1000000] [--ended 50]
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "millrace/base/status.h"
#include "millrace/host/assemble.h"
#include "millrace/host/flags.h"
#include "millrace/log/log.h"
#include "millrace/net/context.h"
#include "millrace/serve/broker.h"
#include "millrace/store/journal.h"

namespace millrace::bench {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr RunId kRun{(std::uint64_t{1} << 32) | 1};
constexpr std::int64_t kStart = 1'700'000'000'000;  // ms
constexpr std::int64_t kAtOnce = 5000;              // tasks of a transaction: of a busy broker while the disk syncs

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "replay: %s\n", TextOf(status).c_str());
  std::exit(1);
}

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }
double Rounded(double value) { return std::round(value * 1000) / 1000; }

RunAccepted Accepted(std::int64_t tasks) {
  RunAccepted record;
  record.run = kRun;
  record.token = 1;
  record.submitted_unix_ms = kStart;
  PackedJob& job = record.job.Edit();
  job.name = "replay";
  job.modules.push_back({"noop", 0, "1"});
  job.requirements.emplace_back();
  job.policies.emplace_back();
  for (std::int64_t i = 0; i < tasks; ++i) job.tasks.Add("noop-" + std::to_string(i), 0, 0, 0, "", {});
  return record;
}

AttemptId AttemptOf(std::int64_t index) { return {(std::uint64_t{1} << 32) | static_cast<std::uint64_t>(index + 1)}; }

void AddAssigned(store::Journal::Batch& batch, std::int64_t index) {
  const TaskRef task{kRun, static_cast<std::uint32_t>(index)};
  batch.push_back(TaskAssigned{task, AttemptOf(index), index % 2 == 0 ? "worker-1" : "worker-2", kStart + index / 10});
}

void AddEnded(store::Journal::Batch& batch, std::int64_t index) {
  TaskEnded ended;
  ended.task = {kRun, static_cast<std::uint32_t>(index)};
  ended.attempt = AttemptOf(index);
  ended.outcome = Outcome::kSucceeded;
  ended.result.bytes = Bytes::Copy("\xc0");
  ended.result.size = 1;
  ended.execution = std::chrono::nanoseconds(700 + index % 100);
  ended.started_unix_ms = ended.ended_unix_ms = kStart + index / 10;
  batch.push_back(std::move(ended));
}

struct Written {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  double per_second = 0;  // tasks, of what they need alone: the run was accepted before
};

Written WriteJournal(const fs::path& file, std::int64_t tasks, std::int64_t ended) {
  auto journal = store::Journal::Open(file, store::Sync::kFull);
  Check(journal.status());
  std::array<store::Journal::Batch, 1> batch;
  double seconds = 0;
  const auto append = [&] {
    const auto start = Clock::now();
    Check(journal->Append(batch));
    seconds += Since(start);
    batch[0].clear();
  };
  batch[0].push_back(Accepted(tasks));
  append();
  seconds = 0;
  for (std::int64_t i = 0; i < ended; i += kAtOnce) {
    const std::int64_t end = std::min(i + kAtOnce, ended);
    // Of a turn: what was reported, then what is given out.
    for (std::int64_t task = i; task < end; ++task) AddAssigned(batch[0], task);
    for (std::int64_t task = i; task < end; ++task) AddEnded(batch[0], task);
    append();
  }
  const double per_second = static_cast<double>(ended) / seconds;
  if (ended == tasks) batch[0].push_back(RunEnded{kRun, RunState::kSucceeded, kStart + tasks / 10});
  append();
  return {journal->end(), journal->bytes(), per_second};
}

// With the run kept, as while it goes on: everything is read and written once.
double SecondsToCompact(const fs::path& file) {
  auto journal = store::Journal::Open(file, store::Sync::kFull);
  Check(journal.status());
  const auto start = Clock::now();
  Check(journal->Compact({kRun}));
  return Since(start);
}

double SecondsUntilReady(const std::string& data_dir) {
  Options options;
  options.data_dir = data_dir;
  options.orchestrator_port = 0;
  options.http = false;
  options.run_retention = std::chrono::hours(24 * 365 * 100);
  net::SocketContext context;
  const auto start = Clock::now();
  auto broker = serve::Broker::Start(&context, host::BrokerOptionsOf(options, /*with_network=*/true));
  Check(broker.status());
  return Since(start);
}

int Measure(int argc, char** argv) {
  std::int64_t tasks = 1'000'000;
  std::int64_t percent = 50;
  host::FlagParser parser("replay", "Until a broker is ready again on a large journal", host::Version());
  parser.root()
      .Option("--tasks", "N", &tasks, "Tasks of the run (1000000)")
      .Option("--ended", "PERCENT", &percent, "How many of them have ended; 100: so has the run (50)");
  if (const auto code = parser.Parse(argc, argv)) return *code;
  log::Init("replay", log::Level::kWarning);
  std::string scratch = (fs::temp_directory_path() / "millrace-bench.XXXXXX").string();
  if (mkdtemp(scratch.data()) == nullptr) Check(ErrnoStatus(errno, scratch));
  const fs::path file = fs::path(scratch) / store::kJournalName;
  const Written written = WriteJournal(file, tasks, tasks * std::clamp<std::int64_t>(percent, 0, 100) / 100);
  const double ready = SecondsUntilReady(scratch);
  const double compaction = SecondsToCompact(file);
  const double again = SecondsUntilReady(scratch);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::error_code ignored;
  fs::remove_all(scratch, ignored);
  const nlohmann::ordered_json result = {{"benchmark", "replay"},
                                         {"version", host::Version()},
                                         {"tasks", tasks},
                                         {"ended_percent", percent},
                                         {"records", written.records},
                                         {"record_bytes", written.bytes},
                                         {"tasks_journalled_per_second", std::round(written.per_second)},
                                         {"seconds_until_ready", Rounded(ready)},
                                         {"seconds_to_compact", Rounded(compaction)},
                                         {"seconds_until_ready_compacted", Rounded(again)},
                                         {"peak_rss_mib", usage.ru_maxrss / 1024}};
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) { return millrace::bench::Measure(argc, argv); }
