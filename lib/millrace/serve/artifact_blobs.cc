// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/artifact_blobs.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "millrace/base/status.h"
#include "millrace/content/tree.h"
#include "millrace/log/log.h"

namespace millrace::serve {
namespace {

constexpr std::size_t kSyncOneByOne = 16;  // blobs; of more, everything that the file system holds back is cheaper

absl::StatusOr<content::Tree> TreeOf(const store::BlobStore& blobs, const ArtifactTree& artifacts) {
  MILLRACE_ASSIGN_OR_RETURN(const Bytes bytes, blobs.Get(artifacts.digest));
  return content::DecodeTree(bytes.view());
}

}  // namespace

absl::StatusOr<std::vector<Digest>> BlobsOf(const store::BlobStore& blobs, const ArtifactTree& artifacts) {
  MILLRACE_ASSIGN_OR_RETURN(const content::Tree tree, TreeOf(blobs, artifacts));
  std::vector<Digest> digests = {artifacts.digest};
  absl::flat_hash_set<Digest> seen = {artifacts.digest};
  for (const content::TreeEntry& entry : tree.entries) {
    if (entry.is_file() && entry.size > 0 && seen.insert(entry.digest).second) digests.push_back(entry.digest);
  }
  return digests;
}

bool HasAll(const store::BlobStore& blobs, const ArtifactTree& artifacts) {
  const auto tree = TreeOf(blobs, artifacts);
  return tree.ok() && blobs.Renew(artifacts.digest, artifacts.size) &&
         std::all_of(tree->entries.begin(), tree->entries.end(), [&](const content::TreeEntry& entry) {
           return !entry.is_file() || entry.size == 0 || blobs.Renew(entry.digest, entry.size);
         });
}

absl::Status SyncAll(const store::BlobStore& blobs, std::span<const Digest> digests) {
  if (digests.size() > kSyncOneByOne) return blobs.SyncAll();
  for (const Digest& digest : digests) MILLRACE_RETURN_IF_ERROR(blobs.Sync(digest));
  return absl::OkStatus();
}

bool NameArtifacts(const store::BlobStore& blobs, const ArtifactTree& artifacts, std::set<Digest>& named) {
  if (named.contains(artifacts.digest)) return true;
  const auto digests = BlobsOf(blobs, artifacts);
  if (!digests.ok()) {
    log::Warning("artifacts of an earlier run cannot be had: %s", TextOf(digests.status()));
    return absl::IsNotFound(digests.status()) || absl::IsDataLoss(digests.status());
  }
  named.insert(digests->begin(), digests->end());
  return true;
}

}  // namespace millrace::serve
