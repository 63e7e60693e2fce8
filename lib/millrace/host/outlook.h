// SPDX-License-Identifier: Apache-2.0
// How much longer a run will take, from what its modules took in earlier runs of the same pipeline.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "millrace/host/past.h"
#include "millrace/model/job.h"
#include "millrace/model/view.h"
#include "millrace/report/estimates.h"

namespace millrace::host {

struct TimesLeft {
  Duration p50{};  // every module takes its median
  Duration p90{};  // ... and what it exceeded in one run of ten only
  friend bool operator==(const TimesLeft&, const TimesLeft&) = default;
};

// "about 2m05s left"
std::string TimeLeftText(const TimesLeft& left);

// A task as far as its estimate and its place depend on it.
struct Foreseeable {
  std::string name;                      // "" = nothing but a place where all of `needs` are waited for
  std::optional<std::string> version{};  // of its module; none = not known
  std::vector<std::uint32_t> needs{};
};
// In the order of the run; none when there are more than kTasksLookedAt.
std::vector<Foreseeable> ForeseeableOf(const JobSpec& job);
// Of all its rows. What they need is not in them: tasks of a wave are taken to need all of the wave before.
std::vector<Foreseeable> ForeseeableOf(const std::vector<TaskView>& tasks);

class Outlook {
 public:
  // `slots`: of all workers.
  Outlook(report::Estimates estimates, std::int64_t slots) : estimates_(std::move(estimates)), slots_(slots) {}
  void Expect(std::vector<Foreseeable> tasks) { tasks_ = std::move(tasks); }

  // `seen`: by index, those to which something has happened. Nothing when the history does not know a module that is
  // still to run, or nobody knows a slot.
  std::optional<TimesLeft> For(const RunView& run, const std::map<std::uint32_t, TaskView>& seen) const;
  const report::Estimates& estimates() const { return estimates_; }

 private:
  report::Estimates estimates_;
  std::int64_t slots_ = 0;
  std::vector<Foreseeable> tasks_;
};

// From the newest runs of this pipeline that succeeded. Cancelled when the client was interrupted meanwhile; whatever
// else goes wrong is no estimate.
absl::StatusOr<std::optional<Outlook>> LookAhead(client::Client& client, const std::string& pipeline);
// All tasks of a run that the broker remembers, in their order.
absl::StatusOr<std::vector<TaskView>> RowsOf(client::Client& client, RunId run);
report::Estimates EstimatesOf(const std::vector<report::RunReport>& runs);

inline constexpr std::uint32_t kRunsLookedAt = 10;

}  // namespace millrace::host
