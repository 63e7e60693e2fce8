// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "bench/bare_zmq.h"
#include "bench/cases/cases.h"
#include "bench/cases/jobs.h"
#include "millrace/base/status.h"

namespace millrace::bench {
namespace {

constexpr int kFetchesOfARound = 5;

// One question on the control channel, in milliseconds.
double Question(Caller& caller) {
  const auto start = Clock::now();
  Checked(caller.client().Ask(Query{}));
  return SecondsSince(start) * 1e3;
}

RunId MakeBlob(Fleet& fleet, std::int64_t bytes, std::uint64_t seed) {
  JobSpec job = JobOf<Blob>("bulk");
  job.tasks.emplace_back().name = "blob";
  job.tasks.back().inputs = EncodeValue(Blob{.bytes = static_cast<std::uint64_t>(bytes), .seed = seed});
  return RunJob(fleet.client(), std::move(job)).run;
}

// Bytes per second of one result, from the question until it is here and checked.
double Fetch(Fleet& fleet, RunId run, std::int64_t bytes) {
  const auto start = Clock::now();
  const Bytes result = Checked(fleet.client().Result(run, "blob", static_cast<std::uint64_t>(bytes) + 1024));
  const double seconds = SecondsSince(start);
  if (result.size() < static_cast<std::size_t>(bytes)) Check(Internal("a result came with %d bytes", result.size()));
  return static_cast<double>(bytes) / seconds;
}

}  // namespace

Report RunBulk(const CaseOptions& options) {
  Report report("bulk");
  report.Parameter("bytes", options.bytes);
  report.Parameter("rounds", options.rounds);
  report.Parameter("workers", 1);
  Fleet fleet({.workers = 1});
  const std::unique_ptr<Caller> asking = fleet.Dial();
  BarePeer peer(options.bytes);
  peer.RoundTrip();
  Question(*asking);
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    const RunId run = MakeBlob(fleet, options.bytes, static_cast<std::uint64_t>(round) + 1);
    std::vector<double> ours;
    std::vector<double> bare;
    std::vector<double> idle;
    for (int i = 0; i < kFetchesOfARound; ++i) {
      ours.push_back(Fetch(fleet, run, options.bytes));
      bare.push_back(static_cast<double>(options.bytes) / peer.RoundTrip());
      for (std::int64_t question = 0; question < options.singles / kFetchesOfARound + 1; ++question) {
        idle.push_back(Question(*asking));
      }
    }
    // Again, with somebody who asks all the time.
    std::atomic<bool> done = false;
    std::vector<double> busy;
    std::thread asker([&] {
      do {
        busy.push_back(Question(*asking));
      } while (!done);
    });
    for (int i = 0; i < kFetchesOfARound; ++i) Fetch(fleet, run, options.bytes);
    done = true;
    asker.join();
    const double rate = Median(std::move(ours));
    const double ground = Median(std::move(bare));
    report.Add("result_bytes_per_second", rate);
    report.Add("bare_bytes_per_second", ground);
    report.Add("result_to_bare_ratio", rate / ground);
    const double calm = Quantile(std::move(idle), 0.99);
    const double meanwhile = Quantile(std::move(busy), 0.99);
    report.Add("control_idle_p99_ms", calm);
    report.Add("control_meanwhile_p99_ms", meanwhile);
    report.Add("control_meanwhile_to_idle_latency_ratio", meanwhile / calm);
  }
  return report;
}

}  // namespace millrace::bench
