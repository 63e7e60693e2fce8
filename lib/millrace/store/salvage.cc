// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/salvage.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/store/journal.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAtOnce = 1000;  // records of one transaction

fs::path Beside(const fs::path& file, const std::string& suffix) { return file.string() + suffix; }

// A name that no earlier salvage has taken.
fs::path NameFor(const fs::path& file) {
  fs::path name = Beside(file, ".damaged");
  for (int i = 2; fs::exists(name); ++i) name = Beside(file, absl::StrFormat(".damaged.%d", i));
  return name;
}

absl::Status Copy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (!fs::exists(from, error)) return absl::OkStatus();
  fs::copy_file(from, to, error);
  if (error) return ErrnoStatus(error.value(), "copy " + from.string());
  const int descriptor = open(to.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && fsync(descriptor) == 0;
  const int failure = errno;
  if (descriptor >= 0) close(descriptor);
  return synced ? absl::OkStatus() : ErrnoStatus(failure, to.string());
}

// Everything before the damage, which comes back as DataLoss.
absl::Status CopyRecords(const fs::path& from, const fs::path& to, std::uint64_t& copied) {
  MILLRACE_ASSIGN_OR_RETURN(Journal fresh, Journal::Open(to, Sync::kFull));
  auto damaged = Journal::Open(from, Sync::kFull);
  if (!damaged.ok()) return damaged.status();
  std::array<Journal::Batch, 1> batch;
  const auto write = [&] {
    copied += batch[0].size();
    const absl::Status status = fresh.Append(batch);
    batch[0].clear();
    // Not being able to write is no damage of what is read.
    return status.ok() ? status : Unavailable("%s", TextOf(status));
  };
  const absl::Status end = damaged->Replay([&](JournalPosition, Record record) {
    batch[0].push_back(std::move(record));
    return batch[0].size() < kAtOnce ? absl::OkStatus() : write();
  });
  if (!end.ok() && end.code() != absl::StatusCode::kDataLoss) return end;
  MILLRACE_RETURN_IF_ERROR(write());
  return end;
}

absl::Status Replace(const fs::path& journal, const fs::path& fresh) {
  // A log of the old file would be taken for one of the new file.
  std::error_code error;
  for (const char* suffix : {"-wal", "-shm"}) fs::remove(Beside(journal, suffix), error);
  fs::rename(fresh, journal, error);
  if (error) return ErrnoStatus(error.value(), "rename " + fresh.string());
  const int folder = open(journal.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && fsync(folder) == 0;
  const int failure = errno;
  if (folder >= 0) close(folder);
  return synced ? absl::OkStatus() : ErrnoStatus(failure, journal.parent_path().string());
}

}  // namespace

absl::StatusOr<Salvaged> Salvage(const fs::path& journal) {
  if (!fs::exists(journal)) return NotFound("there is no %s", journal.string());
  Salvaged salvaged;
  const fs::path kept = NameFor(journal);
  const fs::path fresh = Beside(journal, ".salvaged");
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(Beside(fresh, suffix), ignored);
  // First of all, since opening alone moves what is in the log into the file.
  MILLRACE_RETURN_IF_ERROR(Copy(journal, kept));
  MILLRACE_RETURN_IF_ERROR(Copy(Beside(journal, "-wal"), Beside(kept, "-wal")));
  const absl::Status end = CopyRecords(journal, fresh, salvaged.records);
  if (end.code() == absl::StatusCode::kDataLoss) {
    salvaged.damage = TextOf(end);
    salvaged.kept = kept;
    MILLRACE_RETURN_IF_ERROR(Replace(journal, fresh));
    return salvaged;
  }
  fs::remove(fresh, ignored);
  fs::remove(kept, ignored);
  fs::remove(Beside(kept, "-wal"), ignored);
  if (!end.ok()) return end;
  return salvaged;
}

}  // namespace millrace::store
