// SPDX-License-Identifier: Apache-2.0
// A tree put into a folder that has other things: those stay, what the tree names is there afterwards.
#pragma once

#include <filesystem>

#include "absl/status/statusor.h"
#include "millrace/content/content_store.h"
#include "millrace/content/tree.h"
#include "millrace/content/workspace.h"

namespace millrace::content {

// A file or link of another content is replaced at once, so that nobody sees a half of it; one of the same stays. All
// that is written is verified. FailedPrecondition where a directory would have to go for a file or a file for a
// directory, and where a link would have to be followed. NotFound or DataLoss names a blob that is not in the store as
// it should be.
absl::StatusOr<Made> PlaceTree(const Tree& tree, const ContentStore& store, const std::filesystem::path& folder);

}  // namespace millrace::content
