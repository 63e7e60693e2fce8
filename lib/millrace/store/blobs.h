// SPDX-License-Identifier: Apache-2.0
// Blobs by the digest of their bytes, as files below one folder: results and submissions too large for the control
// channel. Put is atomic (a temporary file, renamed); what is there is whole. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
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
  // NotFound when it is not there; DataLoss when its bytes no longer have this digest (the file is then removed). A
  // file that cannot be read stays.
  absl::StatusOr<Bytes> Get(const Digest& digest) const;
  // The digest is trusted: whoever calls has computed or verified it.
  absl::Status Put(const Digest& digest, std::string_view bytes) const;
  // Returns when the blob is on disk, with the folders that name it.
  absl::Status Sync(const Digest& digest) const;
  // While more than `limit_bytes` are held, removes those written longest ago, but none of `keep`; and what a crash has
  // left half written.
  absl::Status Collect(std::uint64_t limit_bytes, const std::set<Digest>& keep = {}) const;

 private:
  explicit BlobStore(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path PathOf(const Digest& digest) const;

  std::filesystem::path folder_;
};

}  // namespace millrace::store
