// SPDX-License-Identifier: Apache-2.0
// What a worker keeps on disk between its processes, and the thread that writes it, so that the worker's loop never
// waits for a disk. Trouble is said once; what cannot be written stays in memory and is tried again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/agent/event.h"
#include "millrace/exec/lock_file.h"
#include "millrace/net/mailbox.h"
#include "millrace/store/outbox.h"

namespace millrace::serve {

class OutboxThread {
 public:
  // Holds `folder`, which is made if need be, for this process; what an earlier one has left is in `restored`.
  // FailedPrecondition when another process holds it.
  static absl::StatusOr<std::unique_ptr<OutboxThread>> Start(const std::filesystem::path& folder,
                                                             store::Outbox::Content& restored,
                                                             Duration try_again = std::chrono::seconds(3));
  OutboxThread(exec::LockFile lock, store::Outbox outbox, Duration try_again);
  ~OutboxThread();  // writes what it was given, or says how much could not be written, and ends

  void Keep(agent::Keep keep) { jobs_.Push(std::move(keep)); }
  void Erase(agent::Erase erase) { jobs_.Push(std::move(erase)); }

 private:
  struct Stop {};
  using Job = std::variant<agent::Keep, agent::Erase, Stop>;

  void Run();
  void Take(agent::Keep keep);
  void Take(const agent::Erase& erase);
  void Write();
  absl::Status WriteAll();

  exec::LockFile lock_;
  store::Outbox outbox_;
  Duration try_again_;
  absl::Status trouble_;
  bool broken_ = false;  // what the disk holds is no longer known: it is left alone
  std::uint64_t broker_ = 0;
  std::map<AttemptId, AttemptReport> unwritten_;
  std::set<AttemptId> unerased_;
  net::Mailbox<Job> jobs_;
  std::thread thread_;
};

}  // namespace millrace::serve
