// SPDX-License-Identifier: Apache-2.0
// What the broker publishes about itself several times a second: read by the HTTP thread, never touching the brain.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "millrace/model/message.h"
#include "millrace/model/view.h"

namespace millrace::serve {

struct Snapshot {
  BrokerView broker;
  std::vector<WorkerView> workers;
  std::vector<RunView> runs;
  Planes planes;
  std::int64_t unix_ms = 0;
  Duration taken{};  // since Instant zero: how old it is tells whether the broker's loop still turns
};

class SnapshotBoard {
 public:
  void Publish(std::shared_ptr<const Snapshot> snapshot) {
    const std::lock_guard lock(mutex_);
    snapshot_ = std::move(snapshot);
  }
  // Never null.
  std::shared_ptr<const Snapshot> Latest() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<Snapshot>();
};

}  // namespace millrace::serve
