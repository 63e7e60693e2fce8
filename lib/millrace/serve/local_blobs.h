// SPDX-License-Identifier: Apache-2.0
// The broker's own blob store, as workers and clients in the same process reach it.
#pragma once

#include <optional>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/net/link.h"
#include "millrace/store/blobs.h"

namespace millrace::serve {

class LocalBlobs final : public net::BlobAccess {
 public:
  // `networked`: others may want what is stored here.
  LocalBlobs(std::optional<store::BlobStore> blobs, bool networked) : blobs_(std::move(blobs)), networked_(networked) {}

  absl::StatusOr<Bytes> Fetch(const Digest& digest, std::uint64_t) override {
    if (!blobs_) return NotFound("no blob %s: this run keeps nothing on disk", digest.Hex());
    return blobs_->Get(digest);
  }
  absl::Status Store(const Digest& digest, const Bytes& bytes) override {
    return blobs_ ? blobs_->Put(digest, bytes.view()) : absl::OkStatus();
  }
  bool stays_inline() const override { return true; }
  bool keeps_artifacts() const override { return networked_; }

 private:
  std::optional<store::BlobStore> blobs_;
  bool networked_;
};

}  // namespace millrace::serve
