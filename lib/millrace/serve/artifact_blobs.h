// SPDX-License-Identifier: Apache-2.0
// The blobs of a broker that hold the artifacts of a task: the tree, and what is in its files.
#pragma once

#include <set>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/digest.h"
#include "millrace/model/artifact.h"
#include "millrace/store/blobs.h"

namespace millrace::serve {

// Each once; a file that is empty has none. NotFound, DataLoss or InvalidArgument when the tree is not there as it was.
absl::StatusOr<std::vector<Digest>> BlobsOf(const store::BlobStore& blobs, const ArtifactTree& artifacts);
// Whether all of them are there.
bool HasAll(const store::BlobStore& blobs, const ArtifactTree& artifacts);
// Returns when all of them are on disk.
absl::Status SyncAll(const store::BlobStore& blobs, std::span<const Digest> digests);
// Adds them to `named`: what is not to be collected. False when that could not be seen this time, and another time can.
bool NameArtifacts(const store::BlobStore& blobs, const ArtifactTree& artifacts, std::set<Digest>& named);

}  // namespace millrace::serve
