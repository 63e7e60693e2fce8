// SPDX-License-Identifier: Apache-2.0
// Fetch and validate side by side, process what both agree on, publish. The first fetch fails on purpose: a failure of
// the environment is tried again without a word in the pipeline.
//   example-etl run | plan | orchestrator --port 8080 | worker --orchestrator URL | submit --orchestrator URL
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/millrace.h"

namespace {

struct Rows {
  std::vector<std::int64_t> values;
};

struct Fetch {
  static constexpr std::string_view kName = "fetch";
  millrace::Policy policy() const { return {.backoff = std::chrono::milliseconds(100)}; }
  absl::StatusOr<Rows> Run(millrace::Context& context) const {
    if (context.try_number() == 1) return absl::UnavailableError("the source does not answer (on purpose)");
    return Rows{{3, 1, 4, 1, 5, 9, 2, 6}};
  }
};

struct Bounds {
  std::int64_t limit = 0;
};

struct Validate {
  static constexpr std::string_view kName = "validate";
  std::int64_t limit = 5;  // an input
  absl::StatusOr<Bounds> Run(millrace::Context&) const {
    // A failure of the user's is not tried again: it would be the same.
    if (limit < 0) return absl::InvalidArgumentError("the limit must not be negative");
    return Bounds{limit};
  }
};

struct Statistics {
  std::vector<std::int64_t> kept;
  std::int64_t sum = 0;
};

struct Process {
  static constexpr std::string_view kName = "process";
  static constexpr std::string_view kVersion = "1";  // of what is remembered; by default it is the program's build
  millrace::Policy policy() const { return {.cached = true}; }
  absl::StatusOr<Statistics> Run(millrace::Context& context, millrace::From<Fetch> rows,
                                 millrace::From<Validate> bounds) const {
    Statistics statistics;
    std::copy_if(rows->values.begin(), rows->values.end(), std::back_inserter(statistics.kept),
                 [&](std::int64_t value) { return value <= bounds->limit; });
    statistics.sum = std::accumulate(statistics.kept.begin(), statistics.kept.end(), std::int64_t{0});
    context.Print(std::to_string(statistics.kept.size()) + " rows kept\n");
    return statistics;
  }
};

struct Publish {
  static constexpr std::string_view kName = "publish";
  absl::StatusOr<std::string> Run(millrace::Context&, millrace::From<Process> statistics) const {
    return "the sum is " + std::to_string(statistics->sum);
  }
};

}  // namespace

int main(int argc, char** argv) {
  millrace::Pipeline pipeline{Fetch{}, Validate{}, Process{}, Publish{}};
  return millrace::Main(argc, argv, pipeline.Named("etl"));
}
