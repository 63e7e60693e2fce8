// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_recovery.h"

#include <algorithm>
#include <map>

namespace millrace::zmqctl {
namespace {

bool IsHeld(const Seen& seen) { return seen.state == TaskState::kAssigned || seen.state == TaskState::kRunning; }

// The first change after `from` that shows the task with a later try, or at its end.
const Seen* FindRevival(std::span<const Seen> from, const Seen& lost) {
  for (const Seen& seen : from) {
    if (seen.task != lost.task) continue;
    if (seen.state == TaskState::kEnded || (IsHeld(seen) && seen.try_number > lost.try_number)) return &seen;
  }
  return nullptr;
}

}  // namespace

Recoveries MeasureRecoveries(std::span<const Seen> seen, std::span<const Death> deaths) {
  Recoveries recoveries;
  for (const Death& death : deaths) {
    const auto after = std::find_if(seen.begin(), seen.end(), [&](const Seen& one) { return one.at > death.at; });
    const std::span<const Seen> rest = seen.subspan(static_cast<std::size_t>(after - seen.begin()));
    if (death.worker.empty()) {
      if (!rest.empty()) recoveries.broker.push_back(rest.front().at - death.at);
      continue;
    }
    std::map<std::uint32_t, const Seen*> last;
    for (auto it = seen.begin(); it != after; ++it) last[it->task] = &*it;
    for (const auto& [task, known] : last) {
      if (!IsHeld(*known) || known->worker != death.worker) continue;
      if (const Seen* revived = FindRevival(rest, *known)) recoveries.tasks.push_back(revived->at - death.at);
    }
  }
  return recoveries;
}

Spread SpreadOf(std::vector<Duration> times) {
  Spread spread;
  if (times.empty()) return spread;
  std::sort(times.begin(), times.end());
  const auto at = [&times](std::size_t percent) { return times[(times.size() * percent + 99) / 100 - 1]; };
  spread.count = times.size();
  spread.median = at(50);
  spread.p99 = at(99);
  spread.longest = times.back();
  return spread;
}

}  // namespace millrace::zmqctl
