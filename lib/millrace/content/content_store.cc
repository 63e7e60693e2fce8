// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/content_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/content/file.h"

namespace millrace::content {
namespace {

constexpr mode_t kBlobMode = 0444;
constexpr std::chrono::hours kForgotten{30 * 24};  // stamps of a folder that nobody has looked at for so long

// What tells that the file system, or the kernel, has no O_TMPFILE.
bool IsUnknown(int error) { return error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == ENOENT; }

absl::Status SyncFolder(int directory, const std::string& name) {
  const UniqueFd fd(openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return ErrnoStatus(errno, "sync " + name);
  return absl::OkStatus();
}

}  // namespace

std::string ContentStore::NameOf(const Digest& digest) {
  const std::string hex = digest.Hex();
  return hex.substr(0, 2) + "/" + hex;
}

std::filesystem::path ContentStore::PathOf(const Digest& digest) const { return folder_ / "objects" / NameOf(digest); }

absl::StatusOr<std::unique_ptr<ContentStore>> ContentStore::Open(const std::filesystem::path& folder,
                                                                 const StoreOptions& options) {
  std::unique_ptr<ContentStore> store(new ContentStore(folder, options));
  MILLRACE_RETURN_IF_ERROR(store->Prepare());
  return store;
}

absl::Status ContentStore::Prepare() {
  std::error_code error;
  const bool made = std::filesystem::create_directories(folder_, error);
  if (made) std::filesystem::permissions(folder_, std::filesystem::perms::owner_all, error);
  for (const char* const inner : {"objects", "partial", "damaged", "members", "stamps"}) {
    if (!error) std::filesystem::create_directory(folder_ / inner, error);
  }
  if (error) return ErrnoStatus(error.value(), folder_.string());
  const auto open_inner = [&](const char* inner) {
    return OpenIn(AT_FDCWD, folder_ / inner, O_RDONLY | O_DIRECTORY, (folder_ / inner).string());
  };
  MILLRACE_ASSIGN_OR_RETURN(objects_, open_inner("objects"));
  MILLRACE_ASSIGN_OR_RETURN(partial_, open_inner("partial"));
  MILLRACE_ASSIGN_OR_RETURN(pins_, PinTable::Join(folder_));
  named_ = access("/proc/self/fd", X_OK) != 0;  // by which a file without a name gets one
  return Sweep();
}

absl::Status ContentStore::Sweep() {
  MILLRACE_ASSIGN_OR_RETURN(const auto alone, PinTable::Alone::Begin(folder_));
  MILLRACE_RETURN_IF_ERROR(alone.Pinned().status());  // members that have died
  MILLRACE_ASSIGN_OR_RETURN(const auto names, NamesIn(partial_.get(), folder_.string()));
  for (const std::string& name : names) {
    if (!alone.Lives(name.substr(0, name.find('.')))) unlinkat(partial_.get(), name.c_str(), 0);
  }
  std::error_code ignored;  // they are swept the next time
  const auto forgotten = std::filesystem::file_time_type::clock::now() - kForgotten;
  for (const auto& stamps : std::filesystem::directory_iterator(folder_ / "stamps", ignored)) {
    if (stamps.last_write_time(ignored) < forgotten && !ignored) std::filesystem::remove(stamps.path(), ignored);
  }
  return absl::OkStatus();
}

ContentStore::Draft::Draft(Draft&& other) noexcept
    : store_(other.store_),
      fd_(std::move(other.fd_)),
      name_(std::exchange(other.name_, {})),
      size_(other.size_),
      hasher_(std::move(other.hasher_)) {}

ContentStore::Draft::~Draft() {
  if (!name_.empty()) unlinkat(store_->partial_.get(), name_.c_str(), 0);
}

absl::StatusOr<ContentStore::Draft> ContentStore::Begin() {
  const std::scoped_lock lock(mutex_);
  if (!named_) {
    const int fd = openat(partial_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kBlobMode);
    if (fd >= 0) return Draft(this, UniqueFd(fd), "");
    if (!IsUnknown(errno)) return ErrnoStatus(errno, (folder_ / "partial").string());
    named_ = true;
  }
  std::string name = pins_->name() + "." + std::to_string(++drafts_);
  MILLRACE_ASSIGN_OR_RETURN(UniqueFd fd, OpenIn(partial_.get(), name, O_RDWR | O_CREAT | O_EXCL,
                                                (folder_ / "partial" / name).string(), kBlobMode));
  return Draft(this, std::move(fd), std::move(name));
}

absl::Status ContentStore::Draft::Write(std::string_view bytes) {
  MILLRACE_RETURN_IF_ERROR(WriteAll(fd_.get(), bytes, "writing a blob in " + store_->folder_.string()));
  hasher_.Add(bytes);
  size_ += bytes.size();
  return absl::OkStatus();
}

absl::StatusOr<Stored> ContentStore::Draft::Publish(Pins& pins, const Digest* expected) {
  const Digest digest = hasher_.Finish();
  if (expected != nullptr && *expected != digest) {
    return Error(absl::StatusCode::kDataLoss, "%d bytes with the digest %s arrived in place of %s", size_, digest.Hex(),
                 expected->Hex());
  }
  return store_->Publish(*this, digest, pins);
}

absl::StatusOr<bool> ContentStore::Link(const Draft& draft, const std::string& name) {
  const std::string source = "/proc/self/fd/" + std::to_string(draft.fd_.get());
  for (bool made = false;; made = true) {
    const int linked = draft.name_.empty()
                           ? linkat(AT_FDCWD, source.c_str(), objects_.get(), name.c_str(), AT_SYMLINK_FOLLOW)
                           : renameat(partial_.get(), draft.name_.c_str(), objects_.get(), name.c_str());
    if (linked == 0) return true;
    if (errno == EEXIST) return false;
    if (errno != ENOENT || made) return ErrnoStatus(errno, (folder_ / "objects" / name).string());
    if (mkdirat(objects_.get(), name.substr(0, 2).c_str(), 0700) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, (folder_ / "objects" / name.substr(0, 2)).string());
    }
  }
}

absl::StatusOr<Stored> ContentStore::Publish(Draft& draft, const Digest& digest, Pins& pins) {
  MILLRACE_RETURN_IF_ERROR(pins.Add({&digest, 1}));
  if (Use({digest, draft.size_})) return Stored{digest, draft.size_, false};
  MILLRACE_RETURN_IF_ERROR(MakeRoom(draft.size_));
  const bool sync = options_.sync == Sync::kEach;
  const std::string name = NameOf(digest);
  if (sync && fdatasync(draft.fd_.get()) != 0) return ErrnoStatus(errno, "sync the blob " + digest.Hex());
  MILLRACE_ASSIGN_OR_RETURN(const bool added, Link(draft, name));
  draft.name_.clear();
  if (sync) {
    MILLRACE_RETURN_IF_ERROR(SyncFolder(objects_.get(), name.substr(0, 2)));
    MILLRACE_RETURN_IF_ERROR(SyncFolder(objects_.get(), "."));
  }
  return Stored{digest, draft.size_, added};
}

absl::StatusOr<Stored> ContentStore::Put(std::string_view bytes, Pins& pins) {
  const Digest digest = Sha256(bytes);
  MILLRACE_RETURN_IF_ERROR(pins.Add({&digest, 1}));
  if (Use({digest, bytes.size()})) return Stored{digest, bytes.size(), false};
  MILLRACE_ASSIGN_OR_RETURN(Draft draft, Begin());
  MILLRACE_RETURN_IF_ERROR(WriteAll(draft.fd_.get(), bytes, "writing a blob in " + folder_.string()));
  draft.size_ = bytes.size();
  return Publish(draft, digest, pins);
}

absl::StatusOr<Stored> ContentStore::PutFile(int fd, Pins& pins, std::string_view what) {
  struct stat found {};
  if (fstat(fd, &found) != 0) return ErrnoStatus(errno, what);
  if (!S_ISREG(found.st_mode)) return InvalidArgument("%s is no regular file", what);
  if (static_cast<std::size_t>(found.st_size) <= kChunkBytes) {
    // Equal content is common among small files: look before anything is written.
    auto bytes = ReadUpTo(fd, 2 * kChunkBytes, "", what);
    if (bytes.ok()) return Put(*bytes, pins);
    if (bytes.status().code() != absl::StatusCode::kResourceExhausted) return bytes.status();
    if (lseek(fd, 0, SEEK_SET) != 0) return ErrnoStatus(errno, what);  // it has grown since
  }
  // Before the disk is filled with it. A file that grows is left at the size at which it was found.
  if (const auto size = static_cast<std::uint64_t>(found.st_size);
      options_.limit_bytes > 0 && size > options_.limit_bytes) {
    return ResourceExhausted("%s has %d bytes; the store takes %d in all", what, size, options_.limit_bytes);
  }
  MILLRACE_ASSIGN_OR_RETURN(Draft draft, Begin());
  MILLRACE_ASSIGN_OR_RETURN(const Copied copied,
                            CopyContent(fd, draft.fd_.get(), true, what, static_cast<std::uint64_t>(found.st_size)));
  draft.size_ = copied.size;
  return Publish(draft, copied.digest, pins);
}

bool ContentStore::Has(const Digest& digest) const {
  return faccessat(objects_.get(), NameOf(digest).c_str(), R_OK, 0) == 0;
}

bool ContentStore::Use(const Blob& blob) const {
  const std::string name = NameOf(blob.digest);
  struct stat found {};
  if (fstatat(objects_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (static_cast<std::uint64_t>(found.st_size) != blob.size) {
    static_cast<void>(OpenBlob(blob.digest, blob.size));  // which puts it aside when it is damaged
    return false;
  }
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  const std::chrono::nanoseconds since = std::chrono::seconds(now.tv_sec - found.st_atim.tv_sec) +
                                         std::chrono::nanoseconds(now.tv_nsec - found.st_atim.tv_nsec);
  if (since < options_.use_step && since >= std::chrono::nanoseconds(0)) return true;
  const timespec times[] = {now, {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
  // When it vanishes in this moment, it was there before it was pinned, and is not now.
  return utimensat(objects_.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

absl::StatusOr<std::vector<std::size_t>> ContentStore::PinAndFindMissing(std::span<const Blob> blobs,
                                                                         Pins& pins) const {
  std::vector<Digest> digests;
  digests.reserve(blobs.size());
  for (const Blob& blob : blobs) digests.push_back(blob.digest);
  MILLRACE_RETURN_IF_ERROR(pins.Add(digests));
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    if (!Use(blobs[i])) missing.push_back(i);
  }
  return missing;
}

absl::StatusOr<UniqueFd> ContentStore::OpenBlob(const Digest& digest, std::uint64_t size) const {
  MILLRACE_ASSIGN_OR_RETURN(UniqueFd fd, OpenIn(objects_.get(), NameOf(digest), O_RDONLY, "the blob " + digest.Hex()));
  struct stat found {};
  if (fstat(fd.get(), &found) != 0) return ErrnoStatus(errno, "the blob " + digest.Hex());
  if (static_cast<std::uint64_t>(found.st_size) == size) return fd;
  // Either it is damaged, or whoever says so is wrong, for which others are not to lose it.
  MILLRACE_RETURN_IF_ERROR(Verify(digest));
  return InvalidArgument("the blob %s has %d bytes, not %d", digest.Hex(), found.st_size, size);
}

absl::Status ContentStore::Verify(const Digest& digest) const {
  const std::string what = "the blob " + digest.Hex();
  MILLRACE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenIn(objects_.get(), NameOf(digest), O_RDONLY, what));
  Hasher hasher;
  MILLRACE_RETURN_IF_ERROR(ReadChunks(fd.get(), what, [&](std::string_view chunk) {
                             hasher.Add(chunk);
                             return absl::OkStatus();
                           }).status());
  return hasher.Finish() == digest ? absl::OkStatus() : PutAside(digest, fd.get());
}

absl::StatusOr<std::string> ContentStore::Read(const Digest& digest, std::size_t limit) const {
  const std::string what = "the blob " + digest.Hex();
  MILLRACE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenIn(objects_.get(), NameOf(digest), O_RDONLY, what));
  MILLRACE_ASSIGN_OR_RETURN(std::string bytes, ReadUpTo(fd.get(), limit, "what is asked for", what));
  if (Sha256(bytes) != digest) return PutAside(digest, fd.get());
  return bytes;
}

absl::Status ContentStore::PutAside(const Digest& digest, int fd) const {
  const std::string name = NameOf(digest);
  {
    // Alone, and only the very file that was read: somebody may have put a good one in its place.
    MILLRACE_ASSIGN_OR_RETURN(const auto alone, PinTable::Alone::Begin(folder_));
    struct stat read {};
    struct stat now {};
    if (fstat(fd, &read) == 0 && fstatat(objects_.get(), name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
        read.st_ino == now.st_ino) {
      const std::filesystem::path aside = folder_ / "damaged" / digest.Hex();
      if (renameat(objects_.get(), name.c_str(), AT_FDCWD, aside.c_str()) != 0) {
        return ErrnoStatus(errno, "putting aside the damaged blob " + digest.Hex());
      }
    }
  }
  return Error(absl::StatusCode::kDataLoss,
               "the blob %s has other bytes than its name says; it was put aside into %s, and must be stored again",
               digest.Hex(), (folder_ / "damaged").string());
}

}  // namespace millrace::content
