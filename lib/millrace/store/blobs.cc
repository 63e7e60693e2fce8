// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/blobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "millrace/base/fail_point.h"
#include "millrace/base/status.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporary = ".tmp";
constexpr std::chrono::hours kAbandoned{1};  // no Put takes as long: what is older was left by a crash

absl::Status WriteAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "writing a blob");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

// A string would be filled with zeros first, which for a large blob takes as long as reading it.
absl::StatusOr<Bytes> ReadAll(const fs::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return ErrnoStatus(errno, path.string());
  struct stat info {};
  int error = fstat(descriptor, &info) == 0 ? 0 : errno;
  if (error == 0 && S_ISDIR(info.st_mode)) error = EISDIR;
  const std::size_t size = error == 0 ? static_cast<std::size_t>(info.st_size) : 0;
  const std::shared_ptr<char[]> bytes = std::make_shared_for_overwrite<char[]>(size);
  std::size_t have = 0;
  while (error == 0 && have < size) {
    const ssize_t count = read(descriptor, bytes.get() + have, size - have);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) error = errno;
    if (count <= 0) break;
    have += static_cast<std::size_t>(count);
  }
  close(descriptor);
  // Bytes that could not be read are no wrong bytes: the caller must not take the file for damaged.
  if (error != 0) return ErrnoStatus(error, path.string());
  return Bytes(bytes, std::string_view(bytes.get(), have));
}

}  // namespace

absl::StatusOr<BlobStore> BlobStore::Open(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return ErrnoStatus(error.value(), folder.string());
  return BlobStore(folder);
}

// Two levels, so that no folder grows beyond what directory listings like.
fs::path BlobStore::PathOf(const Digest& digest) const {
  const std::string hex = digest.Hex();
  return folder_ / hex.substr(0, 2) / hex;
}

bool BlobStore::Has(const Digest& digest) const { return access(PathOf(digest).c_str(), R_OK) == 0; }

bool BlobStore::Renew(const Digest& digest, std::uint64_t size) const {
  const fs::path path = PathOf(digest);
  std::error_code error;
  if (fs::file_size(path, error) != size || error) return false;
  fs::last_write_time(path, fs::file_time_type::clock::now(), error);
  return Has(digest);
}

Bytes BlobStore::TakeLatest(const Digest& digest) const {
  const std::lock_guard lock(latest_->mutex);
  if (latest_->digest != digest) return {};
  latest_->digest = {};
  return std::exchange(latest_->bytes, {});
}

absl::Status BlobStore::PutToBeUsed(const Digest& digest, Bytes bytes) const {
  MILLRACE_RETURN_IF_ERROR(Put(digest, bytes.view()));
  const std::lock_guard lock(latest_->mutex);
  latest_->digest = digest;
  latest_->bytes = std::move(bytes);
  return absl::OkStatus();
}

absl::StatusOr<Bytes> BlobStore::Get(const Digest& digest) const {
  if (Bytes latest = TakeLatest(digest); !latest.empty()) return latest;
  const fs::path path = PathOf(digest);
  MILLRACE_ASSIGN_OR_RETURN(Bytes bytes, ReadAll(path));
  if (Sha256(bytes.view()) != digest) {
    unlink(path.c_str());
    return Error(absl::StatusCode::kDataLoss, "blob %s had other bytes than its name says; it was removed",
                 digest.Hex());
  }
  return bytes;
}

absl::Status BlobStore::Put(const Digest& digest, std::string_view bytes) const {
  const fs::path path = PathOf(digest);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) return ErrnoStatus(error.value(), path.parent_path().string());
  // A name of its own, not one made of the process id: in a container every life of a broker has the same.
  std::string temporary = absl::StrFormat("%s.XXXXXX%s", path.string(), kTemporary);
  const int descriptor = mkostemps(temporary.data(), static_cast<int>(kTemporary.size()), O_CLOEXEC);
  if (descriptor < 0) return ErrnoStatus(errno, temporary);
  absl::Status status = WriteAll(descriptor, bytes);
  if (close(descriptor) != 0 && status.ok()) status = ErrnoStatus(errno, temporary);
  FailPoint("blob.written");
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) status = ErrnoStatus(errno, path.string());
  if (!status.ok()) unlink(temporary.c_str());
  FailPoint("blob.stored");
  return status;
}

absl::Status BlobStore::Sync(const Digest& digest) const {
  const fs::path path = PathOf(digest);
  for (const fs::path& part : {path, path.parent_path(), folder_}) {
    const int descriptor = open(part.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return ErrnoStatus(errno, part.string());
    const int error = fsync(descriptor) == 0 ? 0 : errno;
    close(descriptor);
    if (error != 0)
      return Error(absl::StatusCode::kDataLoss, "%s", TextOf(ErrnoStatus(error, "sync " + part.string())));
  }
  return absl::OkStatus();
}

absl::Status BlobStore::SyncAll() const {
  const int descriptor = open(folder_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return ErrnoStatus(errno, folder_.string());
  const int error = syncfs(descriptor) == 0 ? 0 : errno;
  close(descriptor);
  if (error == 0) return absl::OkStatus();
  return Error(absl::StatusCode::kDataLoss, "%s", TextOf(ErrnoStatus(error, "sync " + folder_.string())));
}

absl::Status BlobStore::Collect(std::uint64_t limit_bytes, const std::set<Digest>& keep,
                                std::chrono::seconds fresh) const {
  struct Entry {
    fs::file_time_type written;
    std::uint64_t size = 0;
    fs::path path;
  };
  std::vector<Entry> entries;
  std::uint64_t total = 0;
  std::error_code error;
  const fs::file_time_type now = fs::file_time_type::clock::now();
  const fs::file_time_type abandoned = now - kAbandoned;
  for (auto it = fs::recursive_directory_iterator(folder_, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    std::error_code ignored;  // a file may vanish under us; then it needs no collecting
    if (!it->is_regular_file(ignored)) continue;
    Entry entry;
    entry.written = it->last_write_time(ignored);
    entry.size = it->file_size(ignored);
    if (ignored) continue;
    entry.path = it->path();
    if (entry.path.extension() == kTemporary) {
      if (entry.written < abandoned) fs::remove(entry.path, ignored);
      continue;
    }
    total += entry.size;
    const auto digest = Digest::FromHex(entry.path.filename().string());
    if (digest.ok() && keep.contains(*digest)) continue;
    if (fresh > std::chrono::seconds::zero() && entry.written > now - fresh) continue;
    entries.push_back(std::move(entry));
  }
  if (error) return ErrnoStatus(error.value(), folder_.string());
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.written < b.written; });
  for (const Entry& entry : entries) {
    if (total <= limit_bytes) break;
    fs::remove(entry.path, error);
    if (error) return ErrnoStatus(error.value(), entry.path.string());
    total -= entry.size;
  }
  return absl::OkStatus();
}

}  // namespace millrace::store
