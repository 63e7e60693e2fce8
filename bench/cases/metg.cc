// SPDX-License-Identifier: Apache-2.0
// METG(50 %), the "minimum effective task granularity": the time that a task takes of a processor, overhead included,
// at the point where half of all processors' time is the tasks' own work. Efficiency is measured in arithmetic done,
// against what as many threads do by themselves at once: a task that is made to wait for a processor counts for no
// more. The point is found by halving and doubling, then by bisection, and the last step is interpolated.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "bench/cases/cases.h"
#include "bench/cases/task_bench.h"
#include "bench/fleet.h"
#include "bench/modules.h"
#include "millrace/base/status.h"

namespace millrace::bench {
namespace {

constexpr std::int64_t kWorkers = 2;
constexpr double kHalf = 0.5;
constexpr double kShortestUs = 0.25;
constexpr double kLongestUs = 20'000;
constexpr int kBisections = 3;
constexpr int kCalibrations = 5;
constexpr std::uint64_t kCalibration = 20'000'000;  // iterations of a thread

double IterationsOnce() {
  std::atomic<std::uint64_t> sink = 0;
  std::vector<std::thread> threads;
  const auto start = Clock::now();
  for (std::int64_t i = 0; i < kWorkers; ++i) threads.emplace_back([&sink] { sink += Compute(kCalibration); });
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(kCalibration) / (SecondsSince(start) * 1e6);
}

// Iterations of a microsecond of one processor while all that the workers use are busy: the best of some tries, for
// what others take away meanwhile is no property of the machine.
double IterationsPerMicrosecond() {
  double best = 0;
  for (int i = 0; i < kCalibrations; ++i) best = std::max(best, IterationsOnce());
  return best;
}

struct Point {
  double spin_us = 0;
  double granularity_us = 0;
  double efficiency = 0;
};

class Search {
 public:
  Search(Fleet& fleet, TaskGraph graph, double per_us, Report& report)
      : fleet_(fleet), graph_(std::move(graph)), per_us_(per_us), report_(report) {}

  // From a guess; NaN when there is no such point between the shortest and the longest tasks.
  double Find(double guess_us) {
    Point above = Measure(guess_us);  // at least half
    Point below = above;              // less than half
    while (above.efficiency < kHalf && above.spin_us < kLongestUs) {
      below = above;
      above = Measure(above.spin_us * 2);
    }
    while (below.efficiency >= kHalf && below.spin_us > kShortestUs) {
      above = below;
      below = Measure(below.spin_us / 2);
    }
    if (above.efficiency < kHalf || below.efficiency >= kHalf) return std::nan("");
    for (int i = 0; i < kBisections; ++i) {
      const Point middle = Measure(std::sqrt(above.spin_us * below.spin_us));
      (middle.efficiency >= kHalf ? above : below) = middle;
    }
    spin_us_ = above.spin_us;
    const double part = (kHalf - below.efficiency) / (above.efficiency - below.efficiency);
    return below.granularity_us + part * (above.granularity_us - below.granularity_us);
  }
  double spin_us() const { return spin_us_; }

 private:
  Point Measure(double spin_us) {
    JobSpec job = JobOfGraph(graph_, static_cast<std::uint64_t>(spin_us * per_us_));
    const auto tasks = static_cast<double>(job.tasks.size());
    const double wall_us = RunJob(fleet_.client(), std::move(job)).ended * 1e6;
    const Point point{spin_us, wall_us * kWorkers / tasks, spin_us * tasks / (wall_us * kWorkers)};
    report_.Point(graph_.pattern, point.granularity_us, point.efficiency);
    return point;
  }

  Fleet& fleet_;
  TaskGraph graph_;
  double per_us_;
  Report& report_;
  double spin_us_ = 0;
};

}  // namespace

Report RunMetg(const CaseOptions& options) {
  Report report("metg");
  report.Parameter("width", options.width);
  report.Parameter("steps", options.steps);
  report.Parameter("rounds", options.rounds);
  report.Parameter("workers", kWorkers);
  const std::vector<std::string> known = PatternNames();
  const std::vector<std::string>& patterns = options.variants.empty() ? known : options.variants;
  for (const std::string& pattern : patterns) {
    if (std::find(known.begin(), known.end(), pattern) == known.end()) {
      Check(InvalidArgument("there is no pattern '%s', but trivial, stencil_1d, fft, tree, random_nearest", pattern));
    }
  }
  Fleet fleet({.workers = kWorkers});
  std::vector<double> guesses(patterns.size(), 32);
  for (const std::string& pattern : patterns) {
    RunJob(fleet.client(), JobOfGraph({pattern, options.width, options.steps}, 0));
  }
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    const double per_us = IterationsPerMicrosecond();
    report.Add("processor_iterations_per_us", per_us);
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      Search search(fleet, {patterns[i], options.width, options.steps}, per_us, report);
      report.Add(patterns[i] + "_us", search.Find(guesses[i]));
      if (search.spin_us() > 0) guesses[i] = search.spin_us();
    }
  }
  return report;
}

}  // namespace millrace::bench
