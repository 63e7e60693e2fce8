// SPDX-License-Identifier: Apache-2.0
// The thread that talks to the disk for the broker: cache look-ups and large submissions, which it prepares, too. What
// it finds out comes back as events in the broker's mailbox, so that the loop never waits for a disk.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "millrace/model/message.h"
#include "millrace/net/mailbox.h"
#include "millrace/sched/event.h"
#include "millrace/store/blobs.h"
#include "millrace/store/cache.h"

namespace millrace::serve {

// A submission whose job lies in the blob store under `submit.job_digest`.
struct LoadSubmission {
  PeerId peer;
  Submit submit;
};

struct StoreAnswer {
  std::variant<sched::Recalled, sched::Heard, sched::Send> body;  // Send: an Answer that refuses a submission
};

class StoreThread {
 public:
  // Either may be missing: no cache (everything is a miss), no blobs (large things stay inline).
  // `max_payload`: as in sched::PrepareJob.
  StoreThread(std::optional<store::ResultCache> cache, std::optional<store::BlobStore> blobs, std::uint64_t max_payload,
              net::Mailbox<StoreAnswer>& answers);
  ~StoreThread();  // does what was asked before, then ends

  void Ask(sched::Recall recall) { jobs_.Push(std::move(recall)); }
  void Ask(sched::Remember remember) { jobs_.Push(std::move(remember)); }
  void Ask(LoadSubmission submission) { jobs_.Push(std::move(submission)); }

 private:
  struct Stop {};
  using Job = std::variant<sched::Recall, sched::Remember, LoadSubmission, Stop>;

  void Run();
  void Do(sched::Recall recall);
  void Do(sched::Remember remember);
  // Of what is remembered of a task that makes artifacts; nothing when not all of them can be had.
  void TakeArtifacts(sched::Recalled& answer) const;
  void Do(LoadSubmission submission);

  std::optional<store::ResultCache> cache_;
  std::optional<store::BlobStore> blobs_;
  const std::uint64_t max_payload_;
  net::Mailbox<StoreAnswer>& answers_;
  net::Mailbox<Job> jobs_;
  std::thread thread_;
};

}  // namespace millrace::serve
