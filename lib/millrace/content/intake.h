// SPDX-License-Identifier: Apache-2.0
// Puts files of a folder into a store: what snapshots and artifacts share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/content/content_store.h"
#include "millrace/content/stamp_cache.h"
#include "millrace/content/tree.h"

namespace millrace::content {

// How often a file that changes while it is read is read.
inline constexpr int kIntakeTries = 3;

struct Intake {
  std::vector<Pins> pins{};  // one for each thread
  std::uint64_t bytes = 0;
  std::size_t added = 0;
};

// Reads `files` (their paths, in the order of a tree), each below `folder` and through no link, into the store; each
// gets the stamp that it had while it was read, and its digest. Aborted for one that changes again and again;
// FailedPrecondition for one that is no file any more.
absl::StatusOr<Intake> TakeIn(const std::filesystem::path& folder, ContentStore& store,
                              std::span<StampedFile* const> files, int threads);

}  // namespace millrace::content
