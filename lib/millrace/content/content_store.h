// SPDX-License-Identifier: Apache-2.0
// Files by the digest of their content, below one folder: what trees are made from on this machine. Any thread, and any
// number of processes at once. Equal content is there once.
//
//   objects/ab/ab12...   a blob, read-only, whole from the moment it has its name
//   partial/             blobs in the making, where the file system has no files without a name
//   damaged/             blobs whose bytes are not what their name says
//   members/, lock       who uses the store, and what they have pinned (pin_table.h)
//   stamps/              which file had which content, for snapshots and workspaces (stamp_cache.h)
//
// It holds at most `limit_bytes`, in units of 4 KiB as a disk does; what was used longest ago goes first (the time of
// access of a blob is set by us, whatever the mount options), and never what is pinned. Several processes count their
// own additions between two looks at the whole, so that together they may be over the limit for a while, each by a
// sixteenth of it.
//
// After a loss of power, blobs that were not synced may have lost bytes: they are noticed by their size when they are
// opened, and by their digest when it is looked at. `Sync::kEach` does not let it come to that, and costs what syncing
// every file costs.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/digest.h"
#include "millrace/base/fd.h"
#include "millrace/base/time.h"
#include "millrace/content/pin_table.h"

namespace millrace::content {

enum class Sync : std::uint8_t { kNone, kEach };

struct StoreOptions {
  std::uint64_t limit_bytes = std::uint64_t{20} << 30;
  Sync sync = Sync::kNone;
  // A use is written down once in so long: more often would cost a write for each file that is looked at.
  Duration use_step = std::chrono::minutes(10);
};

struct Blob {
  Digest digest;
  std::uint64_t size = 0;
};

struct Stored {
  Digest digest;
  std::uint64_t size = 0;
  bool added = false;  // it was not there before
};

class ContentStore {
 public:
  // Makes the folder where needed, and sweeps what a process that was killed has left half done.
  static absl::StatusOr<std::unique_ptr<ContentStore>> Open(const std::filesystem::path& folder,
                                                            const StoreOptions& options = {});
  ContentStore(const ContentStore&) = delete;
  ContentStore& operator=(const ContentStore&) = delete;

  Pins NoPins() const { return Pins(pins_); }  // to which pins can be added

  // A blob is pinned, by `pins`, before it is there. ResourceExhausted when there is no room for it: on the disk, or
  // below the limit beside what is pinned.
  absl::StatusOr<Stored> Put(std::string_view bytes, Pins& pins);
  // Of a regular file that stands at its beginning: by reflink where the file system can, else by copying; what is
  // hashed is what is kept. Whoever needs the file to be in one state looks at it before and after.
  absl::StatusOr<Stored> PutFile(int fd, Pins& pins, std::string_view what);

  // A blob that arrives piece by piece.
  class Draft {
   public:
    absl::Status Write(std::string_view bytes);
    // DataLoss when the content is not what was expected; then nothing was stored.
    absl::StatusOr<Stored> Publish(Pins& pins, const Digest* expected = nullptr);
    Draft(Draft&& other) noexcept;
    ~Draft();

   private:
    friend class ContentStore;
    Draft(ContentStore* store, UniqueFd fd, std::string name)
        : store_(store), fd_(std::move(fd)), name_(std::move(name)) {}

    ContentStore* store_;
    UniqueFd fd_;
    std::string name_;  // in `partial`, "" when it has none
    std::uint64_t size_ = 0;
    Hasher hasher_;
  };
  absl::StatusOr<Draft> Begin();

  bool Has(const Digest& digest) const;
  // Pins all of them, and tells which are not there, by their place in `blobs`; those of another size are
  // put aside. The others count as used now.
  absl::StatusOr<std::vector<std::size_t>> PinAndFindMissing(std::span<const Blob> blobs, Pins& pins) const;

  // Read-only. NotFound when it is not there; DataLoss when it has another size, whereupon it is put aside.
  absl::StatusOr<UniqueFd> OpenBlob(const Digest& digest, std::uint64_t size) const;
  // Reads all of it; DataLoss when it is damaged, whereupon it is put aside.
  absl::Status Verify(const Digest& digest) const;
  // The content of a small one, verified.
  absl::StatusOr<std::string> Read(const Digest& digest, std::size_t limit) const;
  // For who has found out by reading from `fd` that it is not what it should be: DataLoss that says so.
  absl::Status PutAside(const Digest& digest, int fd) const;

  // Evicts until at most so much is held, what was used longest ago first. ResourceExhausted when that cannot be,
  // since the rest is pinned.
  absl::Status Trim(std::uint64_t to_bytes);
  absl::StatusOr<std::uint64_t> HeldBytes() const;

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path PathOf(const Digest& digest) const;
  int objects() const { return objects_.get(); }
  static std::string NameOf(const Digest& digest);  // below objects
  const StoreOptions& options() const { return options_; }

 private:
  ContentStore(std::filesystem::path folder, const StoreOptions& options)
      : folder_(std::move(folder)), options_(options) {}

  absl::Status Prepare();
  absl::Status Sweep();
  absl::StatusOr<Stored> Publish(Draft& draft, const Digest& digest, Pins& pins);
  // False when somebody else was quicker.
  absl::StatusOr<bool> Link(const Draft& draft, const std::string& name);
  // Whether a blob of this size is there, used now; one of another size is put aside.
  bool Use(const Blob& blob) const;
  absl::Status MakeRoom(std::uint64_t size);
  // To `to_bytes` if that can be, and to `at_most` in any case.
  absl::Status TrimLocked(std::uint64_t to_bytes, std::uint64_t at_most);

  std::filesystem::path folder_;
  StoreOptions options_;
  UniqueFd objects_;
  UniqueFd partial_;
  std::shared_ptr<PinTable> pins_;

  std::mutex mutex_;  // of what follows
  bool counted_ = false;
  std::uint64_t held_ = 0;    // at the last look, and what was added by us since
  std::uint64_t since_ = 0;   // that part of it
  std::uint64_t drafts_ = 0;  // named so far
  bool named_ = false;        // drafts have names: the file system knows no others
};

}  // namespace millrace::content
