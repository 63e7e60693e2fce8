// SPDX-License-Identifier: Apache-2.0
// What a task costs in the scheduler alone (Scheduler::Step, without sockets, codec and disk), as runs grow and as
// workers become many. Each row is a process of its own, so that none inherits the memory of another. Prints JSON.
//   scaling [--tasks 10000,100000,1000000] [--workers 16] [--prefetch 64] [--width 0] [--repeat 1]
// --prefetch: what a worker holds beyond the one that it can run, and so how many ends one report has; --width: each
// task needs the one that stands so many before it, 0 = none. Of --repeat runs the quickest counts.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "bench/closed_loop.h"

namespace millrace::bench {
namespace {

constexpr char kHelp[] = R"(Usage: scaling [options]

What a task costs in the steps of the scheduler alone, in microseconds and bytes, for every combination of sizes; JSON.

  --tasks N,...          of a run
  --workers N,...        with one slot each
  --prefetch N,...       the limit of attempts that a worker holds
  --width N              tasks of a wave; 0: they are independent
  --repeat N             the quickest of so many rounds counts
  -h, --help             this text

Examples:
  scaling --tasks 10000,100000,1000000 --workers 16
  scaling --tasks 1000000 --workers 1,10,100,1000 --repeat 3
)";

using Json = nlohmann::ordered_json;

struct Row {
  double submit_ns = 0;  // a task
  double work_ns = 0;
  double ends_a_step = 0;
  double bytes = 0;  // of memory, a task
};

long PeakKiB() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

Row Measure(std::size_t tasks, std::size_t workers, std::uint32_t prefetch, std::size_t width) {
  const long before = PeakKiB();
  ClosedLoop loop(workers, prefetch);
  const ClosedLoop::Costs costs = loop.Run(SimpleJob(tasks, width));
  const auto count = static_cast<double>(tasks);
  return {.submit_ns = static_cast<double>(costs.submit.count()) / count,
          .work_ns = static_cast<double>(costs.work.count()) / count,
          .ends_a_step = count / static_cast<double>(costs.steps),
          .bytes = static_cast<double>(PeakKiB() - before) * 1024 / count};
}

// In a child; without a row when it could not end, for want of memory.
bool MeasureApart(std::size_t tasks, std::size_t workers, std::uint32_t prefetch, std::size_t width, Row& row) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const pid_t child = fork();
  if (child == 0) {
    const Row measured = Measure(tasks, workers, prefetch, width);
    _exit(write(ends[1], &measured, sizeof measured) == sizeof measured ? 0 : 1);
  }
  close(ends[1]);
  const bool good = read(ends[0], &row, sizeof row) == sizeof row;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return good;
}

std::vector<std::size_t> Numbers(const std::string& text) {
  std::vector<std::size_t> numbers;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) numbers.push_back(std::stoul(part));
  return numbers;
}

double Rounded(double value) { return std::round(value * 10) / 10; }

int Main(int argc, char** argv) {
  std::vector<std::size_t> all_tasks = {10'000, 100'000, 1'000'000};
  std::vector<std::size_t> all_workers = {16};
  std::vector<std::size_t> all_prefetches = {64};
  std::size_t width = 0;
  std::size_t repeat = 1;
  for (int i = 1; i < argc; i += 2) {
    const std::string word = argv[i];
    if (word == "--help" || word == "-h") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    const std::vector<std::size_t> values = i + 1 < argc ? Numbers(argv[i + 1]) : std::vector<std::size_t>{};
    if (values.empty() ||
        (word != "--tasks" && word != "--workers" && word != "--prefetch" && word != "--width" && word != "--repeat")) {
      std::fprintf(stderr, "scaling: unknown option or no number: %s; see scaling --help\n", word.c_str());
      return 2;
    }
    if (word == "--tasks") all_tasks = values;
    if (word == "--workers") all_workers = values;
    if (word == "--prefetch") all_prefetches = values;
    if (word == "--width") width = values[0];
    if (word == "--repeat") repeat = values[0];
  }
  Json rows = Json::array();
  for (const std::size_t prefetch : all_prefetches) {
    for (const std::size_t workers : all_workers) {
      for (const std::size_t tasks : all_tasks) {
        Row best{.submit_ns = 1e18, .work_ns = 1e18};
        for (std::size_t i = 0; i < repeat; ++i) {
          Row row;
          if (!MeasureApart(tasks, workers, static_cast<std::uint32_t>(prefetch), width, row)) continue;
          best.submit_ns = std::min(best.submit_ns, row.submit_ns);
          best.work_ns = std::min(best.work_ns, row.work_ns);
          best.ends_a_step = row.ends_a_step;
          best.bytes = row.bytes;
        }
        rows.push_back({{"tasks", tasks},
                        {"workers", workers},
                        {"prefetch", prefetch},
                        {"width", width},
                        {"submit_ns_a_task", Rounded(best.submit_ns)},
                        {"work_ns_a_task", Rounded(best.work_ns)},
                        {"ends_a_step", Rounded(best.ends_a_step)},
                        {"bytes_a_task", Rounded(best.bytes)}});
        std::fprintf(stderr, "%s\n", rows.back().dump().c_str());
      }
    }
  }
  std::printf("%s\n", rows.dump(1).c_str());
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) { return millrace::bench::Main(argc, argv); }
