// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include "bench/bare_zmq.h"
#include "bench/cases/cases.h"
#include "bench/cases/jobs.h"
#include "millrace/base/status.h"

namespace millrace::bench {
namespace {

JobSpec Chain(std::int64_t tasks) {
  JobSpec job = FlatJob<Token>(tasks);
  job.name = "chain";
  for (std::size_t i = 1; i < job.tasks.size(); ++i) {
    job.tasks[i].needs.push_back({static_cast<std::uint32_t>(i - 1), DependencyKind::kRequired, -1});
  }
  return job;
}

}  // namespace

Report RunLatency(const CaseOptions& options) {
  Report report("latency");
  report.Parameter("chain", options.tasks);
  report.Parameter("singles", options.singles);
  report.Parameter("rounds", options.rounds);
  report.Parameter("workers", 2);
  Fleet fleet({});
  BarePeer peer;
  RunJob(fleet.client(), Chain(options.tasks / 10 + 2));
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    std::vector<double> tasks;
    std::vector<double> bare;
    for (std::int64_t i = 0; i < options.singles; ++i) {
      JobSpec job = FlatJob<Token>(1);
      const auto start = Clock::now();
      const client::Executed done =
          Checked(fleet.client().Execute(std::move(job), std::uint64_t{1} << 20, std::chrono::minutes(1)));
      tasks.push_back(SecondsSince(start) * 1e6);
      if (done.run.state != RunState::kSucceeded) Check(Internal("a task failed: %s", done.run.root_cause));
      const double there = peer.RoundTrip();
      bare.push_back((there + peer.RoundTrip()) * 1e6);
    }
    report.Add("single_p99_us", Quantile(tasks, 0.99));
    const double task = Median(std::move(tasks));
    const double two = Median(std::move(bare));
    report.Add("single_us", task);
    report.Add("two_bare_round_trips_us", two);
    report.Add("single_to_bare_latency_ratio", task / two);

    const double hop = RunJob(fleet.client(), Chain(options.tasks)).ended * 1e6 / static_cast<double>(options.tasks);
    std::vector<double> trips;
    for (std::int64_t i = 0; i < options.tasks; ++i) trips.push_back(peer.RoundTrip() * 1e6);
    const double one = Median(std::move(trips));
    report.Add("chain_hop_us", hop);
    report.Add("bare_round_trip_us", one);
    report.Add("chain_hop_to_bare_latency_ratio", hop / one);
  }
  return report;
}

}  // namespace millrace::bench
