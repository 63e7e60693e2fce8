// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/outbox_thread.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/log/log.h"
#include "millrace/serve/clock.h"
#include "millrace/serve/disk_thread.h"

namespace millrace::serve {
namespace {

namespace fs = std::filesystem;

// Results may be confidential: whatever is made on the way is for this user alone. What was there stays as it is.
absl::Status MakePrivateFolders(const fs::path& folder) {
  fs::path level;
  for (const fs::path& part : folder) {
    level /= part;
    if (mkdir(level.c_str(), 0700) != 0 && errno != EEXIST) return ErrnoStatus(errno, level.string());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<OutboxThread>> OutboxThread::Start(const fs::path& folder,
                                                                  store::Outbox::Content& restored,
                                                                  Duration try_again) {
  MILLRACE_RETURN_IF_ERROR(MakePrivateFolders(folder));
  MILLRACE_ASSIGN_OR_RETURN(exec::LockFile lock, exec::LockFile::Acquire(folder / "lock"));
  MILLRACE_ASSIGN_OR_RETURN(store::Outbox outbox, store::Outbox::Open(folder / store::kOutboxName, restored));
  return std::make_unique<OutboxThread>(std::move(lock), std::move(outbox), try_again);
}

OutboxThread::OutboxThread(exec::LockFile lock, store::Outbox outbox, Duration try_again)
    : lock_(std::move(lock)), outbox_(std::move(outbox)), try_again_(try_again) {
  thread_ = std::thread([this] { Run(); });
}

OutboxThread::~OutboxThread() {
  jobs_.Push(Stop{});
  thread_.join();
}

void OutboxThread::Run() {
  BlockFileSizeSignal();
  std::vector<Job> jobs;
  Instant retry_at{};
  for (bool stop = false; !stop;) {
    const bool trouble = !trouble_.ok() && !broken_;
    AwaitJobs(jobs_, trouble ? retry_at : kNever, jobs);
    for (Job& job : jobs) {
      if (auto* keep = std::get_if<agent::Keep>(&job)) {
        Take(std::move(*keep));
      } else if (const auto* erase = std::get_if<agent::Erase>(&job)) {
        Take(*erase);
      } else {
        stop = true;
      }
    }
    if (!stop && trouble && Now() < retry_at) continue;
    Write();
    retry_at = Now() + try_again_;
  }
  if (!unwritten_.empty()) {
    log::Error("this worker ends with %d outcomes that neither its broker nor its disk has", unwritten_.size());
  }
}

void OutboxThread::Take(agent::Keep keep) {
  if (keep.broker != broker_) unwritten_.clear();  // as the file does with what is in it
  broker_ = keep.broker;
  for (AttemptReport& report : keep.reports) {
    unerased_.erase(report.attempt);
    unwritten_[report.attempt] = std::move(report);
  }
}

void OutboxThread::Take(const agent::Erase& erase) {
  for (const AttemptId attempt : erase.attempts) {
    if (unwritten_.erase(attempt) == 0) unerased_.insert(attempt);
  }
}

void OutboxThread::Write() {
  if (broken_) return;
  const absl::Status status = WriteAll();
  if (status.ok() && !trouble_.ok()) log::Info("outcomes are kept on disk again");
  broken_ = !status.ok() && !Passes(status);
  if (!status.ok() && (broken_ || trouble_.ok())) {
    log::Error("outcomes are kept in memory only, and would be lost with this process: %s", TextOf(status));
  }
  trouble_ = status;
}

// What goes makes room for what comes.
absl::Status OutboxThread::WriteAll() {
  const std::vector<AttemptId> gone(unerased_.begin(), unerased_.end());
  MILLRACE_RETURN_IF_ERROR(outbox_.Erase(gone));
  unerased_.clear();
  std::vector<AttemptReport> fresh;
  for (const auto& [attempt, report] : unwritten_) fresh.push_back(report);
  MILLRACE_RETURN_IF_ERROR(outbox_.Put(broker_, fresh));
  unwritten_.clear();
  return absl::OkStatus();
}

}  // namespace millrace::serve
