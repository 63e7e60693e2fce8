// SPDX-License-Identifier: Apache-2.0
// Artifacts between work directories, this machine's store of files by content, and the broker: collected and handed
// over after an attempt that has succeeded, brought before one that wants them. Of one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/agent/event.h"
#include "millrace/base/bytes.h"
#include "millrace/content/content_store.h"
#include "millrace/content/tree.h"
#include "millrace/net/link.h"

namespace millrace::serve {

// Where files are kept by content, for all workers of this machine that name it.
struct ArtifactStore {
  std::filesystem::path folder{};
  std::uint64_t limit_bytes = 0;
};

// What is to be collected when an attempt has succeeded.
struct Making {
  std::vector<Produce> produces{};
  std::filesystem::path work_dir{};
  std::uint64_t max_file = 0;  // bytes that the broker takes of one
};

class ArtifactCourier {
 public:
  using StoreBlob = std::function<absl::Status(const Digest& digest, const Bytes& bytes)>;

  // The store is opened when something first needs it. `stopping`: what takes long ends soon, as Cancelled.
  ArtifactCourier(ArtifactStore store, net::BlobAccess& blobs, const std::atomic<bool>& stopping)
      : where_(std::move(store)), blobs_(blobs), stopping_(stopping) {}

  // When this returns, the broker has all of it. NotFound, FailedPrecondition and InvalidArgument are the task's fault.
  absl::StatusOr<ArtifactTree> HandOver(const Making& making, const StoreBlob& store_blob);
  // FailedPrecondition and InvalidArgument when these artifacts cannot be here together, or beside what is here.
  // `may_place` is asked once all of them are in the store; Cancelled when it says no.
  absl::Status Bring(std::span<const agent::Consumed> consumed, const std::filesystem::path& work_dir,
                     absl::FunctionRef<bool()> may_place);

 private:
  absl::StatusOr<content::ContentStore*> Open();
  absl::StatusOr<content::Tree> TakeIn(const Making& making, content::ContentStore& store, content::Pins& pins);
  absl::Status SendAll(const content::Tree& bundle, content::ContentStore& store, const StoreBlob& store_blob);
  absl::StatusOr<content::Tree> Wanted(std::span<const agent::Consumed> consumed, content::ContentStore& store,
                                       content::Pins& pins);
  absl::Status FetchMissing(std::span<const content::Blob> blobs, content::ContentStore& store, content::Pins& pins);

  const ArtifactStore where_;
  net::BlobAccess& blobs_;
  const std::atomic<bool>& stopping_;
  std::unique_ptr<content::ContentStore> store_;
  content::Pins kept_;  // where nobody else keeps what was made: for as long as this process lives
};

}  // namespace millrace::serve
