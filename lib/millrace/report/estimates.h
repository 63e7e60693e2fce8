// SPDX-License-Identifier: Apache-2.0
// What modules have taken in runs before, and what a run will take if they take that again. Only runs that succeeded
// count, and of these what was executed and succeeded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "millrace/report/run_report.h"

namespace millrace::report {

struct Estimate {
  std::size_t runs = 0;  // of the module, not of pipelines
  Duration p50{};
  Duration p90{};
  friend bool operator==(const Estimate&, const Estimate&) = default;
};

// The value that `share` of them do not exceed, of at least one; they are in order.
Duration QuantileOf(const std::vector<Duration>& sorted, double share);

class Estimates {
 public:
  // Passes over a run that did not succeed.
  void Add(const RunReport& report);

  // Of the task itself when that has been seen kEnough times, else of its template; in this version of its module, or,
  // when that is not known or has never been seen, in any.
  std::optional<Estimate> Of(const std::string& task, const std::optional<std::string>& version) const;
  // What this very task took in the median, in whatever version.
  std::optional<Duration> MedianOf(const std::string& task) const;
  // Between two tasks in a slot: what a run takes beside what its modules take.
  Duration handover() const;
  std::size_t runs() const { return handovers_.size(); }

  struct Row {
    std::string group;
    std::string version;
    Estimate estimate;
  };
  // By template and version.
  std::vector<Row> Rows() const;

  static constexpr std::size_t kEnough = 3;

 private:
  using Samples = std::vector<Duration>;  // in order
  using ByVersion = std::map<std::string, Samples>;
  static const Samples* Choose(const std::map<std::string, ByVersion>& table, const std::string& name,
                               const std::optional<std::string>& version, std::size_t enough);

  // By name, then by version; "\n" stands for all versions together, which none is called.
  std::map<std::string, ByVersion> tasks_;
  std::map<std::string, ByVersion> groups_;
  Samples handovers_;  // of each run
};

// A task that has not ended yet.
struct Pending {
  Duration takes{};                    // from now on
  std::vector<std::uint32_t> needs{};  // of the others
  bool running = false;
};
// How long they take on so many slots when the one with the longest path below it goes first.
Duration TimeLeft(const std::vector<Pending>& tasks, std::int64_t slots);

// How often what was foreseen from the runs before came true, over runs of one pipeline in their order.
struct HitRate {
  std::size_t runs = 0;  // that could be foreseen
  std::size_t within_p50 = 0;
  std::size_t within_p90 = 0;
};
// On as many slots as each of them had. `past`: the oldest first.
HitRate HitRateOf(const std::vector<RunReport>& past);

}  // namespace millrace::report
