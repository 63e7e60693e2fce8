// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/journal_thread.h"

#include <utility>

#include "millrace/base/fail_point.h"
#include "millrace/base/status.h"
#include "millrace/log/log.h"
#include "millrace/serve/artifact_blobs.h"
#include "millrace/serve/clock.h"
#include "millrace/serve/disk_thread.h"

namespace millrace::serve {

JournalThread::JournalThread(store::Journal journal, std::optional<store::BlobStore> blobs,
                             net::Mailbox<JournalNews>& news, Duration try_again, OnDurable on_durable)
    : journal_(std::move(journal)),
      blobs_(std::move(blobs)),
      news_(news),
      try_again_(try_again),
      on_durable_(std::move(on_durable)) {
  state_.bytes = journal_.bytes();
  thread_ = std::thread([this] { Run(); });
}

JournalThread::~JournalThread() {
  jobs_.Push(Stop{});
  thread_.join();
}

void JournalThread::Run() {
  BlockFileSizeSignal();
  std::vector<Job> jobs;
  Instant retry_at{};
  for (bool stop = false; !stop;) {
    const bool trouble = !state_.trouble.ok() && !state_.broken;
    AwaitJobs(jobs_, trouble ? retry_at : kNever, jobs);
    for (Job& job : jobs) {
      if (auto* batch = std::get_if<Batch>(&job)) {
        waiting_.push_back(std::move(*batch));
      } else if (const auto* keep = std::get_if<std::set<RunId>>(&job)) {
        DoCompact(*keep);
      } else {
        stop = true;
      }
    }
    if (waiting_.empty() || (!stop && trouble && Now() < retry_at)) continue;
    Commit();
    retry_at = Now() + try_again_;
  }
  std::size_t lost = 0;
  for (const Batch& batch : waiting_) lost += PositionsOf(batch);
  if (lost > 0) log::Error("the journal ends without its newest %d records, which nobody was told of", lost);
}

void JournalThread::Commit() {
  if (state_.broken || waiting_.empty()) return;
  Settle(Write());
}

absl::Status JournalThread::Write() {
  FailPoint("journal.begun");
  MILLRACE_RETURN_IF_ERROR(SyncBlobs());
  FailPoint("journal.blobs-synced");
  MILLRACE_RETURN_IF_ERROR(journal_.Append(waiting_));
  FailPoint("journal.committed");
  for (Batch& batch : waiting_) {
    state_.durable += PositionsOf(batch);
    if (on_durable_) on_durable_(std::move(batch));
  }
  waiting_.clear();
  return absl::OkStatus();
}

// One that is not there is found missing by whoever needs it, and its task runs again or fails; the record is no worse
// for it.
absl::Status JournalThread::SyncBlobs() {
  if (!blobs_) return absl::OkStatus();
  for (const Batch& batch : waiting_) {
    for (const Record& record : batch) {
      const auto* ended = std::get_if<TaskEnded>(&record);
      if (ended == nullptr) continue;
      if (ended->artifacts) MILLRACE_RETURN_IF_ERROR(SyncFilesOf(*ended));
      if (!ended->result.digest) continue;
      const absl::Status synced = blobs_->Sync(*ended->result.digest);
      if (synced.code() == absl::StatusCode::kNotFound) {
        log::Warning("a result of run %s is not in the blob store: %s", RunName(ended->task.run), TextOf(synced));
      } else {
        MILLRACE_RETURN_IF_ERROR(synced);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status JournalThread::SyncFilesOf(const TaskEnded& ended) {
  const auto digests = BlobsOf(*blobs_, *ended.artifacts);
  const absl::Status synced = digests.ok() ? SyncAll(*blobs_, *digests) : digests.status();
  // Of a disk that cannot be written another error comes, and that is waited for.
  if (digests.ok() && synced.code() != absl::StatusCode::kNotFound) return synced;
  log::Warning("artifacts of run %s are not in the blob store: %s", RunName(ended.task.run), TextOf(synced));
  return absl::OkStatus();
}

void JournalThread::Settle(const absl::Status& status) {
  if (status.ok() && !state_.trouble.ok()) log::Info("the journal is written again");
  if (!status.ok() && Passes(status) && state_.trouble.message() != status.message()) {
    log::Error("the journal cannot be written: %s; nothing is acknowledged and no run is taken until it can",
               TextOf(status));
  }
  state_.trouble = status;
  state_.broken = !status.ok() && !Passes(status);
  Tell();
}

void JournalThread::DoCompact(const std::set<RunId>& keep) {
  Commit();  // what it must not drop has to be there
  ++state_.compactions;
  if (state_.broken || !waiting_.empty()) return Tell();
  const std::uint64_t before = journal_.bytes();
  const absl::Status status = journal_.Compact(keep);
  if (status.ok()) {
    log::Info("the journal was compacted from %d to %d bytes of records", before, journal_.bytes());
  } else if (Passes(status)) {
    log::Warning("the journal was not compacted: %s", TextOf(status));
  } else {
    return Settle(status);
  }
  Tell();
}

void JournalThread::Tell() {
  state_.bytes = journal_.bytes();
  news_.Push(state_);
}

}  // namespace millrace::serve
