// SPDX-License-Identifier: Apache-2.0
// The thread that writes the broker's journal: everything that has arrived is one transaction, so that the slower the
// disk, the more each sync carries. What became durable comes back in a mailbox, which the broker's loop polls.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "millrace/base/time.h"
#include "millrace/net/mailbox.h"
#include "millrace/store/blobs.h"
#include "millrace/store/journal.h"

namespace millrace::serve {

// How things stand after a write; the newest one holds.
struct JournalNews {
  JournalPosition durable = 0;  // as the scheduler counts: from 1 in this life
  // Why the rest is not, OK when there is no trouble. No room, a read-only disk or a lock pass, and are tried again;
  // what is `broken` is not, since what the disk holds is no longer known.
  absl::Status trouble;
  bool broken = false;
  std::uint64_t bytes = 0;        // of all records in the file
  std::uint64_t compactions = 0;  // done or given up
};

class JournalThread {
 public:
  using OnDurable = std::function<void(std::vector<Record> batch)>;
  // With `blobs`, those that a record names are synced before the record is committed. `on_durable` is given each batch
  // after its commit, on the thread, and before the news tells of it.
  JournalThread(store::Journal journal, std::optional<store::BlobStore> blobs, net::Mailbox<JournalNews>& news,
                Duration try_again = std::chrono::seconds(3), OnDurable on_durable = {});
  ~JournalThread();  // writes what it was given, or says how much could not be written, and ends

  void Append(std::vector<Record> batch) { jobs_.Push(std::move(batch)); }
  // After everything appended so far.
  void Compact(std::set<RunId> keep) { jobs_.Push(std::move(keep)); }

 private:
  struct Stop {};
  using Batch = store::Journal::Batch;
  using Job = std::variant<Batch, std::set<RunId>, Stop>;

  void Run();
  void Commit();
  void DoCompact(const std::set<RunId>& keep);
  absl::Status Write();
  absl::Status SyncBlobs();
  absl::Status SyncFilesOf(const TaskEnded& ended);
  void Settle(const absl::Status& status);
  void Tell();

  store::Journal journal_;
  std::optional<store::BlobStore> blobs_;
  net::Mailbox<JournalNews>& news_;
  Duration try_again_;
  OnDurable on_durable_;
  std::vector<Batch> waiting_;  // not durable yet
  JournalNews state_;
  net::Mailbox<Job> jobs_;
  std::thread thread_;
};

}  // namespace millrace::serve
