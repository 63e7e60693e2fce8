// SPDX-License-Identifier: Apache-2.0
// Blobs by the digest of their bytes, as files below one folder: results and submissions too large for the control
// channel. Put is atomic (a temporary file, renamed); what is there is whole. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/base/digest.h"

namespace millrace::store {

class BlobStore {
 public:
  static absl::StatusOr<BlobStore> Open(const std::filesystem::path& folder);

  bool Has(const Digest& digest) const;
  // Whether it is there with so many bytes: after a loss of power a file may be shorter than its name says. If so, it
  // counts as written just now, for Collect.
  bool Renew(const Digest& digest, std::uint64_t size) const;
  // NotFound when it is not there; DataLoss when its bytes no longer have this digest (the file is then removed). A
  // file that cannot be read stays.
  absl::StatusOr<Bytes> Get(const Digest& digest) const;
  // The digest is trusted: whoever calls has computed or verified it.
  absl::Status Put(const Digest& digest, std::string_view bytes) const;
  // The same; the first Get has these bytes, not those on disk, if no other blob is put before: what comes over the
  // bulk plane is mostly wanted once, and at once.
  absl::Status PutToBeUsed(const Digest& digest, Bytes bytes) const;
  // Returns when the blob is on disk, with the folders that name it.
  absl::Status Sync(const Digest& digest) const;
  // The same for all of them, with whatever else the file system holds back.
  absl::Status SyncAll() const;
  // While more than `limit_bytes` are held, removes those written longest ago, but none of `keep` and none that was
  // written within `fresh`; and what a crash has left half written.
  absl::Status Collect(std::uint64_t limit_bytes, const std::set<Digest>& keep = {},
                       std::chrono::seconds fresh = {}) const;

 private:
  struct Latest {
    std::mutex mutex;
    Digest digest;
    Bytes bytes;
  };

  explicit BlobStore(std::filesystem::path folder) : folder_(std::move(folder)), latest_(std::make_shared<Latest>()) {}
  Bytes TakeLatest(const Digest& digest) const;
  std::filesystem::path PathOf(const Digest& digest) const;

  std::filesystem::path folder_;
  std::shared_ptr<Latest> latest_;  // of all copies
};

}  // namespace millrace::store
