// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/intake.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <thread>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/content/descent.h"
#include "millrace/content/file.h"

namespace millrace::content {
namespace {

constexpr std::size_t kBatch =
    64;  // files that a thread takes at once: most of them are in the directory of the former

absl::StatusOr<FileStamp> StampOfOpen(int fd, const std::string& what) {
  struct stat found {};
  if (fstat(fd, &found) != 0) return ErrnoStatus(errno, what);
  if (!S_ISREG(found.st_mode)) return FailedPrecondition("%s is no file any more", what);
  return StampOf(found);
}

absl::StatusOr<Stored> TakeInOne(Descent& root, ContentStore& store, StampedFile& file, Pins& pins) {
  const std::string what = Shown(file.path);
  for (int attempt = 0; attempt < kIntakeTries; ++attempt) {
    MILLRACE_ASSIGN_OR_RETURN(const Descent::Place place, root.ToHolderOf(file.path));
    // Not waiting for somebody who writes, should it be a pipe by now.
    MILLRACE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenIn(place.directory, place.name, O_RDONLY | O_NONBLOCK, what));
    MILLRACE_ASSIGN_OR_RETURN(const FileStamp before, StampOfOpen(fd.get(), what));
    auto stored = store.PutFile(fd.get(), pins, what);
    if (absl::IsAborted(stored.status())) continue;  // it grows
    if (!stored.ok()) return stored.status();
    MILLRACE_ASSIGN_OR_RETURN(const FileStamp after, StampOfOpen(fd.get(), what));
    if (before != after || stored->size != after.size) continue;
    file.stamp = after;
    file.digest = stored->digest;
    return stored;
  }
  return Error(absl::StatusCode::kAborted,
               "%s changes while it is read, %d times now; exclude it, or stop what writes it", what, kIntakeTries);
}

class Crew {
 public:
  Crew(const std::filesystem::path& folder, ContentStore& store, std::span<StampedFile* const> files)
      : folder_(folder), store_(store), files_(files) {}

  void Work() {
    Pins pins = store_.NoPins();
    Intake done;
    absl::Status status = WorkWith(pins, done);
    const std::scoped_lock lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
    intake_.bytes += done.bytes;
    intake_.added += done.added;
    intake_.pins.push_back(std::move(pins));
  }

  absl::StatusOr<Intake> Result() && {
    if (!status_.ok()) return status_;
    return std::move(intake_);
  }

 private:
  absl::Status WorkWith(Pins& pins, Intake& done) {
    MILLRACE_ASSIGN_OR_RETURN(Descent root, Descent::Open(folder_));
    for (std::size_t begin; (begin = next_.fetch_add(kBatch)) < files_.size();) {
      const std::size_t end = std::min(begin + kBatch, files_.size());
      for (std::size_t i = begin; i < end; ++i) {
        const auto stored = TakeInOne(root, store_, *files_[i], pins);
        if (!stored.ok()) {
          next_ = files_.size();  // the others need not go on
          return stored.status();
        }
        done.bytes += stored->size;
        done.added += stored->added ? 1 : 0;
      }
    }
    return absl::OkStatus();
  }

  const std::filesystem::path& folder_;
  ContentStore& store_;
  std::span<StampedFile* const> files_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  absl::Status status_;
  Intake intake_;
};

}  // namespace

absl::StatusOr<Intake> TakeIn(const std::filesystem::path& folder, ContentStore& store,
                              std::span<StampedFile* const> files, int threads) {
  Crew crew(folder, store, files);
  std::vector<std::thread> others;
  for (int i = 1; i < threads && static_cast<std::size_t>(i) * kBatch < files.size(); ++i) {
    others.emplace_back([&crew] { crew.Work(); });
  }
  crew.Work();
  for (std::thread& other : others) other.join();
  return std::move(crew).Result();
}

}  // namespace millrace::content
