// SPDX-License-Identifier: Apache-2.0
// The time of small pieces of work, by Google Benchmark: `micro --help`, `micro --benchmark_filter=encode`.
#include <benchmark/benchmark.h>

#include "bench/cases.h"

namespace millrace::bench {
namespace {

void Add(const Case& one) {
  benchmark::RegisterBenchmark(one.name.c_str(), [one](benchmark::State& state) {
    const std::function<void()> round = one.prepare();
    for (auto _ : state) round();
    state.SetItemsProcessed(static_cast<std::int64_t>(one.items) * static_cast<std::int64_t>(state.iterations()));
  })->UseRealTime();
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  for (const auto& one : millrace::bench::PureCases()) millrace::bench::Add(one);
  for (const auto& one : millrace::bench::SystemCases()) millrace::bench::Add(one);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
