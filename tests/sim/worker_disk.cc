// SPDX-License-Identifier: Apache-2.0
// The disk of a worker, for its reports: slower than its process, written in order, and still there when that has died.
// What had not arrived by then is lost, or the newest part of it.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "world.h"

namespace millrace::sim {

void World::ReadDisk(const Host& host, agent::Config& config) const {
  config.keeps_outbox = plan_.worker_disk;
  config.restored_from = host.disk.empty() ? 0 : kBrokerIdentity;
  for (const auto& [attempt, report] : host.disk) config.restored.push_back(report);
}

void World::WriteDisk(Host& host, DiskWork work) {
  if (!plan_.worker_disk) return Wrong(host.name + " has no disk to write to");
  host.writing.push_back(std::move(work));
  host.disk_free = std::max(host.disk_free, time_.now() + disk_.Within(std::chrono::microseconds(100), kSlowestSync));
  time_.At(host.disk_free, host.node(), [this, index = host.index, life = host.life] {
    if (hosts_[index]->life == life) DiskIsWritten(*hosts_[index]);
  });
}

// The oldest of what is on its way.
void World::DiskIsWritten(Host& host) {
  const DiskWork work = std::move(host.writing.front());
  host.writing.pop_front();
  if (const auto* keep = std::get_if<agent::Keep>(&work)) {
    if (keep->broker != kBrokerIdentity) Wrong(host.name + " keeps reports for another broker");
    for (const AttemptReport& report : keep->reports) {
      if (trace_) Say(absl::StrFormat("    %s has %d on disk", host.name, report.attempt.value));
      host.disk[report.attempt] = report;
    }
    return;
  }
  for (const AttemptId attempt : std::get<agent::Erase>(work).attempts) host.disk.erase(attempt);
}

void World::LoseUnwritten(Host& host) {
  const std::uint32_t written = disk_.Below(static_cast<std::uint32_t>(host.writing.size()) + 1);
  for (std::uint32_t i = 0; i < written; ++i) DiskIsWritten(host);
  host.writing.clear();
}

}  // namespace millrace::sim
